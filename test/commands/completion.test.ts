import {mkdir, readdir, readFile, stat, utimes, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, afterEach, beforeAll, beforeEach, expect, test} from 'vitest'

import Completion from '../../src/commands/completion.js'
import CompletionRefresh from '../../src/commands/completion/refresh.js'
import {ensureBucket} from '../../src/lib/cache/bucket.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {createKey} from '../../src/lib/keys/nkey.js'
import {readStartTime} from '../../src/lib/server/process.js'
import type {Failure} from '../support/cli.js'
import {startFakeServer} from '../support/fake-server.js'
import {plainSpec} from '../support/host.js'
import {freePort, startNatsServer, type TestServer} from '../support/nats-server.js'
import {run, type RunResult} from '../support/run.js'
import {scriptedHost} from '../support/scripted-host.js'
import {tempFolder, type TempFolder} from '../support/temp.js'

const file = 'names-context_one'
const key = 'context=one'
let server: TestServer
let connection: Awaited<ReturnType<typeof openConnection>>
let hostId: string
let home: TempFolder
let folder: string

beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  const spec = plainSpec(server.url, 'one')
  connection = await openConnection(spec)
  const host = scriptedHost(connection, 'one')
  hostId = host.id
  const actor = {key: createKey('M').publicKey, name: 'echo'}
  await host.run({...actor, version: '1.0.0'})
  await host.run({...actor, version: '2.0.0', dark: true})
  await ensureBucket(connection, 'LATTICEDATA_other', spec)
})

afterAll(async () => {
  await connection.close()
  await server[Symbol.asyncDispose]()
})

beforeEach(async () => {
  home = await tempFolder()
  folder = join(home.path, 'cache', 'lattice', 'completion')
})

afterEach(async () => {
  await home[Symbol.asyncDispose]()
})

function refresh(...argv: readonly string[]): Promise<RunResult> {
  const where = argv.some((word) => /^(-s|--context)$/.test(word)) ? [] : ['-s', server.url, '-l', 'one']
  const env = {
    XDG_CONFIG_HOME: join(home.path, 'config'),
    XDG_CACHE_HOME: join(home.path, 'cache'),
    LATTICE_CONTEXT: undefined,
  }
  return run(
    CompletionRefresh,
    [...argv, ...(argv.includes('--file') ? [] : ['--file', file, '--key', key]), ...where],
    env,
  )
}

function message(result: RunResult): string {
  return (result.json() as Failure).error.message
}

test.each(['bash', 'fish', 'zsh'])('the script for %s goes to stdout, or into the document', async (shell) => {
  const {stdout, stderr, exitCode} = await run(Completion, [shell])
  expect({stderr, exitCode}).toEqual({stderr: '', exitCode: 0})
  expect(stdout).toMatch(/^#.*\n[^]*lattice[^]*\n$/)
  expect((await run(Completion, [shell, '--json'])).json()).toEqual({shell, script: stdout})
})

test.each([[[]], [['tcsh']]])('a shell that there is no script for exits 2: %j', async (argv) => {
  const {exitCode, stderr} = await run(Completion, argv)
  expect(exitCode).toBe(2)
  expect(stderr).toContain('bash')
})

test('names are written where only their owner can read them', async () => {
  const {exitCode, json} = await refresh('--json')
  expect(exitCode).toBe(0)
  expect(json()).toEqual({file: join(folder, file), names: 9, changed: true})
  const text = await readFile(join(folder, file), 'utf8')
  const [head, written, seconds, ...lines] = text.trimEnd().split('\n')
  expect([head, written]).toEqual(['lattice names 1', key])
  expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(10)
  expect(lines).toEqual([
    'lattice\tone\t',
    'lattice\tother\t',
    `host\t${hostId}\tscripted`,
    `host\tscripted\t${hostId}`,
    'actor\techo\tactor on 1 host',
    'ref\techo@1.0.0\tlive on 1 host',
    'ref\techo@2.0.0\tdark on 1 host',
    'version\t1.0.0\techo',
    'version\t2.0.0\techo',
  ])
  expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600)
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
  expect(await readdir(folder)).toEqual([file])
})

