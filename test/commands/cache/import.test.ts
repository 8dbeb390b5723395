import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheExport from '../../../src/commands/cache/export.js'
import CacheImport from '../../../src/commands/cache/import.js'
import CacheInit from '../../../src/commands/cache/init.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {linkHash} from '../../../src/lib/records/link-hash.js'
import {formatLink, formatRef} from '../../../src/lib/records/universal.js'
import {bytes, startCacheServer, type CacheServer, type Failure, type TestLattice} from '../../support/cache-lattice.js'
import {startNatsServer} from '../../support/nats-server.js'
import {run} from '../../support/run.js'
import {tempFolder} from '../../support/temp.js'

let cache: CacheServer
let count = 0

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

const newFile = (ending = 'jsonl'): string => join(cache.server.dir, `bundle-${count++}.${ending}`)

/** A file with these lines, as somebody writes it by hand. */
async function fileOf(...lines: readonly (object | string)[]): Promise<string> {
  const file = newFile()
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
  await writeFile(file, `${text.join('\n')}\n`)
  return file
}

const byHand = ['--allow', 'incomplete']

async function exported(lattice: TestLattice, ...flags: readonly string[]): Promise<string> {
  const file = newFile(flags.includes('yaml') ? 'yaml' : 'jsonl')
  expect((await lattice.run(CacheExport, '-o', file, ...flags)).exitCode).toBe(0)
  return file
}

/** Everything that is stored, by bucket. */
async function contents({data, versions}: TestLattice): Promise<Record<string, string>> {
  const entries = [...(await data.list()), ...(await versions.list())]
  return Object.fromEntries(entries.map(({key, value}) => [key, Buffer.from(value).toString('latin1')]))
}

async function filledLattice(): Promise<TestLattice & {readonly key: string}> {
  const lattice = await cache.lattice()
  const key = createKey('M').publicKey
  await lattice.storeClaims(key, {name: 'echo', version: '1.2.0'})
  await lattice.data.put(
    `REFMAP_${Buffer.from('x.io/e').toString('base64url')}`,
    bytes(formatRef({oci_url: 'x.io/e', public_key: key})),
  )
  const link = {actor_id: key, contract_id: 'wasmcloud:keyvalue', link_name: 'default'}
  const provider = createKey('V').publicKey
  await lattice.data.put(
    `LINKDEF_${linkHash(link)}`,
    bytes(formatLink({...link, provider_id: provider, values: {URL: 'x'}})),
  )
  await lattice.data.put('plain', bytes('some "text"\nof two lines'))
  await lattice.data.put(
    'binary',
    Uint8Array.from({length: 256}, (_, index) => index),
  )
  await lattice.data.put('number', bytes('{"big":12345678901234567890,"b":1.0}'))
  await lattice.versions.put('odd', bytes('7'))
  return {...lattice, key}
}

interface Counts {
  readonly created: number
  readonly replaced: number
  readonly unchanged: number
  readonly kept: number
  readonly deleted: number
  readonly leftOut: number
}

async function imported(lattice: TestLattice, ...argv: readonly string[]): Promise<Counts> {
  const {exitCode, stdout, json} = await lattice.run(CacheImport, ...argv, '--json')
  expect([exitCode, stdout]).toEqual([0, stdout])
  return json() as Counts
}

