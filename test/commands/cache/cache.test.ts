import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {connect, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheDel from '../../../src/commands/cache/del.js'
import CacheGet from '../../../src/commands/cache/get.js'
import CacheLs from '../../../src/commands/cache/ls.js'
import CachePut from '../../../src/commands/cache/put.js'
import {Bucket, ensureBucket} from '../../../src/lib/cache/bucket.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {linkHash} from '../../../src/lib/records/link-hash.js'
import {formatClaims} from '../../../src/lib/records/universal.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {run, type RunResult} from '../../support/run.js'

interface Entry {
  readonly kind: string
  readonly name: string
  readonly key: string
  readonly revision: number
  readonly value: unknown
  readonly format: string
  readonly problem?: string
}

interface Change extends Entry {
  readonly changed: boolean
  readonly dryRun?: boolean
  readonly undo?: string
  readonly previous?: {readonly revision: number; readonly value: unknown}
}

interface Failure {
  readonly error: {
    readonly kind: string
    readonly message: string
    readonly suggestions: string[]
    readonly details: Record<string, unknown>
  }
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const forms: readonly (readonly string[])[] = [[], ['--json']]

let server: TestServer
let nc: NatsConnection
let count = 0

type Argv = readonly string[]

interface TestLattice {
  readonly name: string
  readonly data: Bucket
  readonly versions: Bucket
  get: (...argv: Argv) => Promise<RunResult>
  put: (...argv: Argv) => Promise<RunResult>
  del: (...argv: Argv) => Promise<RunResult>
  ls: (...argv: Argv) => Promise<RunResult>
}

/** A lattice of its own, with its buckets unless told otherwise. */
async function freshLattice({buckets = true} = {}): Promise<TestLattice> {
  const name = `l${count++}`
  const env = {XDG_CONFIG_HOME: join(server.dir, 'config'), LATTICE_CONTEXT: undefined, NATS_CONTEXT: undefined}
  const where = ['-s', server.url, '-l', name]
  const open = (bucket: string): Promise<Bucket> | Bucket =>
    buckets ? ensureBucket(nc, bucket, {}, {storage: 'memory'}) : Bucket.at(nc, bucket, {})
  return {
    name,
    data: await open(`LATTICEDATA_${name}`),
    versions: await open(`LATTICEVERSIONS_${name}`),
    get: (...argv) => run(CacheGet, [...argv, ...where], env),
    put: (...argv) => run(CachePut, [...argv, ...where], env),
    del: (...argv) => run(CacheDel, [...argv, ...where], env),
    ls: (...argv) => run(CacheLs, [...argv, ...where], env),
  }
}

/** Stores claims as a host does. */
async function storeClaims(lattice: TestLattice, key: string, fields: Record<string, string>): Promise<void> {
  const value = text(formatClaims({sub: key, iss: 'A', ...fields}))
  await lattice.data.put(`CLAIMS_${key}`, value)
  if (fields['version'])
    await lattice.versions.put(`${key}.${Buffer.from(fields['version']).toString('base64url')}`, value)
}

function printable(output: string): boolean {
  // eslint-disable-next-line no-control-regex -- control characters are what must not be there
  return !/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/.test(output)
}

beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  nc = await connect({servers: server.url})
})

afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
})

