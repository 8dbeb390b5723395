import {execFile} from 'node:child_process'
import {access, mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'

import {beforeAll, expect, test} from 'vitest'

import ClaimsInspect from '../../../src/commands/claims/inspect.js'
import ClaimsSign from '../../../src/commands/claims/sign.js'
import {compileGuest} from '../../support/guests.js'
import {run, type RunResult} from '../../support/run.js'
import {tempFolder} from '../../support/temp.js'

let echo: Uint8Array
beforeAll(async () => {
  echo = await compileGuest('echo')
})

interface Workplace extends AsyncDisposable {
  readonly input: string
  readonly output: string
  readonly config: string
  sign: (...argv: string[]) => Promise<RunResult>
  inspect: (...argv: string[]) => Promise<RunResult>
}

async function workplace(): Promise<Workplace> {
  const folder = await tempFolder()
  const input = join(folder.path, 'echo.wasm')
  const config = join(folder.path, 'config')
  await writeFile(input, echo)
  const env = {XDG_CONFIG_HOME: config}
  return {
    input,
    output: join(folder.path, 'echo_signed.wasm'),
    config,
    sign: (...argv) => run(ClaimsSign, argv, env),
    inspect: (...argv) => run(ClaimsInspect, argv, env),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

const named = ['--name', 'echo', '--version', '1.0.0']

test('signs beside the input with keys of its own, and says where they lie', async () => {
  await using place = await workplace()
  const {stdout, exitCode} = await place.sign(place.input, ...named)
  expect(exitCode).toBe(0)
  expect(stdout).toContain(`${place.output} (written)`)
  expect(stdout).toContain(`${join(place.config, 'lattice/keys/issuer.nk')} (new)`)
  expect(stdout).toContain(`${join(place.config, 'lattice/keys/modules/echo.nk')} (new)`)
  expect(stdout).not.toMatch(/\bS[AM][A-Z2-7]{56}\b/)
})

test('what is signed is what inspect shows, in JSON too', async () => {
  await using place = await workplace()
  const all = [
    '--cap',
    'wasmcloud:httpserver',
    '--cap',
    'wasmcloud:keyvalue',
    '--tag',
    'x',
    '--call-alias',
    'e',
    '--rev',
    '3',
  ]
  const signed = (await place.sign(place.input, ...named, ...all, '--expires-in-days', '2', '--json')).json() as {
    key: string
    expires: string
  }
  const {stdout, exitCode, json} = await place.inspect(place.output, '--json')
  expect({exitCode, stdout: stdout.includes('"valid": true')}).toEqual({exitCode: 0, stdout: true})
  expect(json()).toMatchObject({
    file: place.output,
    key: signed.key,
    expires: signed.expires,
    name: 'echo',
    version: '1.0.0',
    revision: 3,
    callAlias: 'e',
    caps: ['wasmcloud:httpserver', 'wasmcloud:keyvalue'],
    tags: ['x'],
    signatureHolds: true,
    hashHolds: true,
    timeHolds: true,
  })
  expect(stdout).not.toContain('token')
  expect((await place.inspect(place.output)).stdout).toMatch(/signature\s+holds/)
})

test('the same again changes nothing; another version needs another file or the word', async () => {
  await using place = await workplace()
  await place.sign(place.input, ...named)
  const before = await readFile(place.output)
  expect((await place.sign(place.input, ...named, '--json')).json()).toMatchObject({changed: false})
  const other = ['--name', 'echo', '--version', '2.0.0']
  const refused = await place.sign(place.input, ...other)
  expect({exit: refused.exitCode, text: refused.stderr}).toEqual({
    exit: 9,
    text: expect.stringContaining('--allow overwrite') as string,
  })
  expect(await readFile(place.output)).toEqual(before)
  const replaced = await place.sign(place.input, ...other, '--allow', 'overwrite', '--json')
  expect(replaced.json()).toMatchObject({changed: true, version: '2.0.0', madeKeys: []})
})

test('an output that is no module is not replaced', async () => {
  await using place = await workplace()
  await writeFile(place.output, 'my diary')
  expect((await place.sign(place.input, ...named)).exitCode).toBe(9)
  expect(await readFile(place.output, 'utf8')).toBe('my diary')
})

test('a dry run makes neither file nor key', async () => {
  await using place = await workplace()
  const result = await place.sign(place.input, ...named, '--dry-run', '--json')
  expect(result.json()).toMatchObject({dryRun: true, changed: true, file: place.output})
  expect(result.json()).not.toHaveProperty('key')
  await expect(access(place.output)).rejects.toThrow()
  await expect(access(place.config)).rejects.toThrow()
})

test('given key files are used, and made if they are not there', async () => {
  await using place = await workplace()
  const [module, issuer] = [join(place.config, 'm.nk'), join(place.config, 'a.nk')]
  const keys = ['--module-key-file', module, '--issuer-key-file', issuer]
  const result = await place.sign(place.input, ...named, ...keys, '--json')
  expect(result.json()).toMatchObject({moduleKeyFile: module, issuerKeyFile: issuer, madeKeys: [module, issuer]})
  await expect(access(join(place.config, 'lattice'))).rejects.toThrow()
})

test.each<[string, string[], number]>([
  ['a name with an @', ['--name', 'e@1', '--version', '1'], 2],
  ['an empty version', ['--name', 'e', '--version', ''], 2],
  ['no name', ['--version', '1'], 2],
  ['a capability with a comma', [...named, '--cap', 'a,b'], 2],
  ['no days', [...named, '--expires-in-days', '0'], 2],
])('bad input is refused before any key is made: %s', async (_, argv, exit) => {
  await using place = await workplace()
  const {exitCode, stdout} = await place.sign(place.input, ...argv)
  expect({exitCode, stdout}).toEqual({exitCode: exit, stdout: ''})
  await expect(access(place.config)).rejects.toThrow()
})

test('a file that is no module, a folder, a pipe and a missing file are refused in one sentence', async () => {
  await using place = await workplace()
  await writeFile(place.input, 'TOP SECRET')
  const folder = join(place.config, 'folder')
  await mkdir(folder, {recursive: true})
  const pipe = join(place.config, 'pipe')
  await promisify(execFile)('mkfifo', [pipe])
  const results: RunResult[] = []
  for (const file of [place.input, folder, `${place.input}.missing`, pipe]) results.push(await place.inspect(file))
  expect(results.map(({exitCode}) => exitCode)).toEqual([9, 2, 4, 2])
  expect(results[0]!.stderr).toBe(`Error: The module "${place.input}" is refused: it is not a WebAssembly module.\n`)
  for (const {stderr} of results) expect(stderr).not.toContain('SECRET')
  expect((await place.sign(place.input, ...named)).exitCode).toBe(9)
  await expect(access(join(place.config, 'lattice'))).rejects.toThrow()
})

test('a changed module is shown and refused, with the reason, and unsigned ones say how to sign', async () => {
  await using place = await workplace()
  await place.sign(place.input, ...named)
  const tampered = await readFile(place.output)
  tampered[tampered.length >> 1]! ^= 1
  await writeFile(place.output, tampered)
  const text = await place.inspect(place.output)
  expect(text.exitCode).toBe(9)
  expect(text.stderr).toContain('its code was changed after it was signed')
  const json = await place.inspect(place.output, '--json')
  expect(json.json()).toMatchObject({
    error: {kind: 'unsafe', details: {reason: 'hash', module: {name: 'echo', hashHolds: false, valid: false}}},
  })
  const unsigned = await place.inspect(place.input)
  expect({exit: unsigned.exitCode, text: unsigned.stderr}).toEqual({
    exit: 9,
    text: expect.stringContaining('lattice claims sign') as string,
  })
})
