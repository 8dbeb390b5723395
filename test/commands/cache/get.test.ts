import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheGet from '../../../src/commands/cache/get.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {linkHash} from '../../../src/lib/records/link-hash.js'
import {formatClaims} from '../../../src/lib/records/universal.js'
import {bytes, printable, startCacheServer, type CacheServer, type Failure} from '../../support/cache-lattice.js'
import {startNatsServer} from '../../support/nats-server.js'
import {run} from '../../support/run.js'

interface Entry {
  readonly kind: string
  readonly revision: number
  readonly value: unknown
  readonly format: string
  readonly problem?: string
}

const forms: readonly (readonly string[])[] = [[], ['--json']]

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

describe('cache get', () => {
  test.each(forms)('shows a raw key, exit 0 %s', async (...extra) => {
    const lattice = await cache.lattice()
    const revision = await lattice.data.put('notes', bytes('{"owner":"shop"}'))
    const {exitCode, stdout, stderr, json} = await lattice.run(CacheGet, 'key', 'notes', ...extra)
    expect({exitCode, stderr}).toEqual({exitCode: 0, stderr: ''})
    if (extra.length === 0) expect(stdout).toContain('"owner": "shop"')
    else expect(json()).toMatchObject({kind: 'key', name: 'notes', revision, format: 'json', value: {owner: 'shop'}})
  })

  test('asks the server once for a raw key', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('notes', bytes('1'))
    const asked = await cache.watchRequests(() => lattice.run(CacheGet, 'key', 'notes'))
    expect(asked).toEqual([`$JS.API.STREAM.MSG.GET.KV_LATTICEDATA_${lattice.name}`])
  })

  test('finds claims by name, alias, key and key prefix, with and without a version', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    await lattice.storeClaims(key, {name: 'orders', call_alias: 'shop/orders', version: '1.2.0'})
    for (const name of [
      'orders',
      key,
      key.slice(0, 9),
      'shop/orders',
      ...['orders', 'shop/orders', key].map((name) => `${name}@1.2.0`),
    ]) {
      const {exitCode, json} = await lattice.run(CacheGet, 'claims', name, '--json')
      expect(exitCode).toBe(0)
      expect(json()).toMatchObject({kind: 'claims', title: 'orders', version: '1.2.0', value: {sub: key}})
    }
  })

  test('finds claims by the address of their artifact, in the version that it has', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    for (const version of ['1.2.0', '1.3.0']) await lattice.storeClaims(key, {name: 'orders', version})
    const refs = {'reg.io/shop/orders:1.2.0': '1.2.0', 'reg.io/orders@sha256:0a': '1.3.0', 'reg.io/old:1': undefined}
    for (const [url, version] of Object.entries(refs)) {
      const value = JSON.stringify({oci_url: url, public_key: key, version})
      await lattice.data.put(`REFMAP_${Buffer.from(url).toString('base64url')}`, bytes(value))
      const {exitCode, json} = await lattice.run(CacheGet, 'claims', url, '--json')
      expect(exitCode).toBe(version === undefined ? 3 : 0)
      if (version !== undefined) expect(json()).toMatchObject({name: `${key}@${version}`})
    }
    expect((await lattice.run(CacheGet, 'claims', 'reg.io/none:1')).exitCode).toBe(4)
    expect((await lattice.run(CacheGet, 'claims', 'a/b/c')).exitCode).toBe(2)
    expect((await lattice.run(CacheGet, 'claims', 'orders/default')).exitCode).toBe(3)
  })

  test('finds a version that only the base record has', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    await lattice.data.put(`CLAIMS_${key}`, bytes(formatClaims({sub: key, name: 'old', version: '0.9.0'})))
    expect((await lattice.run(CacheGet, 'claims', 'old@0.9.0')).exitCode).toBe(0)
    expect((await lattice.run(CacheGet, 'claims', 'old@0.8.0')).exitCode).toBe(4)
  })

  test.each(forms)('of claims in two versions exits 3, and each suggested line works %s', async (...extra) => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    await lattice.storeClaims(key, {name: 'echo', version: '1.0.0'})
    await lattice.storeClaims(key, {name: 'echo', version: '1.10.0'})
    const {exitCode, stderr, json} = await lattice.run(CacheGet, 'claims', 'echo', ...extra)
    expect(exitCode).toBe(3)
    if (extra.length === 0) return expect(stderr).toContain('lattice cache get claims echo@1.0.0')
    const {error} = json() as Failure
    expect(error).toMatchObject({kind: 'ambiguous', details: {candidates: ['echo@1.0.0', 'echo@1.10.0']}})
    for (const line of error.suggestions) {
      const [, , , ...argv] = line.replace(/ --lattice .*$/, '').split(' ')
      expect((await lattice.run(CacheGet, ...argv)).exitCode).toBe(0)
    }
  })

  test('of a name that two keys share exits 3 with both keys', async () => {
    const lattice = await cache.lattice()
    const keys = [createKey('M').publicKey, createKey('M').publicKey]
    for (const key of keys) await lattice.storeClaims(key, {name: 'twin', version: '1'})
    const {exitCode, json} = await lattice.run(CacheGet, 'claims', 'twin', '--json')
    expect(exitCode).toBe(3)
    expect((json() as Failure).error.suggestions).toHaveLength(2)
  })

  test('finds a link by hash and by what it ties, and hides its secrets', async () => {
    const lattice = await cache.lattice()
    const [actor, provider] = [createKey('M').publicKey, createKey('V').publicKey]
    await lattice.storeClaims(actor, {name: 'echo', version: '1'})
    const identity = {actor_id: actor, contract_id: 'wasmcloud:keyvalue', link_name: 'default'}
    const hash = linkHash(identity)
    const values = {URL: 'redis://user:hunter2@db', PASSWORD: 'hunter2', plain: 'x'}
    await lattice.data.put(
      `LINKDEF_${hash}`,
      bytes(JSON.stringify({id: hash, ...identity, provider_id: provider, values})),
    )
    for (const key of [hash, hash.toLowerCase(), 'echo/wasmcloud:keyvalue', `${actor}/wasmcloud:keyvalue/default`]) {
      const {exitCode, stdout, json} = await lattice.run(CacheGet, 'link', key, '--json')
      expect(exitCode).toBe(0)
      expect(stdout).not.toContain('hunter2')
      expect(json()).toMatchObject({value: {values: {URL: 'redis://set@db', PASSWORD: 'set', plain: 'x'}}})
    }
    expect((await lattice.run(CacheGet, 'link', hash)).stdout).not.toContain('hunter2')
    expect(((await lattice.run(CacheGet, 'link', hash, '--raw', '--json')).json() as Entry).value).toMatchObject({
      values,
    })
    expect((await lattice.run(CacheGet, 'link', 'echo/a/b/c')).exitCode).toBe(2)
    expect((await lattice.run(CacheGet, 'link', 'echo/wasmcloud:keyvalue/other')).exitCode).toBe(4)
  })

  test('finds a reference by its address', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    await lattice.data.put(
      'REFMAP_d2FzbWNsb3VkLmF6dXJlY3IuaW8vZWNobzowLjMuNA',
      bytes(`{"oci_url":"wasmcloud.azurecr.io/echo:0.3.4","public_key":"${key}"}`),
    )
    const {json} = await lattice.run(CacheGet, 'ref', 'wasmcloud.azurecr.io/echo:0.3.4', '--json')
    expect(json()).toMatchObject({kind: 'ref', value: {public_key: key}})
  })

  test('shows an older revision, and refuses one that is another record or a deletion', async () => {
    const lattice = await cache.lattice()
    const first = await lattice.data.put('notes', bytes('"one"'))
    await lattice.data.put('notes', bytes('"two"'))
    const other = await lattice.data.put('other', bytes('1'))
    const deletion = await lattice.data.del('notes')
    expect((await lattice.run(CacheGet, 'key', 'notes', '--revision', `${first}`, '--json')).json()).toMatchObject({
      value: 'one',
      revision: first,
    })
    for (const revision of [other, deletion, 999]) {
      expect((await lattice.run(CacheGet, 'key', 'notes', '--revision', `${revision}`)).exitCode).toBe(4)
    }
  })

  test.each(forms)('exits 4 for a missing record, bucket and name, 2 for a bad kind or key %s', async (...extra) => {
    const [full, empty] = [await cache.lattice(), await cache.lattice({buckets: false})]
    const missing = [
      await full.run(CacheGet, 'key', 'nothing', ...extra),
      await full.run(CacheGet, 'claims', 'nobody', ...extra),
      await full.run(CacheGet, 'key', 'x', '--bucket', 'NOWHERE', ...extra),
      await empty.run(CacheGet, 'key', 'nothing', ...extra),
      await empty.run(CacheGet, 'claims', createKey('M').publicKey, ...extra),
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
      await full.run(CacheGet, 'nonsense', 'x', ...extra),
      await full.run(CacheGet, 'key', 'a b', ...extra),
      await full.run(CacheGet, 'key', '..', ...extra),
      await full.run(CacheGet, 'claims', 'echo@@1', ...extra),
      await full.run(CacheGet, 'claims', 'x', '--bucket', 'B', ...extra),
      await full.run(CacheGet, 'key', 'x', '--revision', '0', ...extra),
      await full.run(CacheGet, 'key', ...extra),
    ]
    expect(bad.map(({exitCode}) => exitCode)).toEqual([2, 2, 2, 2, 2, 2, 2])
  })

  test.each(forms)('exits 11 without JetStream and without a server %s', async (...extra) => {
    await using plain = await startNatsServer()
    const env = {XDG_CONFIG_HOME: join(cache.server.dir, 'config')}
    const without = await run(CacheGet, ['key', 'x', '-s', plain.url, ...extra], env)
    expect(without.exitCode).toBe(11)
    if (extra.length > 0) expect(without.json()).toMatchObject({error: {kind: 'connection'}})
    await plain.stop()
    expect((await run(CacheGet, ['key', 'x', '-s', plain.url, ...extra], env)).exitCode).toBe(11)
  })

  test('gives the exact bytes with --raw', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('notes', bytes('{"b":1,  "a":2}'))
    expect((await lattice.run(CacheGet, 'key', 'notes', '--raw')).stdout).toBe('{"b":1,  "a":2}')
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
    const lattice = await cache.lattice()
    const stored = typeof value === 'string' ? bytes(value) : value
    await lattice.data.put('hostile', stored)
    const shown = await lattice.run(CacheGet, 'key', 'hostile')
    expect(shown.exitCode).toBe(0)
    expect(printable(shown.stdout)).toBe(true)
    const {stdout, json} = await lattice.run(CacheGet, 'key', 'hostile', '--json')
    expect((json() as Entry).format).toBe(format)
    expect(printable(stdout)).toBe(true)
    if (format === 'base64')
      expect(Buffer.from((json() as Entry).value as string, 'base64')).toEqual(Buffer.from(stored))
    if (String(value).includes('1E400')) expect(stdout).toContain('123456789012345678901234567890')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})