describe('cache get', () => {
  test.each(forms)('shows a raw key, exit 0 %s', async (...extra) => {
    const lattice = await freshLattice()
    const revision = await lattice.data.put('notes', text('{"owner":"shop"}'))
    const {exitCode, stdout, stderr, json} = await lattice.get('key', 'notes', ...extra)
    expect({exitCode, stderr}).toEqual({exitCode: 0, stderr: ''})
    if (extra.length === 0) expect(stdout).toContain('"owner": "shop"')
    else expect(json()).toMatchObject({kind: 'key', name: 'notes', revision, format: 'json', value: {owner: 'shop'}})
  })

  test('asks the server once for a raw key', async () => {
    const lattice = await freshLattice()
    await lattice.data.put('notes', text('1'))
    const asked: string[] = []
    const spy = nc.subscribe('$JS.API.>', {callback: (_error, msg) => void asked.push(msg.subject)})
    await nc.flush()
    await lattice.get('key', 'notes')
    await nc.flush()
    spy.unsubscribe()
    expect(asked).toEqual([`$JS.API.STREAM.MSG.GET.KV_LATTICEDATA_${lattice.name}`])
  })

  test('finds claims by name, alias, key and key prefix, with and without a version', async () => {
    const lattice = await freshLattice()
    const key = createKey('M').publicKey
    await storeClaims(lattice, key, {name: 'orders', call_alias: 'shop/orders', version: '1.2.0'})
    for (const name of ['orders', key, key.slice(0, 9), 'orders@1.2.0', `${key}@1.2.0`]) {
      const {exitCode, json} = await lattice.get('claims', name, '--json')
      expect(exitCode).toBe(0)
      expect(json()).toMatchObject({kind: 'claims', title: 'orders', version: '1.2.0', value: {sub: key}})
    }
  })

  test('finds a version that only the base record has', async () => {
    const lattice = await freshLattice()
    const key = createKey('M').publicKey
    await lattice.data.put(`CLAIMS_${key}`, text(formatClaims({sub: key, name: 'old', version: '0.9.0'})))
    expect((await lattice.get('claims', 'old@0.9.0')).exitCode).toBe(0)
    expect((await lattice.get('claims', 'old@0.8.0')).exitCode).toBe(4)
  })

  test.each(forms)('of claims in two versions exits 3, and each suggested line works %s', async (...extra) => {
    const lattice = await freshLattice()
    const key = createKey('M').publicKey
    await storeClaims(lattice, key, {name: 'echo', version: '1.0.0'})
    await storeClaims(lattice, key, {name: 'echo', version: '1.10.0'})
    const {exitCode, stderr, json} = await lattice.get('claims', 'echo', ...extra)
    expect(exitCode).toBe(3)
    if (extra.length === 0) return expect(stderr).toContain('lattice cache get claims echo@1.0.0')
    const {error} = json() as Failure
    expect(error).toMatchObject({kind: 'ambiguous', details: {candidates: ['echo@1.0.0', 'echo@1.10.0']}})
    for (const line of error.suggestions) {
      const [, , , ...argv] = line.replace(/ --lattice .*$/, '').split(' ')
      expect((await lattice.get(...argv)).exitCode).toBe(0)
    }
  })

  test('of a name that two keys share exits 3 with both keys', async () => {
    const lattice = await freshLattice()
    const keys = [createKey('M').publicKey, createKey('M').publicKey]
    for (const key of keys) await storeClaims(lattice, key, {name: 'twin', version: '1'})
    const {exitCode, json} = await lattice.get('claims', 'twin', '--json')
    expect(exitCode).toBe(3)
    expect((json() as Failure).error.suggestions).toHaveLength(2)
  })

  test('finds a link by hash and by what it ties, and hides its secrets', async () => {
    const lattice = await freshLattice()
    const [actor, provider] = [createKey('M').publicKey, createKey('V').publicKey]
    await storeClaims(lattice, actor, {name: 'echo', version: '1'})
    const identity = {actor_id: actor, contract_id: 'wasmcloud:keyvalue', link_name: 'default'}
    const hash = linkHash(identity)
    const values = {URL: 'redis://user:hunter2@db', PASSWORD: 'hunter2', plain: 'x'}
    await lattice.data.put(
      `LINKDEF_${hash}`,
      text(JSON.stringify({id: hash, ...identity, provider_id: provider, values})),
    )
    for (const key of [hash, hash.toLowerCase(), 'echo/wasmcloud:keyvalue', `${actor}/wasmcloud:keyvalue/default`]) {
      const {exitCode, stdout, json} = await lattice.get('link', key, '--json')
      expect(exitCode).toBe(0)
      expect(stdout).not.toContain('hunter2')
      expect(json()).toMatchObject({value: {values: {URL: 'redis://set@db', PASSWORD: 'set', plain: 'x'}}})
    }
    expect((await lattice.get('link', hash)).stdout).not.toContain('hunter2')
    expect(((await lattice.get('link', hash, '--raw', '--json')).json() as Entry).value).toMatchObject({values})
    expect((await lattice.get('link', 'echo/a/b/c')).exitCode).toBe(2)
    expect((await lattice.get('link', 'echo/wasmcloud:keyvalue/other')).exitCode).toBe(4)
  })

  test('finds a reference by its address', async () => {
    const lattice = await freshLattice()
    const key = createKey('M').publicKey
    await lattice.data.put(
      'REFMAP_d2FzbWNsb3VkLmF6dXJlY3IuaW8vZWNobzowLjMuNA',
      text(`{"oci_url":"wasmcloud.azurecr.io/echo:0.3.4","public_key":"${key}"}`),
    )
    const {json} = await lattice.get('ref', 'wasmcloud.azurecr.io/echo:0.3.4', '--json')
    expect(json()).toMatchObject({kind: 'ref', value: {public_key: key}})
  })

  test('shows an older revision, and refuses one that is another record or a deletion', async () => {
    const lattice = await freshLattice()
    const first = await lattice.data.put('notes', text('"one"'))
    await lattice.data.put('notes', text('"two"'))
    const other = await lattice.data.put('other', text('1'))
    const deletion = await lattice.data.del('notes')
    expect((await lattice.get('key', 'notes', '--revision', `${first}`, '--json')).json()).toMatchObject({
      value: 'one',
      revision: first,
    })
    for (const revision of [other, deletion, 999]) {
      expect((await lattice.get('key', 'notes', '--revision', `${revision}`)).exitCode).toBe(4)
    }
  })

  test.each(forms)('exits 4 for a missing record, bucket and name, 2 for a bad kind or key %s', async (...extra) => {
    const [full, empty] = [await freshLattice(), await freshLattice({buckets: false})]
    const missing = [
      await full.get('key', 'nothing', ...extra),
      await full.get('claims', 'nobody', ...extra),
      await full.get('key', 'x', '--bucket', 'NOWHERE', ...extra),
      await empty.get('key', 'nothing', ...extra),
      await empty.get('claims', createKey('M').publicKey, ...extra),
    ]
    expect(missing.map(({exitCode}) => exitCode)).toEqual([4, 4, 4, 4, 4])
    if (extra.length > 0) {
      for (const {json} of missing) {
        const {error} = json() as Failure
        expect(error.kind).toBe('notFound')
        expect(error.suggestions.length).toBeGreaterThan(0)
      }
    }
    const bad = [
      await full.get('nonsense', 'x', ...extra),
      await full.get('key', 'a b', ...extra),
      await full.get('key', '..', ...extra),
      await full.get('claims', 'echo@@1', ...extra),
      await full.get('claims', 'x', '--bucket', 'B', ...extra),
      await full.get('key', 'x', '--revision', '0', ...extra),
      await full.get('key', ...extra),
    ]
    expect(bad.map(({exitCode}) => exitCode)).toEqual([2, 2, 2, 2, 2, 2, 2])
  })

  test.each(forms)('exits 11 without JetStream and without a server %s', async (...extra) => {
    await using plain = await startNatsServer()
    const env = {XDG_CONFIG_HOME: join(server.dir, 'config')}
    const without = await run(CacheGet, ['key', 'x', '-s', plain.url, ...extra], env)
    expect(without.exitCode).toBe(11)
    if (extra.length > 0) expect(without.json()).toMatchObject({error: {kind: 'connection'}})
    await plain.stop()
    expect((await run(CacheGet, ['key', 'x', '-s', plain.url, ...extra], env)).exitCode).toBe(11)
  })

  test('gives the exact bytes with --raw', async () => {
    const lattice = await freshLattice()
    await lattice.data.put('notes', text('{"b":1,  "a":2}'))
    expect((await lattice.get('key', 'notes', '--raw')).stdout).toBe('{"b":1,  "a":2}')
  })

  test.each<[string, string | Uint8Array, string]>([
    ['escape sequences', '\u001b[31mred\u0007', 'text'],
    ['escape sequences in JSON', '{"name":"\\u001b[2J\u202e\u009b"}', 'json'],
    ['a prototype name', '{"__proto__":{"polluted":true}}', 'json'],
    ['huge numbers', '{"n":123456789012345678901234567890,"e":1E400}', 'json'],
    ['bytes that are no UTF-8', Uint8Array.of(0xff, 0xfe, 0x00), 'base64'],
    ['nothing', '', 'text'],
    ['a deep nest', `${'['.repeat(50_000)}${']'.repeat(50_000)}`, 'text'],
    ['brackets in a string', `["${'['.repeat(5000)}\\"${'{'.repeat(5000)}"]`, 'json'],
    ['a byte order mark', '\ufeff{}', 'text'],
  ])('keeps hostile values and shows them cleanly: %s', async (_label, value, format) => {
    const lattice = await freshLattice()
    const bytes = typeof value === 'string' ? text(value) : value
    await lattice.data.put('hostile', bytes)
    const shown = await lattice.get('key', 'hostile')
    expect(shown.exitCode).toBe(0)
    expect(printable(shown.stdout)).toBe(true)
    const {stdout, json} = await lattice.get('key', 'hostile', '--json')
    expect((json() as Entry).format).toBe(format)
    expect(printable(stdout)).toBe(true)
    if (format === 'base64')
      expect(Buffer.from((json() as Entry).value as string, 'base64')).toEqual(Buffer.from(bytes))
    if (String(value).includes('1E400')) expect(stdout).toContain('123456789012345678901234567890')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('cache ls', () => {
  test('lists every record by kind, with what is malformed shown as such', async () => {
    const lattice = await freshLattice()
    const key = createKey('M').publicKey
    await storeClaims(lattice, key, {name: 'echo', version: '1.0.0'})
    await lattice.data.put(`CLAIMS_${createKey('M').publicKey}`, text('not json'))
    await lattice.data.put(`CLAIMS_${createKey('M').publicKey}`, text(formatClaims({sub: key, name: 'other'})))
    await lattice.data.put(`LINKDEF_${'A'.repeat(64)}`, text('{"actor_id":1}'))
    await lattice.data.put('REFMAP_eA', text('{"oci_url":"y","public_key":"M"}'))
    await lattice.data.put('odd', Uint8Array.of(0xff))
    await lattice.data.put('gone', text('x'))
    await lattice.data.del('gone')
    const {exitCode, stdout} = await lattice.ls('--json')
    expect(exitCode).toBe(0)
    const entries = JSON.parse(stdout) as Entry[]
    expect(entries.map(({kind}) => kind)).toEqual(['claims', 'claims', 'claims', 'claims', 'link', 'ref', 'key'])
    expect(entries.filter(({problem}) => problem !== undefined).map(({problem}) => problem)).toEqual(
      expect.arrayContaining([
        'it is not a JSON object',
        "its field 'sub' is not its key",
        "its field 'actor_id' does not fit the kind link",
        "its field 'oci_url' is not its key",
      ]),
    )
    expect((await lattice.ls('--kind', 'ref', '--json')).json()).toHaveLength(1)
    const piped = await lattice.ls('--kind', 'claims')
    expect(piped.stdout.trimEnd().split('\n')).toHaveLength(4)
    expect(piped.stdout).toContain(`${key}@1.0.0\techo\t1.0.0\t`)
  })

  test('of a lattice without buckets is empty, exit 0', async () => {
    const lattice = await freshLattice({buckets: false})
    const {exitCode, json} = await lattice.ls('--json')
    expect(exitCode).toBe(0)
    expect(json()).toEqual([])
  })
})

describe('cache put', () => {
  test('creates, replaces and says what it replaced and how to take it back', async () => {
    const lattice = await freshLattice({buckets: false})
    const first = (await lattice.put('key', 'notes', '"one"', '--json')).json() as Change
    expect(first).toMatchObject({changed: true, value: 'one', lattice: lattice.name})
    expect(first.undo).toBe(`lattice cache del key notes --revision ${first.revision} --lattice ${lattice.name}`)
    const second = (await lattice.put('key', 'notes', '"two"', '--json')).json() as Change
    expect(second).toMatchObject({changed: true, previous: {revision: first.revision, value: 'one'}})
    const again = await lattice.put('key', 'notes', '"two"', '--json')
    expect(again.exitCode).toBe(0)
    expect(again.json()).toMatchObject({changed: false, revision: second.revision})
  })

  test.each(forms)('exits 5 on another revision and on --create of what exists %s', async (...extra) => {
    const lattice = await freshLattice()
    const revision = await lattice.data.put('notes', text('1'))
    const stale = await lattice.put('key', 'notes', '2', '--revision', `${revision + 7}`, ...extra)
    const created = await lattice.put('key', 'notes', '2', '--create', ...extra)
    const deleted = await lattice.del('key', 'notes', '--revision', `${revision + 7}`, ...extra)
    for (const {exitCode, stderr, json} of [stale, created, deleted]) {
      expect(exitCode).toBe(5)
      if (extra.length === 0) expect(stderr).toContain(`lattice cache get key notes --lattice ${lattice.name}`)
      else expect(json()).toMatchObject({error: {kind: 'conflict', details: {current: revision}}})
    }
    expect((await lattice.put('key', 'notes', '2', '--revision', `${revision}`, ...extra)).exitCode).toBe(0)
    expect((await lattice.put('key', 'notes', '2', '--revision', `${revision}`, ...extra)).exitCode).toBe(0)
  })

  test('creates again what was deleted', async () => {
    const lattice = await freshLattice()
    await lattice.put('key', 'notes', '1')
    await lattice.del('key', 'notes')
    expect((await lattice.put('key', 'notes', '1', '--create')).exitCode).toBe(0)
    await lattice.del('key', 'notes')
    expect((await lattice.put('key', 'notes', '3')).exitCode).toBe(0)
  })

  test('writes nothing under --dry-run and shows the record', async () => {
    const lattice = await freshLattice({buckets: false})
    const {exitCode, json} = await lattice.put('key', 'notes', '1', '--dry-run', '--json')
    expect(exitCode).toBe(0)
    expect(json()).toMatchObject({dryRun: true, changed: true, value: 1})
    expect(await lattice.data.exists()).toBe(false)
    expect((await lattice.put('key', 'notes', '1', '--dry-run')).stdout).toContain('Would write')
  })

  test('writes claims in the form that every host reads', async () => {
    const lattice = await freshLattice()
    const key = createKey('M').publicKey
    const claims = {
      name: 'orders',
      iss: 'A',
      capabilities: ['wasmcloud:httpserver', 'wasmcloud:keyvalue'],
      revision: '3',
    }
    expect((await lattice.put('claims', `${key}@1.2.0`, JSON.stringify(claims))).exitCode).toBe(0)
    expect((await lattice.put('claims', key, JSON.stringify({...claims, version: '1.2.0'}))).exitCode).toBe(0)
    const expected = `{"call_alias":"","caps":"wasmcloud:httpserver,wasmcloud:keyvalue","contract_id":"","iss":"A","name":"orders","rev":"3","sub":"${key}","tags":"","version":"1.2.0"}`
    const decoder = new TextDecoder()
    expect(decoder.decode((await lattice.data.get(`CLAIMS_${key}`))?.value)).toBe(expected)
    expect(decoder.decode((await lattice.versions.get(`${key}.MS4yLjA`))?.value)).toBe(expected)
    const edited = (await lattice.put('claims', 'orders', '--set', 'call_alias=shop', '--json')).json() as Change
    expect(edited).toMatchObject({changed: true, value: {call_alias: 'shop', name: 'orders', rev: '3'}})
  })

  test('fills in and checks the hash of a link', async () => {
    const lattice = await freshLattice()
    const [actor, provider] = [createKey('M').publicKey, createKey('V').publicKey]
    const name = `${actor}/wasmcloud:keyvalue/default`
    const put = (
      await lattice.put(
        'link',
        name,
        JSON.stringify({provider_id: provider}),
        '--set',
        'values.URL=redis://h',
        '--json',
      )
    ).json() as Change
    const hash = linkHash({actor_id: actor, contract_id: 'wasmcloud:keyvalue', link_name: 'default'})
    expect(put).toMatchObject({
      key: `LINKDEF_${hash}`,
      value: {id: hash, actor_id: actor, provider_id: provider, values: {URL: 'redis://h'}},
    })
    const other = JSON.stringify({
      actor_id: createKey('M').publicKey,
      provider_id: provider,
      contract_id: 'wasmcloud:keyvalue',
    })
    const refused = await lattice.put('link', name, other)
    expect(refused.exitCode).toBe(2)
    expect(refused.stderr).toContain('hash')
  })

  test.each([
    ['claims', '', '{"sub":"other"}', "'sub'"],
    ['claims', '', '{"rev":3}', "'rev'"],
    ['claims', '@1.0.0', '{"version":"2.0.0"}', "'version'"],
    ['claims', '', '[]', 'JSON object'],
    ['claims', '', 'text', 'JSON'],
    ['link', '/wasmcloud:keyvalue/default', '{"provider_id":"V123"}', "'provider_id'"],
    ['link', '/wasmcloud:keyvalue/default', '{}', "'provider_id'"],
  ])('refuses a record that does not fit, naming the field: %s %s %s', async (kind, suffix, value, named) => {
    const lattice = await freshLattice()
    const {exitCode, stderr} = await lattice.put(kind, `${createKey('M').publicKey}${suffix}`, value)
    expect(exitCode).toBe(2)
    expect(stderr).toContain(named)
    expect(await lattice.data.list()).toEqual([])
  })

  test('refuses keys that do not decode, typed keys written raw, and routes', async () => {
    const lattice = await freshLattice()
    const refused = [
      await lattice.put('ref', 'reg/echo:1', '{"public_key":"M123"}'),
      await lattice.put('key', `CLAIMS_${createKey('M').publicKey}`, '{}'),
      await lattice.put('key', 'x.CLAIMS_y', '{}'),
      await lattice.put('route', 'v0.eA', '{}'),
      await lattice.put('key', 'a..b', '{}'),
      await lattice.put('key', 'a', '1', '--create', '--revision', '3'),
      await lattice.put('key', 'a', '1', '--file', 'also'),
      await lattice.put('key', 'a', '--file', '/nonexistent/file'),
      await lattice.put('key', 'a', '--set', 'nothing'),
    ]
    expect(refused.map(({exitCode}) => exitCode)).toEqual(refused.map(() => 2))
    expect(await lattice.data.list()).toEqual([])
  })

  test('takes a value from a file, byte for byte', async () => {
    const lattice = await freshLattice()
    const file = join(server.dir, 'value.bin')
    await writeFile(file, Uint8Array.of(0, 255, 10))
    expect((await lattice.put('key', 'bytes', '--file', file)).exitCode).toBe(0)
    expect((await lattice.data.get('bytes'))?.value).toEqual(Uint8Array.of(0, 255, 10))
  })

  test('keeps the digits of big numbers when it sets a field, and __proto__ is a field', async () => {
    const lattice = await freshLattice()
    await lattice.put('key', 'big', '{"n":12345678901234567890}')
    await lattice.put('key', 'big', '--set', 'm=98765432109876543210', '--set', '__proto__.x=1', '--set', 'word=hello')
    expect(new TextDecoder().decode((await lattice.data.get('big'))?.value)).toBe(
      '{"n":12345678901234567890,"m":98765432109876543210,"__proto__":{"x":1},"word":"hello"}',
    )
  })

  test('warns about a secret on the command line and does not show it', async () => {
    const lattice = await freshLattice()
    const {stdout, stderr} = await lattice.put('key', 'db', '--set', 'password=hunter2', '--json')
    expect(stderr).toContain("Warning: 'password' looks like a secret")
    expect(stdout + stderr).not.toContain('hunter2')
  })

  test('refuses a value above the limit of the server before sending it', async () => {
    const lattice = await freshLattice()
    const file = join(server.dir, 'large.bin')
    await writeFile(file, new Uint8Array(2_000_000))
    const {exitCode, stderr} = await lattice.put('key', 'large', '--file', file)
    expect(exitCode).toBe(2)
    expect(stderr).toContain('2000000 bytes')
  })

  test('lets exactly one of many writers of one revision win', async () => {
    const lattice = await freshLattice()
    const revision = await lattice.data.put('counter', text('0'))
    const writers = Array.from({length: 8}, (_, index) =>
      lattice.data.put('counter', text(`${index + 1}`), {expected: revision}),
    )
    const settled = await Promise.allSettled(writers)
    expect(settled.filter(({status}) => status === 'fulfilled')).toHaveLength(1)
  })
})

describe('cache del', () => {
  test('leaves a DEL marker that every host acts on, and says how to take it back', async () => {
    const lattice = await freshLattice()
    const revision = await lattice.data.put('notes', text('"one"'))
    const {json} = await lattice.del('key', 'notes', '--json')
    expect(json()).toMatchObject({operation: 'del', changed: true, previous: {revision, value: 'one'}})
    expect((json() as Change).undo).toContain(`--revision ${revision} --raw`)
    const last = (
      await nc.request(
        `$JS.API.STREAM.MSG.GET.KV_LATTICEDATA_${lattice.name}`,
        `{"last_by_subj":"$KV.LATTICEDATA_${lattice.name}.notes"}`,
      )
    ).json<{message: {hdrs: string}}>()
    expect(Buffer.from(last.message.hdrs, 'base64').toString()).toContain('KV-Operation: DEL')
    expect((await lattice.get('key', 'notes')).exitCode).toBe(4)
  })

  test.each(forms)(
    'exits 4 when there is nothing to delete, and deletes nothing under --dry-run %s',
    async (...extra) => {
      const lattice = await freshLattice()
      expect((await lattice.del('key', 'notes', ...extra)).exitCode).toBe(4)
      await lattice.data.put('notes', text('1'))
      expect((await lattice.del('key', 'notes', '--dry-run', ...extra)).exitCode).toBe(0)
      expect(await lattice.data.get('notes')).toBeDefined()
    },
  )

  test('of claims in two versions exits 3; one version can be named', async () => {
    const lattice = await freshLattice()
    const key = createKey('M').publicKey
    await storeClaims(lattice, key, {name: 'echo', version: '1.0.0'})
    await storeClaims(lattice, key, {name: 'echo', version: '2.0.0'})
    const {exitCode, stderr} = await lattice.del('claims', 'echo')
    expect(exitCode).toBe(3)
    expect(stderr).toContain(`lattice cache del claims echo@1.0.0 --lattice ${lattice.name}`)
    expect((await lattice.del('claims', 'echo@1.0.0')).exitCode).toBe(0)
    expect((await lattice.get('claims', 'echo', '--json')).json()).toMatchObject({version: '2.0.0'})
  })

  test('can remove a malformed record', async () => {
    const lattice = await freshLattice()
    await lattice.data.put('LINKDEF_broken', text('x'))
    expect((await lattice.del('key', 'LINKDEF_broken')).exitCode).toBe(0)
  })
})