describe('cache import', () => {
  test.each([[[]], [['--raw']], [['--format', 'yaml']], [['--sort', 'key']]])(
    'brings an export with %j into another lattice, to the last byte',
    async (flags) => {
      const from = await filledLattice()
      const file = await exported(from, ...flags)
      const to = await cache.lattice({buckets: false})
      expect(await imported(to, file)).toMatchObject({created: 8, replaced: 0, unchanged: 0})
      expect(await contents(to)).toEqual(await contents(from))
      expect(await imported(to, file)).toMatchObject({created: 0, unchanged: 8})
      expect(await imported(to, file, '--mode', 'replace')).toMatchObject({replaced: 0, unchanged: 8})
      const {revision} = (await to.data.last('plain'))!
      expect(await imported(to, file, '--no-validate')).toMatchObject({unchanged: 8})
      expect((await to.data.last('plain'))!.revision).toBe(revision)
    },
  )

  test('lets stand what is there, replaces it, or puts its fields into it, as the mode says', async () => {
    const lattice = await cache.lattice()
    const file = await fileOf(
      {kind: 'key', key: 'a', value: {x: 1, deep: {p: 1}}},
      {kind: 'key', key: 'text', text: 'new'},
      {kind: 'key', key: 'new', value: 1},
    )
    const there = async (): Promise<void> => {
      await lattice.data.put('a', bytes('{"x":2,"y":3,"deep":{"q":2}}'))
      await lattice.data.put('text', bytes('old'))
      await lattice.data.del('new')
    }
    const value = async (key: string): Promise<string> => Buffer.from((await lattice.data.get(key))!.value).toString()
    await there()
    const kept = await lattice.run(CacheImport, file, ...byHand)
    expect(kept.stdout).toContain('Imported 3 records')
    expect(kept.stdout).toContain('1 created, 2 kept as they are')
    expect(kept.stderr).toContain('--mode replace')
    expect([await value('a'), await value('text'), await value('new')]).toEqual([
      '{"x":2,"y":3,"deep":{"q":2}}',
      'old',
      '1',
    ])
    await there()
    expect(await imported(lattice, file, '--mode', 'merge', ...byHand)).toMatchObject({created: 1, replaced: 2})
    expect([await value('a'), await value('text')]).toEqual(['{"x":1,"y":3,"deep":{"q":2,"p":1}}', 'new'])
    await there()
    expect(await imported(lattice, file, '--mode', 'replace', ...byHand)).toMatchObject({created: 1, replaced: 2})
    expect([await value('a'), await value('text')]).toEqual(['{"x":1,"deep":{"p":1}}', 'new'])
    expect(await imported(lattice, file, '--mode', 'merge', ...byHand)).toMatchObject({unchanged: 3})
  })

  test('shows what it would do and does nothing, secrets hidden', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('a', bytes('{"x":2,"password":"geheim"}'))
    const file = await fileOf(
      {kind: 'key', key: 'a', value: {x: 1, password: 'neu'}},
      {kind: 'key', key: 'b', value: 1},
      {kind: 'config', key: 'c', value: {a: 'b'}},
    )
    const {stdout, exitCode, stderr} = await lattice.run(CacheImport, file, '--mode', 'replace', '--dry-run', ...byHand)
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(stdout).toBe(
      [
        "replace key 'a', now revision 1",
        '  ~ password: "set" → "set" (what differs is not shown)',
        '  ~ x: 2 → 1',
        "create key 'b'",
        "create config 'c'",
        `Would import 3 records into lattice '${lattice.name}': 2 would be created, 1 would be replaced.`,
        '',
      ].join('\n'),
    )
    const json = await lattice.run(CacheImport, file, '--mode', 'replace', '--dry-run', '--json', ...byHand)
    expect(json.json()).toMatchObject({
      dryRun: true,
      created: 2,
      replaced: 1,
      changes: [{operation: 'replace'}, {}, {}],
    })
    expect(`${json.stdout}${stdout}`).not.toMatch(/geheim|neu/)
    expect(await lattice.data.list()).toHaveLength(1)
    expect(await cache.request('$JS.API.STREAM.INFO.KV_CONFIGDATA_' + lattice.name)).toMatchObject({error: {code: 404}})
  })

  test('refuses what is cut off, changed or redacted before it writes anything, and takes the word that allows it', async () => {
    const from = await filledLattice()
    const [whole, redacted] = [await exported(from), await exported(from, '--redact')]
    const text = await readFile(whole, 'utf8')
    const cut = await fileOf(text.split('\n').slice(0, 4).join('\n'))
    const changed = await fileOf(text.replace('some', 'same').trimEnd())
    for (const [file, word] of [
      [cut, 'incomplete'],
      [changed, 'altered'],
      [redacted, 'redacted'],
    ] as const) {
      const to = await cache.lattice()
      const refused = await to.run(CacheImport, file, '--json')
      expect(refused.exitCode).toBe(9)
      expect((refused.json() as Failure).error.suggestions).toEqual([`--allow ${word}`])
      expect(await contents(to)).toEqual({})
      expect((await to.run(CacheImport, file, '--allow', word)).exitCode).toBe(0)
      expect(Object.keys(await contents(to)).length).toBeGreaterThan(1)
    }
  })

  test.each([
    ['empty', ''],
    ['missing', undefined],
  ])('says what is wrong with a file that is %s', async (_what, text) => {
    const lattice = await cache.lattice()
    const file = newFile()
    if (text !== undefined) await writeFile(file, text)
    const {exitCode, stderr} = await lattice.run(CacheImport, file, ...byHand)
    expect(exitCode).toBe(2)
    expect(stderr).toContain(JSON.stringify(file))
  })

  test('checks every record by its kind, and tells line and field of what it does not write', async () => {
    const lattice = await cache.lattice()
    const [key, other] = [createKey('M').publicKey, createKey('M').publicKey]
    const good = JSON.parse(formatRef({oci_url: 'a', public_key: key})) as object
    const file = await fileOf(
      {kind: 'ref', key: 'REFMAP_YQ', value: good},
      {kind: 'claims', key: `CLAIMS_${key}`, value: {sub: other, name: 'x'}},
      {
        kind: 'link',
        key: `LINKDEF_${'A'.repeat(64)}`,
        value: {actor_id: key, contract_id: 'c', link_name: 'd', provider_id: 'V', values: {}},
      },
      {kind: 'ref', key: 'nonsense', value: good},
      {kind: 'key', key: 'CLAIMS_x', text: 'x'},
      {kind: 'key', key: 'a b', text: 'x'},
      {kind: 'config', key: 'c', value: {a: 1}},
      'not json',
      {kind: 'what', key: 'a', value: 1},
    )
    const {exitCode, stderr} = await lattice.run(CacheImport, file, ...byHand)
    expect(exitCode).toBe(8)
    for (const part of [
      '8 records cannot be written as they are; all others were imported.',
      `line 2, claims 'CLAIMS_${key}': The record does not fit its key: its field 'sub' is not its key`,
      "line 4, ref 'nonsense': the key 'nonsense' is not one of kind ref",
      "line 5, key 'CLAIMS_x': the key 'CLAIMS_x' is one that hosts read as a typed record",
      "line 6, key 'a b': ",
      "line 7, config 'c': The field 'a' must be a string",
      'line 8: it is not JSON',
      "line 9: its field 'kind' is none of the kinds of records",
      '--no-validate',
    ]) {
      expect(stderr).toContain(part)
    }
    expect(Object.keys(await contents(lattice))).toEqual(['REFMAP_YQ'])
    const json = await lattice.run(CacheImport, file, '--json', ...byHand)
    expect((json.json() as Failure).error).toMatchObject({kind: 'partial', details: {unchanged: 1, refused: 8}})

    const repair = await lattice.run(CacheImport, file, '--no-validate', ...byHand)
    expect(repair.stderr).toContain('Records are not checked')
    expect(Object.keys(await contents(lattice))).toHaveLength(4)
  })

  test('writes the long form of newer hosts so that every host reads it', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    const file = await fileOf({
      kind: 'claims',
      key: `CLAIMS_${key}`,
      value: {
        subject: key,
        issuer: 'A',
        name: 'echo',
        capabilities: ['a', 'b'],
        revision: '3',
        tags: [],
        version: '1.0.0',
        call_alias: null,
      },
    })
    expect(await imported(lattice, file, ...byHand)).toMatchObject({created: 1})
    const [stored] = Object.values(await contents(lattice))
    expect(stored).toBe(
      `{"call_alias":"","caps":"a,b","contract_id":"","iss":"A","name":"echo","rev":"3","sub":"${key}","tags":"","version":"1.0.0"}`,
    )
    expect(await imported(lattice, file, ...byHand)).toMatchObject({unchanged: 1})
  })

  test('leaves out route records and kinds that are not asked for', async () => {
    const lattice = await cache.lattice()
    const route = {kind: 'route', key: 'v0.eA', value: {}}
    const file = await fileOf(route, {kind: 'key', key: 'a', value: 1}, {kind: 'config', key: 'c', value: {}})
    const {stdout, stderr} = await lattice.run(CacheImport, file, '--kind', 'key', '--kind', 'route', ...byHand)
    expect(stdout).toContain('1 created, 2 left out')
    expect(stderr).toContain('only route commands write routes: 1.')
    expect(Object.keys(await contents(lattice))).toEqual(['a'])
  })

  test('takes the later of two records with one key', async () => {
    const lattice = await cache.lattice()
    const lines = Array.from({length: 50}, (_, index) => ({kind: 'key', key: `k${index % 5}`, value: index}))
    await imported(lattice, await fileOf(...lines), ...byHand)
    expect(await contents(lattice)).toEqual({k0: '45', k1: '46', k2: '47', k3: '48', k4: '49'})
  })

  test('deletes what the export does not have only when it may', async () => {
    const from = await filledLattice()
    const file = await exported(from)
    const to = await cache.lattice()
    await to.data.put('extra', bytes('1'))
    await to.data.put('plain', bytes('2'))
    const unasked = await to.run(CacheImport, file, '--prune')
    expect(unasked.exitCode).toBe(2)
    expect(unasked.stderr).toContain('--yes')
    expect(Object.keys(await contents(to))).toEqual(['extra', 'plain'])

    const dry = await to.run(CacheImport, file, '--prune', '--dry-run')
    expect(dry.stdout).toContain("delete key 'extra', revision 1")
    expect(dry.stdout).toContain('1 would be deleted')
    expect(Object.keys(await contents(to))).toEqual(['extra', 'plain'])

    expect(await imported(to, file, '--prune', '--kind', 'ref', '--yes')).toMatchObject({
      deleted: 0,
      created: 1,
      leftOut: 7,
    })
    expect(await imported(to, file, '--prune', '--mode', 'replace', '--yes')).toMatchObject({deleted: 1, replaced: 1})
    expect(await contents(to)).toEqual(await contents(from))
    expect((await to.data.last('extra'))?.operation).toBe('DEL')
  })

  test('does not delete when something could not be written', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('extra', bytes('1'))
    const header = {export: {format: 1, lattice: 'x', created: '', kinds: ['key'], buckets: []}}
    const file = await fileOf(header, {kind: 'key', key: 'a b', value: 1})
    expect((await lattice.run(CacheImport, file, '--prune', '--yes', ...byHand)).exitCode).toBe(8)
    expect(Object.keys(await contents(lattice))).toEqual(['extra'])
    const bare = await fileOf({kind: 'key', key: 'a', value: 1})
    expect((await lattice.run(CacheImport, bare, '--prune', '--yes', ...byHand)).exitCode).toBe(2)
    expect(Object.keys(await contents(lattice)).sort()).toEqual(['a', 'extra'])
  })

  test('imports all or nothing where the bucket allows it', async () => {
    const lattice = await cache.lattice()
    const lines = Array.from({length: 1000}, (_, index) => ({kind: 'key', key: `k${index}`, value: index}))
    const file = await fileOf(...lines)
    const refused = await lattice.run(CacheImport, file, '--atomic', '--json', ...byHand)
    expect(refused.exitCode).toBe(9)
    const {suggestions} = (refused.json() as Failure).error
    expect(suggestions[0]).toContain('lattice cache init --update --atomic')
    expect((await lattice.run(CacheInit, '--update', '--atomic', '--storage', 'memory')).exitCode).toBe(0)
    await lattice.data.put('k7', bytes('"there"'))
    expect(await imported(lattice, file, '--atomic', '--dry-run', ...byHand)).toMatchObject({created: 999, kept: 1})
    expect(Object.keys(await contents(lattice))).toHaveLength(1)
    expect(await imported(lattice, file, '--atomic', '--mode', 'replace', ...byHand)).toMatchObject({
      created: 999,
      replaced: 1,
    })
    expect(Object.keys(await contents(lattice))).toHaveLength(1000)
    expect(await imported(lattice, file, '--atomic', ...byHand)).toMatchObject({unchanged: 1000})

    const many = await fileOf(...lines, {kind: 'key', key: 'one-more', value: 1})
    expect((await lattice.run(CacheImport, many, '--atomic', ...byHand)).exitCode).toBe(2)
    const spread = await fileOf({kind: 'key', key: 'x', value: 1}, {kind: 'config', key: 'c', value: {}})
    expect((await lattice.run(CacheImport, spread, '--atomic', ...byHand)).stderr).toContain('--kind config')
    const unfit = await fileOf({kind: 'key', key: 'fresh', value: 1}, {kind: 'key', key: 'a b', value: 1})
    expect((await lattice.run(CacheImport, unfit, '--atomic', ...byHand)).stderr).toContain("line 2, key 'a b'")
    expect(await lattice.data.get('fresh')).toBeUndefined()
  })

  test('goes to another JetStream domain and back', async () => {
    await using folder = await tempFolder()
    const store = JSON.stringify(folder.path)
    await using server = await startNatsServer({config: `jetstream {domain: "hub", store_dir: ${store}}`})
    const file = await fileOf(
      ...Array.from({length: 20}, (_, index) => ({kind: 'key', key: `k${index}`, value: index})),
    )
    const where = ['-s', server.url, '-l', 'd', '--js-domain', 'hub']
    const env = {XDG_CONFIG_HOME: folder.path, LATTICE_CONTEXT: undefined}
    const back = newFile()
    for (const argv of [
      [file, ...byHand],
      [file, '--mode', 'replace', ...byHand],
    ]) {
      expect(await run(CacheImport, [...argv, ...where], env)).toMatchObject({exitCode: 0})
    }
    expect(await run(CacheExport, ['-o', back, ...where], env)).toMatchObject({exitCode: 0})
    expect(await readFile(back, 'utf8')).toContain('"key":"k19","revision":20,')
  })

  test('names a value that is too large for the server or the bucket', async () => {
    const lattice = await cache.lattice()
    const file = await fileOf(
      {kind: 'key', key: 'large', text: 'x'.repeat(1_100_000)},
      {kind: 'key', key: 'small', value: 1},
    )
    const {exitCode, stderr} = await lattice.run(CacheImport, file, ...byHand)
    expect(exitCode).toBe(8)
    expect(stderr).toContain("line 1, key 'large': its value has 1100000 bytes")
    expect(Object.keys(await contents(lattice))).toEqual(['small'])
  })
})
