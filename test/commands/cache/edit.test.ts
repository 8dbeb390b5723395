import {mkdir, readdir, readFile, stat, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'

import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest'

import CacheEdit from '../../../src/commands/cache/edit.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {bytes, startCacheServer, type CacheServer, type Failure, type TestLattice} from '../../support/cache-lattice.js'
import type {RunResult} from '../../support/run.js'
import {until} from '../../support/until.js'

let cache: CacheServer
let lattice: TestLattice
/** Where drafts lie while a test runs. */
let folder: string
let count = 0

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

beforeEach(async () => {
  lattice = await cache.lattice()
  folder = join(cache.server.dir, `drafts-${count++}`)
  await mkdir(folder)
  process.env['TMPDIR'] = folder
  process.env['SEEN'] = join(folder, '..', `seen-${count}`)
})

afterEach(() => {
  for (const name of ['TMPDIR', 'SEEN', 'EDITOR', 'VISUAL']) Reflect.deleteProperty(process.env, name)
})

/** Edits with a shell script as the editor: `$1` is the file. What the editor got is kept, with its mode. */
async function edit(script: string, ...argv: readonly string[]): Promise<RunResult> {
  const path = join(folder, '..', `editor-${count}.sh`)
  await writeFile(path, `set -e\ncp "$1" "$SEEN"\nstat -c '%a' "$1" "$(dirname "$1")" >"$SEEN.modes"\n${script}\n`)
  process.env['EDITOR'] = `sh ${path}`
  return lattice.run(CacheEdit, ...argv)
}

function seen(): Promise<string> {
  return readFile(process.env['SEEN']!, 'utf8')
}

async function stored(key: string): Promise<string> {
  return new TextDecoder().decode((await lattice.data.get(key))?.value)
}

describe('cache edit', () => {
  test('shows a record as YAML, and writes what was made of it in the form that every host reads', async () => {
    const key = createKey('M').publicKey
    await lattice.storeClaims(key, {name: 'echo', rev: '3', caps: 'wasmcloud:httpserver'})
    const {exitCode, stdout, stderr} = await edit('sed -i "s/^call_alias:.*/call_alias: shop/" "$1"', 'claims', key)
    expect(stderr).toMatch(/^What you type is in \S+\/claims\.yaml until it is written\.\n$/)
    expect(exitCode).toBe(0)
    expect(stdout).toContain('Undo: lattice cache revert claims')
    expect(await seen()).toBe(
      [
        `#> claims ${key} in lattice '${lattice.name}', revision 1`,
        '#> Save and close to write it. Closed unchanged, or emptied, it leaves the record as it is.',
        ...['call_alias: ""', 'caps: wasmcloud:httpserver', 'contract_id: ""', 'iss: A', 'name: echo', 'rev: "3"'],
        ...[`sub: ${key}`, 'tags: ""', 'version: ""', ''],
      ].join('\n'),
    )
    expect(await stored(`CLAIMS_${key}`)).toContain('{"call_alias":"shop","caps":"wasmcloud:httpserver"')
    expect(await readdir(folder)).toEqual([])
  })

  test('gives the editor secrets, in a file that nobody else may read, and shows none', async () => {
    await lattice.data.put('db', bytes('{"password":"hunter2","host":"a"}'))
    const {stdout, stderr} = await edit('sed -i s/hunter2/hunter3/ "$1"', 'key', 'db', '--json')
    expect(await seen()).toContain('password: hunter2')
    expect((await readFile(`${process.env['SEEN']!}.modes`, 'utf8')).split('\n').slice(0, 2)).toEqual(['600', '700'])
    expect(await stored('db')).toBe('{"password":"hunter3","host":"a"}')
    expect(stdout + stderr).not.toContain('hunter')
    expect(JSON.parse(stdout)).toMatchObject({changed: true, value: {password: 'set', host: 'a'}})
  })

  test.each(['true', 'touch "$1"', `printf '#> more\\n' | cat - "$1" >"$1.new"; mv "$1.new" "$1"`])(
    'writes nothing when nothing was changed: %s',
    async (script) => {
      const revision = await lattice.data.put('notes', bytes('{ "b": 1, "a": 2 }'))
      const {exitCode, json} = await edit(script, 'key', 'notes', '--json')
      expect(exitCode).toBe(0)
      expect(json()).toMatchObject({changed: false, revision})
      expect((await lattice.data.get('notes'))?.revision).toBe(revision)
      expect(await readdir(folder)).toEqual([])
    },
  )

  test('does not rewrite a record that a host wrote in its own form, unless it was changed', async () => {
    const key = createKey('M').publicKey
    const long = JSON.stringify({subject: key, issuer: 'A', name: 'echo', revision: '3', capabilities: ['a', 'b']})
    const revision = await lattice.data.put(`CLAIMS_${key}`, bytes(long))
    expect((await edit('true', 'claims', key)).stdout).toContain('Unchanged')
    expect((await lattice.data.get(`CLAIMS_${key}`))?.revision).toBe(revision)
    expect((await edit('sed -i s/echo/shop/ "$1"', 'claims', key)).exitCode).toBe(0)
    expect(await stored(`CLAIMS_${key}`)).toContain('"caps":"a,b","contract_id":"","iss":"A","name":"shop","rev":"3"')
  })

  test('keeps every digit, and __proto__ as a field', async () => {
    await lattice.data.put('big', bytes('{"n":12345678901234567890,"d":1.10,"__proto__":{"x":1e400},"w":"a"}'))
    expect((await edit('sed -i "s/^w: a/w: b/" "$1"', 'key', 'big')).exitCode).toBe(0)
    expect(await stored('big')).toBe('{"n":12345678901234567890,"d":1.10,"__proto__":{"x":1e400},"w":"b"}')
  })

  test('shows text as it is, and adds no line end to it', async () => {
    await lattice.data.put('motd', bytes('hello\n#> world'))
    expect((await edit(`printf 'bye\\n#> world\\n' >"$1"`, 'key', 'motd')).exitCode).toBe(0)
    expect(await seen()).toBe('hello\n#> world')
    expect(await stored('motd')).toBe('bye\n#> world')
  })

  test('makes a record of what is none', async () => {
    const key = createKey('M').publicKey
    await lattice.data.put(`CLAIMS_${key}`, bytes('{"name":"echo",'))
    expect((await edit(`printf 'name: echo\\nrev: "1"\\n' >"$1"`, 'claims', key)).exitCode).toBe(0)
    expect(await seen()).toContain('\n{"name":"echo",')
    expect(await stored(`CLAIMS_${key}`)).toContain(`"name":"echo","rev":"1","sub":"${key}"`)
  })

  test.each([
    ['emptied', ': >"$1"', 130, 'was emptied'],
    ['deleted', 'rm "$1"', 130, 'was emptied'],
    ['left with an error', 'exit 3', 130, 'exit code 3'],
  ])('writes nothing when the file was %s', async (_how, script, code, sentence) => {
    await lattice.data.put('notes', bytes('{"a":1}'))
    const {exitCode, stderr} = await edit(script, 'key', 'notes')
    expect({exitCode, said: stderr.includes(sentence)}).toEqual({exitCode: code, said: true})
    expect(await stored('notes')).toBe('{"a":1}')
    expect(await readdir(folder)).toEqual([])
  })

  test('says when there is no such editor, and no terminal for one', async () => {
    await lattice.data.put('notes', bytes('{"a":1}'))
    process.env['EDITOR'] = '/nonexistent/editor'
    const missing = await lattice.run(CacheEdit, 'key', 'notes')
    expect(missing.exitCode).toBe(2)
    expect(missing.stderr).toContain("The editor '/nonexistent/editor' cannot be started.")
    process.env['EDITOR'] = ' '
    const none = await lattice.run(CacheEdit, 'key', 'notes')
    expect(none.exitCode).toBe(2)
    expect(none.stderr).toContain('There is no terminal')
    expect(await readdir(folder)).toEqual([])
  })

  test('prefers VISUAL, with its arguments', async () => {
    await lattice.data.put('notes', bytes('{"a":1}'))
    process.env['VISUAL'] = 'sed -i -e s/1/2/'
    expect((await edit('exit 3', 'key', 'notes')).exitCode).toBe(0)
    expect(await stored('notes')).toBe('{"a":2}')
  })

  test.each([[[]], [['--json']]])('refuses what cannot be edited %j', async (extra) => {
    await lattice.data.put('binary', Uint8Array.of(0, 255))
    await lattice.data.put('bell', bytes('a\u0007b'))
    expect((await edit('true', 'key', 'binary', ...extra)).exitCode).toBe(2)
    expect((await edit('true', 'key', 'bell', ...extra)).exitCode).toBe(2)
    expect((await edit('true', 'key', 'missing', ...extra)).exitCode).toBe(4)
    expect((await edit('true', 'route', 'v0.eA', ...extra)).exitCode).toBe(2)
    expect(await readdir(folder)).toEqual([])
  })
})

describe('what was typed and not written', () => {
  test('is kept when it is not valid and nobody can be asked, with the line that writes it', async () => {
    const key = createKey('M').publicKey
    await lattice.storeClaims(key, {name: 'echo', rev: '3'})
    const {exitCode, json} = await edit(`sed -i 's/^rev:.*/rev: 4/' "$1"`, 'claims', key, '--json')
    expect(exitCode).toBe(2)
    const {error} = json() as Failure
    expect(error.message).toContain("'rev' must be a string")
    const kept = error.details['kept'] as string
    expect(await readFile(kept, 'utf8')).toContain('\nrev: 4\n')
    expect((await stat(kept)).mode & 0o777).toBe(0o600)
    expect(error.suggestions.at(-1)).toContain(`lattice cache put claims ${key} --file ${kept} --revision 1 --lattice`)
  })

  test('is kept when it is no YAML, and the line of the error is that of the file', async () => {
    await lattice.data.put('notes', bytes('{"a":1}'))
    const {exitCode, stderr} = await edit(`printf 'b: "\\n' >>"$1"`, 'key', 'notes')
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/What you typed is kept in \S+\/key\.yaml\n/)
    expect(stderr).toContain('--yaml')
  })

  test('is kept when somebody else wrote meanwhile, and both changes are shown', async () => {
    const revision = await lattice.data.put('shop', bytes('{"name":"a","rate":1,"token":"t0"}'))
    const meanwhile = whileEditing(() => lattice.data.put('shop', bytes('{"name":"b","rate":1,"token":"t1"}')))
    const failed = await edit(
      `while [ ! -e "$SEEN.go" ]; do sleep 0.05; done; sed -i -e 's/name: a/name: c/' -e 's/rate: 1/rate: 2/' "$1"`,
      ...['key', 'shop', '--json'],
    )
    await meanwhile
    expect(failed.exitCode).toBe(5)
    const {details, message} = (failed.json() as Failure).error
    expect(message).toBe(`The key 'shop' is no longer at revision ${revision} but at revision ${revision + 1}.`)
    expect(details).toMatchObject({
      expected: revision,
      current: revision + 1,
      diff: [
        {path: ['name'], before: 'a', after: 'b'},
        {path: ['token'], before: 'set', after: 'set'},
      ],
      yours: [
        {path: ['name'], before: 'a', after: 'c'},
        {path: ['rate'], before: 1, after: 2},
      ],
      both: ['name'],
    })
    expect(await readFile(details['kept'] as string, 'utf8')).toContain('name: c\nrate: 2\ntoken: t0\n')
    expect(await stored('shop')).toContain('"b"')
  })

  test('is kept under --dry-run, which writes nothing', async () => {
    await lattice.data.put('notes', bytes('{"a":1}'))
    const {exitCode, stderr, json} = await edit('sed -i s/1/2/ "$1"', 'key', 'notes', '--dry-run', '--json')
    expect(exitCode).toBe(0)
    expect(json()).toMatchObject({changed: true, dryRun: true, value: {a: 2}})
    const path = /kept in (\S+)/.exec(stderr)?.[1] ?? ''
    expect(await readFile(path, 'utf8')).toContain('a: 2')
    expect(await stored('notes')).toBe('{"a":1}')
  })

  test('is kept when the editor fails, with the files of the editor', async () => {
    await lattice.data.put('notes', bytes('{"a":1}'))
    const {exitCode, stderr} = await edit('cp "$1" "$1.swp"; exit 1', 'key', 'notes')
    expect(exitCode).toBe(130)
    const path = /kept in (\S+)/.exec(stderr)?.[1] ?? ''
    expect(await readdir(dirname(path))).toEqual(['key.yaml', 'key.yaml.swp'])
  })

  test('is kept when the value does not fit', async () => {
    await lattice.data.put('notes', bytes('{"a":1}'))
    const {exitCode, stderr} = await edit(
      `head -c 1100000 /dev/zero | tr '\\0' x | sed 's/^/b: /' >>"$1"`,
      'key',
      'notes',
    )
    expect(exitCode).toBe(2)
    expect(stderr).toContain('max_payload')
    const path = /kept in (\S+)/.exec(stderr)?.[1] ?? ''
    expect((await stat(path)).size).toBeGreaterThan(1_100_000)
  })
})

/** Works once the editor has got the file, and then lets it go on. */
async function whileEditing(work: () => Promise<unknown>): Promise<void> {
  const path = process.env['SEEN']!
  await until(async () => (await readFile(`${path}.modes`, 'utf8').catch(() => '')) !== '', 10_000)
  await work()
  await writeFile(`${path}.go`, '')
}
