import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {Bucket, ensureBucket} from '../../../src/lib/cache/bucket.js'
import {actorEntity} from '../../../src/lib/rpc/address.js'
import {invoke} from '../../../src/lib/rpc/caller.js'
import {startHost} from '../../support/host.js'
import {startHub} from '../../support/hub.js'
import {createTestOperator} from '../../support/nats-server.js'
import {echoModule} from '../../support/story.js'
import type {Topology} from '../../support/topology.js'
import {until} from '../../support/until.js'
import {startWatching} from '../../support/watching.js'

const httpRequest = JSON.stringify({method: 'GET', path: '/', queryString: '', header: {}, body: ''})
const call = ['call', 'echo@1.0.0', 'HttpServer.HandleRequest', httpRequest]

describe('with JetStream domains', () => {
  let world: Topology

  beforeAll(async () => {
    world = await startHub({hub: {domain: 'hub'}, leaf: {domain: 'leaf'}})
    const {credsFile: creds, operatorKeyFile, clusterSeedFile} = world.server('hub')
    const here = (name: string): object => ({url: world.server(name).url, creds})
    await world.context('hub-of-leaf', {...here('hub'), jetstream_domain: 'leaf'})
    await world.context('leaf-without', {...here('leaf'), jetstream_domain: 'nowhere'})
    // Whoever changes routes at the hub asks the hub's servers.
    const ours = {sysContext: 'hub-sys', operatorKeyFile, clusterSeedFile}
    await world.context('leaf-of-hub', {...here('leaf'), jetstream_domain: 'hub'}, ours)
  })

  afterAll(async () => {
    await world[Symbol.asyncDispose]()
  })

  test('each has its records, and a context that names the other one has those', async () => {
    const {ok} = world.cli
    const owner = async (context: string): Promise<unknown> =>
      (await ok('cache', 'get', 'key', 'owner', '--context', context))['value']
    await ok('cache', 'put', 'key', 'owner', '"hub"', '--context', 'hub')
    await ok('cache', 'put', 'key', 'owner', '"leaf"', '--context', 'leaf')
    expect(await Promise.all(['hub', 'leaf', 'hub-of-leaf', 'leaf-of-hub'].map(owner))).toEqual([
      ...['hub', 'leaf'],
      ...['leaf', 'hub'],
    ])
    await ok('cache', 'put', 'key', 'owner', '"changed from below"', '--context', 'leaf-of-hub')
    await ok('cache', 'put', 'key', 'owner', '"changed from above"', '--context', 'hub-of-leaf')
    expect(await Promise.all(['hub', 'leaf'].map(owner))).toEqual(['changed from below', 'changed from above'])
  })

  test('a watch comes whole through a leaf node, and goes on', async () => {
    const bucket = await ensureBucket(await world.connect('hub'), 'WATCHED', {})
    const value = 'x'.repeat(1000)
    await Promise.all(Array.from({length: 3000}, (_, index) => bucket.put(`k${index}`, Buffer.from(value))))
    const below = Bucket.at(await world.connect('leaf'), 'WATCHED', {jsDomain: 'hub'})
    await using watching = startWatching(below)
    await until(() => watching.reports.at(-1) === 'current', 15_000)
    expect(watching.state.size).toBe(3000)
    await Promise.all(Array.from({length: 3000}, (_, index) => bucket.put(`k${index}`, Buffer.from('changed'))))
    await until(() => [...watching.state.values()].every((word) => word === 'changed'), 15_000)
    expect(watching.seen).toHaveLength(6000)
  })

  test('a long list comes whole through a leaf node', async () => {
    const bucket = Bucket.at(await world.connect('hub'), 'LATTICEDATA_default', {})
    const value = Buffer.alloc(1000, '1')
    await Promise.all(Array.from({length: 3000}, (_, index) => bucket.put(`many.${index}`, value)))
    const list = await world.cli.ok<{records: unknown[]}>('cache', 'ls', '--kind', 'key', '--context', 'leaf-of-hub')
    expect(list.records.length).toBeGreaterThan(3000)
  })

  test('a domain that is not there is no reason to wait', async () => {
    const ended = await world.cli.run('cache', 'get', 'key', 'owner', '--context', 'leaf-without')
    expect(ended).toMatchObject({exitCode: 11, stdout: ''})
    expect(ended.tookMs).toBeLessThan(5500)
  })

  test('a host at the hub is used from the leaf, and its routes are changed from there', async () => {
    const {ok} = world.cli
    await using host = await startHost({server: world.server('hub'), lattice: 'default'})
    await ok('start', echoModule('1.0.0'), '--context', 'leaf-of-hub')
    expect(await ok('host', 'ls', '--context', 'leaf-of-hub')).toMatchObject({hosts: [{id: host.id}]})
    expect(JSON.stringify(await ok(...call, '--context', 'leaf-of-hub'))).toContain('1.0.0')
    const route = await ok('route', 'bluegreen', 'echo', '--to', '1.0.0', '--context', 'leaf-of-hub')
    expect(route).toMatchObject({servers: {applied: 1, total: 1, names: ['hub']}})
    const shown = await ok('route', 'show', 'echo', '--context', 'hub')
    expect(shown).toMatchObject({state: 'current', effective: {legs: [{version: '1.0.0', weight: 100}]}})
  })
})

