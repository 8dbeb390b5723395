import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheDel from '../../../src/commands/cache/del.js'
import CachePut from '../../../src/commands/cache/put.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {linkHash} from '../../../src/lib/records/link-hash.js'
import {bytes, startCacheServer, type CacheServer} from '../../support/cache-lattice.js'

interface Change {
  readonly revision: number
  readonly undo?: string
}

const forms: readonly (readonly string[])[] = [[], ['--json']]

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

describe('cache put', () => {
  test('creates, replaces and says what it replaced and how to take it back', async () => {
    const lattice = await cache.lattice({buckets: false})
    const first = (await lattice.run(CachePut, 'key', 'notes', '"one"', '--json')).json() as Change
    expect(first).toMatchObject({changed: true, value: 'one', lattice: lattice.name})
    expect(first.undo).toBe(`lattice cache del key notes --revision ${first.revision} --lattice ${lattice.name}`)
    const second = (await lattice.run(CachePut, 'key', 'notes', '"two"', '--json')).json() as Change
    expect(second).toMatchObject({changed: true, previous: {revision: first.revision, value: 'one'}})
    const again = await lattice.run(CachePut, 'key', 'notes', '"two"', '--json')
    expect(again.exitCode).toBe(0)
    expect(again.json()).toMatchObject({changed: false, revision: second.revision})
  })

  test.each(forms)('exits 5 on another revision and on --create of what exists %s', async (...extra) => {
    const lattice = await cache.lattice()
    const revision = await lattice.data.put('notes', bytes('1'))
    const stale = await lattice.run(CachePut, 'key', 'notes', '2', '--revision', `${revision + 7}`, ...extra)
    const created = await lattice.run(CachePut, 'key', 'notes', '2', '--create', ...extra)
    const deleted = await lattice.run(CacheDel, 'key', 'notes', '--revision', `${revision + 7}`, ...extra)
    for (const {exitCode, stderr, json} of [stale, created, deleted]) {
      expect(exitCode).toBe(5)
      if (extra.length === 0) expect(stderr).toContain(`lattice cache get key notes --lattice ${lattice.name}`)
      else expect(json()).toMatchObject({error: {kind: 'conflict', details: {current: revision}}})
    }
    expect((await lattice.run(CachePut, 'key', 'notes', '2', '--revision', `${revision}`, ...extra)).exitCode).toBe(0)
    expect((await lattice.run(CachePut, 'key', 'notes', '2', '--revision', `${revision}`, ...extra)).exitCode).toBe(0)
  })

  test('creates again what was deleted', async () => {
    const lattice = await cache.lattice()
    await lattice.run(CachePut, 'key', 'notes', '1')
    await lattice.run(CacheDel, 'key', 'notes')
    expect((await lattice.run(CachePut, 'key', 'notes', '1', '--create')).exitCode).toBe(0)
    await lattice.run(CacheDel, 'key', 'notes')
    expect((await lattice.run(CachePut, 'key', 'notes', '3')).exitCode).toBe(0)
  })

  test('writes nothing under --dry-run and shows the record', async () => {
    const lattice = await cache.lattice({buckets: false})
    const {exitCode, json} = await lattice.run(CachePut, 'key', 'notes', '1', '--dry-run', '--json')
    expect(exitCode).toBe(0)
    expect(json()).toMatchObject({dryRun: true, changed: true, value: 1})
    expect(await lattice.data.exists()).toBe(false)
    expect((await lattice.run(CachePut, 'key', 'notes', '1', '--dry-run')).stdout).toContain('Would write')
  })

  test('writes claims in the form that every host reads', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    const claims = {
      name: 'orders',
      iss: 'A',
      capabilities: ['wasmcloud:httpserver', 'wasmcloud:keyvalue'],
      revision: '3',
    }
    expect((await lattice.run(CachePut, 'claims', `${key}@1.2.0`, JSON.stringify(claims))).exitCode).toBe(0)
    expect((await lattice.run(CachePut, 'claims', key, JSON.stringify({...claims, version: '1.2.0'}))).exitCode).toBe(0)
    const expected = `{"call_alias":"","caps":"wasmcloud:httpserver,wasmcloud:keyvalue","contract_id":"","iss":"A","name":"orders","rev":"3","sub":"${key}","tags":"","version":"1.2.0"}`
    const decoder = new TextDecoder()
    expect(decoder.decode((await lattice.data.get(`CLAIMS_${key}`))?.value)).toBe(expected)
    expect(decoder.decode((await lattice.versions.get(`${key}.MS4yLjA`))?.value)).toBe(expected)
    const edited = (
      await lattice.run(CachePut, 'claims', 'orders', '--set', 'call_alias=shop', '--json')
    ).json() as Change
    expect(edited).toMatchObject({changed: true, value: {call_alias: 'shop', name: 'orders', rev: '3'}})
  })

  test('fills in and checks the hash of a link', async () => {
    const lattice = await cache.lattice()
    const [actor, provider] = [createKey('M').publicKey, createKey('V').publicKey]
    const name = `${actor}/wasmcloud:keyvalue/default`
    const put = (
      await lattice.run(
        CachePut,
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
    const refused = await lattice.run(CachePut, 'link', name, other)
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
    const lattice = await cache.lattice()
    const {exitCode, stderr} = await lattice.run(CachePut, kind, `${createKey('M').publicKey}${suffix}`, value)
    expect(exitCode).toBe(2)
    expect(stderr).toContain(named)
    expect(await lattice.data.list()).toEqual([])
  })

  test('refuses keys that do not decode, typed keys written raw, and routes', async () => {
    const lattice = await cache.lattice()
    const refused = [
      await lattice.run(CachePut, 'ref', 'reg/echo:1', '{"public_key":"M123"}'),
      await lattice.run(CachePut, 'key', `CLAIMS_${createKey('M').publicKey}`, '{}'),
      await lattice.run(CachePut, 'key', 'x.CLAIMS_y', '{}'),
      await lattice.run(CachePut, 'route', 'v0.eA', '{}'),
      await lattice.run(CachePut, 'key', 'v0.eA', '{}', '--bucket', `LATTICEROUTES_${lattice.name}`),
      await lattice.run(CachePut, 'key', 'mappings', '{}', '--bucket', 'LATTICEACCOUNT'),
      await lattice.run(CachePut, 'key', 'a..b', '{}'),
      await lattice.run(CachePut, 'key', 'a', '1', '--create', '--revision', '3'),
      await lattice.run(CachePut, 'key', 'a', '1', '--file', 'also'),
      await lattice.run(CachePut, 'key', 'a', '--file', '/nonexistent/file'),
      await lattice.run(CachePut, 'key', 'a', '--set', 'nothing'),
    ]
    expect(refused.map(({exitCode}) => exitCode)).toEqual(refused.map(() => 2))
    expect(await lattice.data.list()).toEqual([])
  })

  test('takes a value from a file, byte for byte', async () => {
    const lattice = await cache.lattice()
    const file = join(cache.server.dir, 'value.bin')
    await writeFile(file, Uint8Array.of(0, 255, 10))
    expect((await lattice.run(CachePut, 'key', 'bytes', '--file', file)).exitCode).toBe(0)
    expect((await lattice.data.get('bytes'))?.value).toEqual(Uint8Array.of(0, 255, 10))
  })

  test('keeps the digits of big numbers when it sets a field, and __proto__ is a field', async () => {
    const lattice = await cache.lattice()
    await lattice.run(CachePut, 'key', 'big', '{"n":12345678901234567890}')
    await lattice.run(
      CachePut,
      'key',
      'big',
      '--set',
      'm=98765432109876543210',
      '--set',
      '__proto__.x=1',
      '--set',
      'word=hello',
    )
    expect(new TextDecoder().decode((await lattice.data.get('big'))?.value)).toBe(
      '{"n":12345678901234567890,"m":98765432109876543210,"__proto__":{"x":1},"word":"hello"}',
    )
  })

  test('warns about a secret on the command line and does not show it', async () => {
    const lattice = await cache.lattice()
    const {stdout, stderr} = await lattice.run(CachePut, 'key', 'db', '--set', 'password=hunter2', '--json')
    expect(stderr).toContain("Warning: 'password' looks like a secret")
    expect(stdout + stderr).not.toContain('hunter2')
  })

  test('refuses a value above the limit of the server before sending it', async () => {
    const lattice = await cache.lattice()
    const file = join(cache.server.dir, 'large.bin')
    await writeFile(file, new Uint8Array(2_000_000))
    const {exitCode, stderr} = await lattice.run(CachePut, 'key', 'large', '--file', file)
    expect(exitCode).toBe(2)
    expect(stderr).toContain('2000000 bytes')
  })

  test('lets exactly one of many writers of one revision win', async () => {
    const lattice = await cache.lattice()
    const revision = await lattice.data.put('counter', bytes('0'))
    const writers = Array.from({length: 8}, (_, index) =>
      lattice.data.put('counter', bytes(`${index + 1}`), {expected: revision}),
    )
    const settled = await Promise.allSettled(writers)
    expect(settled.filter(({status}) => status === 'fulfilled')).toHaveLength(1)
  })
})