test('while one process is at it another does nothing', async () => {
  await mkdir(folder, {recursive: true})
  const holder = {pid: process.pid, startTime: await readStartTime(process.pid)}
  await writeFile(join(folder, `${file}.lock`), JSON.stringify(holder))
  expect((await refresh('--json')).json()).toEqual({file: join(folder, file), names: 0, changed: false})
  expect((await refresh()).stdout).toBe('Another process is at it.\n')
  expect(await readdir(folder)).toEqual([`${file}.lock`])
})

test('a process that was killed keeps nobody from it', async () => {
  await mkdir(folder, {recursive: true})
  await writeFile(join(folder, `${file}.lock`), JSON.stringify({pid: 1, startTime: 'long ago'}))
  expect((await refresh('--json')).json()).toMatchObject({changed: true})
  expect(await readdir(folder)).toEqual([file])
})

test('where nobody listens it exits 11 and leaves the names as they were', async () => {
  await refresh()
  const before = await readFile(join(folder, file), 'utf8')
  const failed = await refresh('-s', `nats://127.0.0.1:${await freePort()}`, '--json')
  expect(failed.exitCode).toBe(11)
  expect(await readFile(join(folder, file), 'utf8')).toBe(before)
  expect(await readdir(folder)).toEqual([file])
})

test('a server that says nothing costs no more than the time it may take', async () => {
  await using silent = await startFakeServer()
  const started = performance.now()
  const failed = await refresh('-s', silent.url, '--timeout', '400ms', '--json')
  expect([6, 11]).toContain(failed.exitCode)
  expect(performance.now() - started).toBeLessThan(900)
})

test.each(['../names-x', 'names-../x', 'other', 'names-', 'names-a/b'])('%j is not a file of names', async (name) => {
  const failed = await refresh('--file', name, '--key', key, '--json')
  expect(failed.exitCode).toBe(2)
  expect(message(failed)).toContain('is not a file of names')
})

test.each(['', 'a\nb', 'a\u001bb'])('%j is not a key', async (text) => {
  const failed = await refresh('--file', file, '--key', text, '--json')
  expect(failed.exitCode).toBe(2)
})

test('no secret of a context gets into the file', async () => {
  const contexts = join(home.path, 'config', 'nats', 'context')
  await mkdir(contexts, {recursive: true})
  const secrets = {url: server.url, user: 'me', password: 'hidden-password'}
  await writeFile(join(contexts, 'one.json'), JSON.stringify(secrets))
  expect((await refresh('--context', 'one')).exitCode).toBe(0)
  expect(await readFile(join(folder, file), 'utf8')).not.toContain('hidden')
})

test('1Password is not asked, because it would ask the person', async () => {
  const contexts = join(home.path, 'config', 'nats', 'context')
  await mkdir(contexts, {recursive: true})
  await writeFile(join(contexts, 'one.json'), JSON.stringify({url: server.url, creds: 'op://vault/item/creds'}))
  const failed = await refresh('--context', 'one', '--json')
  expect(failed.exitCode).toBe(11)
  expect(message(failed)).toContain("credentials of 'op'")
})

test('names that nobody has asked for in a week are removed', async () => {
  await mkdir(folder, {recursive: true})
  const then = Date.now() / 1000 - 8 * 24 * 3600
  for (const name of ['names-old', 'names-old.tried', 'other']) {
    await writeFile(join(folder, name), '')
    await utimes(join(folder, name), then, then)
  }
  await writeFile(join(folder, 'names-new'), '')
  await refresh()
  expect((await readdir(folder)).sort()).toEqual([file, 'names-new', 'other'])
})

test('a cache folder that cannot be written is told in a sentence', async () => {
  await writeFile(join(home.path, 'cache'), '')
  const failed = await refresh('--json')
  expect(failed.exitCode).toBe(1)
  expect(message(failed)).toMatch(/^The names cannot be kept in '.*completion': a part of the path is not a folder\.$/)
})