// A leaf sends a message on for the queue groups of the source, so legs in another group would get nothing.
test('a route at the hub splits the calls of leaf nodes, and none is lost', async () => {
  await using world = await startHub({hub: {}, leaf: {jetstream: false}})
  const hub = world.server('hub')
  await using host = await startHost({server: hub, lattice: 'default'})
  const {ok} = world.cli
  await ok('start', echoModule('1.0.0'), '--context', 'hub')
  await ok('start', echoModule('2.0.0'), '--dark', '--context', 'hub')
  const {credsFile: creds, operatorKeyFile} = hub
  await world.context('hub-routes', {url: hub.url, creds}, {sysContext: 'hub-sys', operatorKeyFile})
  await ok('route', 'ab', 'echo@1.0.0=50', 'echo@2.0.0=50', '--context', 'hub-routes')

  const nc = await world.connect('leaf')
  const [actor] = (await host.client.inventory(host.id)).actors
  const target = actorEntity(actor!.key)
  const request = {lattice: 'default', target, operation: 'Echo.Version', payload: new Uint8Array()}
  const from = {origin: target, clusterKey: host.clusterKey, hostId: host.id, timeoutMs: 5000}
  const answers = await Promise.all(
    Array.from({length: 100}, async () => Buffer.from(await invoke(nc, {...request, ...from})).toString()),
  )
  const count = (version: string): number => answers.filter((answer) => answer.includes(version)).length
  expect(count('1.0.0') + count('2.0.0')).toBe(100)
  expect(Math.min(count('1.0.0'), count('2.0.0'))).toBeGreaterThan(25)
})

describe('without JetStream domains', () => {
  let world: Topology

  beforeAll(async () => {
    const operator = createTestOperator()
    // What servers need to let a leaf that has no JetStream use the hub's.
    const config = `default_js_domain {${operator.keys.account.publicKey}: ""}`
    world = await startHub({hub: {config}, leaf: {jetstream: false, config}}, operator)
  })

  afterAll(async () => {
    await world[Symbol.asyncDispose]()
  })

  test('the leaf has the records of the hub', async () => {
    const {ok} = world.cli
    await ok('cache', 'put', 'key', 'owner', '"hub"', '--context', 'hub')
    const put = await ok('cache', 'put', 'key', 'owner', '"leaf"', '--context', 'leaf')
    expect(put).toMatchObject({previous: {value: 'hub'}})
    expect(await ok('cache', 'ls', '--kind', 'key', '--context', 'leaf')).toMatchObject({records: [{value: 'leaf'}]})
    expect(await ok('cache', 'get', 'key', 'owner', '--context', 'hub')).toMatchObject({value: 'leaf'})
  })

  test('a host at the leaf is used from the hub', async () => {
    const {ok} = world.cli
    await using host = await startHost({server: world.server('leaf'), lattice: 'default'})
    await ok('start', echoModule('1.0.0'), '--context', 'hub')
    expect(await ok('host', 'ls', '--context', 'hub')).toMatchObject({hosts: [{id: host.id}]})
    expect(JSON.stringify(await ok(...call, '--context', 'hub'))).toContain('1.0.0')
    expect(await ok('claims', 'ls', '--context', 'hub')).toMatchObject({claims: [{name: 'echo', version: '1.0.0'}]})
  })
})

test('a leaf that keeps writes back is named as the reason', async () => {
  const operator = createTestOperator()
  const config = `default_js_domain {${operator.keys.account.publicKey}: ""}`
  // Only the leaf lets requests through, so that records can be read and not written.
  await using world = await startHub({hub: {}, leaf: {jetstream: false, config}}, operator)
  await world.cli.ok('cache', 'put', 'key', 'owner', '"hub"', '--context', 'hub')
  const put = ['cache', 'put', 'key', 'owner', '"leaf"', '--context', 'leaf', '--timeout', '1s']
  const failure = await world.cli.fails(11, ...put)
  expect(failure).toMatchObject({
    message: "The bucket 'LATTICEDATA_default' can be read, but no write gets to it from here.",
    suggestions: [expect.stringContaining('jetstream_domain')],
  })
})
