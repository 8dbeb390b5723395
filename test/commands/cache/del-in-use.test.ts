import {connect, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheDel from '../../../src/commands/cache/del.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {linkHash} from '../../../src/lib/records/link-hash.js'
import {formatLink} from '../../../src/lib/records/universal.js'
import {bytes, startCacheServer, type CacheServer, type Failure, type TestLattice} from '../../support/cache-lattice.js'
import {scriptedHost} from '../../support/scripted-host.js'

let cache: CacheServer
let nc: NatsConnection

beforeAll(async () => {
  cache = await startCacheServer()
  nc = await connect({servers: cache.server.url})
})

afterAll(async () => {
  await nc.close()
  await cache[Symbol.asyncDispose]()
})

async function uses(lattice: TestLattice, ...words: string[]): Promise<readonly {by: string; text: string}[]> {
  const {exitCode, json} = await lattice.run(CacheDel, ...words, '--dry-run', '--json')
  if (exitCode === 0) return []
  const {error} = json() as Failure
  expect({exitCode, kind: error.kind}).toEqual({exitCode: 9, kind: 'unsafe'})
  return error.details['uses'] as {by: string; text: string}[]
}

async function bys(lattice: TestLattice, ...words: string[]): Promise<string[]> {
  return (await uses(lattice, ...words)).map(({by}) => by)
}

async function storeLink({data}: TestLattice, actor: string, provider: string): Promise<string> {
  const identity = {actor_id: actor, contract_id: 'wasmcloud:keyvalue', link_name: 'default'}
  await data.put(`LINKDEF_${linkHash(identity)}`, bytes(formatLink({...identity, provider_id: provider})))
  return linkHash(identity)
}

async function storeRef({data}: TestLattice, url: string, record: object): Promise<void> {
  const value = JSON.stringify({oci_url: url, ...record})
  await data.put(`REFMAP_${Buffer.from(url).toString('base64url')}`, bytes(value))
}

describe('cache del of what others need', () => {
  test('is refused with the list, the lines that end each use, and the word that allows it', async () => {
    const lattice = await cache.lattice()
    const [actor, provider] = [createKey('M').publicKey, createKey('V').publicKey]
    await lattice.storeClaims(actor, {name: 'echo', version: '1.0.0'})
    const hash = await storeLink(lattice, actor, provider)
    const host = scriptedHost(nc, lattice.name)
    await host.run({key: actor, name: 'echo', version: '1.0.0'})
    const {exitCode, stderr} = await lattice.run(CacheDel, 'claims', actor)
    expect(exitCode).toBe(9)
    const where = `--lattice ${lattice.name} --server ${cache.server.url}`
    expect(stderr).toBe(
      [
        `Error: The claims '${actor}' are in use by 1 host and 1 link.`,
        `  host ${host.id} runs version 1.0.0 of it (4)`,
        `  link ${actor}/wasmcloud:keyvalue/default ties '${actor}' to '${provider}'`,
        'Try:',
        `  lattice stop ${actor}@1.0.0 ${where}`,
        `  lattice cache del link ${hash} ${where}`,
        `  lattice cache del claims ${actor} --allow in-use ${where}`,
        '',
      ].join('\n'),
    )
    const allowed = await lattice.run(CacheDel, 'claims', actor, '--allow', 'in-use', '--json')
    expect(allowed.exitCode).toBe(0)
    expect(allowed.json()).toMatchObject({changed: true, allowed: ['in-use']})
    expect(await lattice.data.get(`CLAIMS_${actor}`)).toBeUndefined()
  })

  test('is not refused because of another version, and none has to run', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    await lattice.storeClaims(key, {name: 'echo', version: '1.0.0'})
    await lattice.storeClaims(key, {name: 'echo', version: '2.0.0'})
    await storeLink(lattice, key, createKey('V').publicKey)
    expect(await uses(lattice, 'claims', `${key}@1.0.0`)).toEqual([])
    const host = scriptedHost(nc, lattice.name)
    await host.run({key, name: 'echo', version: '2.0.0'})
    expect(await uses(lattice, 'claims', `${key}@1.0.0`)).toEqual([])
    expect(await bys(lattice, 'claims', `${key}@2.0.0`)).toEqual(['instance'])
    expect(await bys(lattice, 'key', `CLAIMS_${key}`)).toEqual(['instance', 'link'])
  })

  test('is refused for the last claims of a key that a link or a reference names', async () => {
    const lattice = await cache.lattice()
    const provider = createKey('V').publicKey
    await lattice.storeClaims(provider, {name: 'redis', version: '1.0.0'})
    await lattice.data.del(`CLAIMS_${provider}`)
    await storeLink(lattice, createKey('M').publicKey, provider)
    await storeRef(lattice, 'reg/redis:1', {public_key: provider})
    await storeRef(lattice, 'reg/redis:1.0', {public_key: provider, version: '1.0.0'})
    await storeRef(lattice, 'reg/redis:2', {public_key: provider, version: '2.0.0'})
    await storeRef(lattice, 'reg/other', {public_key: createKey('V').publicKey})
    const found = await uses(lattice, 'claims', `${provider}@1.0.0`)
    expect(found.map(({text}) => text).sort()).toEqual([
      expect.stringMatching(/^link /),
      "reference 'reg/redis:1' stands for it",
      "reference 'reg/redis:1.0' stands for it",
    ])
    expect(await uses(lattice, 'ref', 'reg/redis:1')).toEqual([])
  })

  test('is refused for a leg of a route, and while a change is applied also for a leg that it replaces', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    for (const version of ['1.0.0', '2.0.0', '3.0.0']) await lattice.storeClaims(key, {name: 'echo', version})
    const routes = lattice.bucket('LATTICEROUTES')
    const route = {state: 'live', legs: [{version: '2.0.0', weight: 100}], replaced: [{version: '1.0.0', weight: 100}]}
    await routes.put(`v0.${Buffer.from(key).toString('base64url')}`, bytes(JSON.stringify(route)))
    expect(await uses(lattice, 'claims', `${key}@1.0.0`)).toEqual([])
    expect(await uses(lattice, 'claims', `${key}@2.0.0`)).toEqual([
      {by: 'route', text: `route '${key}' sends 100 % of the traffic to version 2.0.0`},
    ])
    const applying = JSON.stringify({...route, state: 'applying'})
    await routes.put(`v0.${Buffer.from(key).toString('base64url')}`, bytes(applying))
    expect(await bys(lattice, 'claims', `${key}@1.0.0`)).toEqual(['route'])
    // Its claims stay under the key alone.
    expect(await uses(lattice, 'claims', `${key}@3.0.0`)).toEqual([])
    await routes.put(`v0.${Buffer.from(key).toString('base64url')}`, bytes('gibberish'))
    expect(await bys(lattice, 'claims', `${key}@2.0.0`)).toEqual(['route'])
  })

  test('is refused when a host answers and does not say what it runs', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    await lattice.storeClaims(key, {name: 'echo'})
    const id = createKey('N').publicKey
    nc.subscribe(`wasmbus.ctl.${lattice.name}.ping.hosts`, {
      callback: (_error, message) =>
        void message.respond(JSON.stringify({id, issuer: 'A', labels: {}, uptime_seconds: 1})),
    })
    nc.subscribe(`wasmbus.ctl.${lattice.name}.get.${id}.inv`, {callback: () => undefined})
    const before = performance.now()
    const {exitCode, json} = await lattice.run(CacheDel, 'claims', key, '--json')
    expect(exitCode).toBe(9)
    expect((json() as Failure).error.message).toBe(`Whether the claims '${key}' are in use is not known.`)
    expect(performance.now() - before).toBeLessThan(4500)
  })

  test('is refused for a component or configuration of v1 that a link names or a host runs', async () => {
    const lattice = await cache.lattice()
    const link = {
      ...{source_id: 'shop', target: 'store', name: 'default', wit_namespace: 'wasi', wit_package: 'keyvalue'},
      ...{interfaces: ['store'], source_config: [], target_config: ['redis-url']},
    }
    await lattice.data.put('COMPONENT_shop', bytes(JSON.stringify({url: '', links: [link]})))
    await lattice.data.put('COMPONENT_store', bytes('{"url":"","links":[]}'))
    const configs = lattice.bucket('CONFIGDATA')
    await configs.put('redis-url', bytes('{"URL":"redis://h"}'))
    await configs.put('other', bytes('{}'))
    expect(await bys(lattice, 'config', 'redis-url')).toEqual(['component'])
    expect(await uses(lattice, 'config', 'other')).toEqual([])
    expect(await bys(lattice, 'component', 'store')).toEqual(['component'])
    expect(await uses(lattice, 'component', 'shop')).toEqual([])
    const id = createKey('N').publicKey
    const answer = (subject: string, response: object): void => {
      nc.subscribe(subject, {
        callback: (_error, message) => void message.respond(JSON.stringify({success: true, response})),
      })
    }
    answer(`wasmbus.ctl.v1.${lattice.name}.host.ping`, {id, lattice: lattice.name})
    answer(`wasmbus.ctl.v1.${lattice.name}.host.get.${id}`, {components: [{id: 'shop'}], providers: [], host_id: id})
    expect(await uses(lattice, 'component', 'shop')).toEqual([{by: 'instance', text: `host ${id} runs it (1)`}])
  })

  test('asks no host about what no host can need', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('notes', bytes('1'))
    const asked: string[] = []
    const spy = nc.subscribe('wasmbus.ctl.>', {callback: (_error, {subject}) => void asked.push(subject)})
    await nc.flush()
    expect((await lattice.run(CacheDel, 'key', 'notes')).exitCode).toBe(0)
    await nc.flush()
    spy.unsubscribe()
    expect(asked).toEqual([])
  })
})
