import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {Bucket, ensureBucket} from '../../../src/lib/cache/bucket.js'
import {askApi, jetStream} from '../../../src/lib/cache/jetstream.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {routeSchema, type RouteRecord} from '../../../src/lib/records/route.js'
import {openStore, type RouteStore} from '../../../src/lib/routes/store/store.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'

let server: TestServer
let nc: NatsConnection
beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  nc = await openConnection({
    servers: [server.url],
    lattice: 'default',
    protected: false,
    timeoutMs: 5000,
    connectTimeoutMs: 5000,
  })
})
afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
})

const record: RouteRecord = routeSchema.parse({
  lattice: 'l',
  kind: 'actor',
  key: 'MABC',
  name: 'echo',
  source: 'wasmbus.rpc.l.MABC',
  strategy: 'ab',
  driver: 'jwt',
  state: 'live',
  legs: [{version: '1.0.0', weight: 100}],
  replaced: [],
  digest: 'sha256:1',
  replacedDigest: 'sha256:0',
  who: {account: 'A'},
  when: '2026-01-02T03:04:05.678Z',
})

let count = 0
async function open(): Promise<{store: RouteStore; bucket: Bucket; lattice: string}> {
  const lattice = `store-${++count}`
  const store = await openStore(nc, {lattice})
  return {store, lattice, bucket: Bucket.at(nc, `LATTICEROUTES_${lattice}`, {})}
}

describe('the store of routes', () => {
  test('is empty and makes nothing until something is written', async () => {
    const {store, bucket} = await open()
    expect(await store.list()).toEqual([])
    expect(await store.get('v0.x')).toBeUndefined()
    expect(await store.history('v0.x')).toEqual([])
    expect(await bucket.exists()).toBe(false)
    expect(await store.put('v0.x', record, 0)).toBe(1)
    expect(await store.get('v0.x')).toEqual({key: 'v0.x', record, revision: 1})
  })

  test('keeps 64 revisions in a file', async () => {
    const {store, bucket} = await open()
    await store.put('v0.x', record, 0)
    const {fields} = await askApi(jetStream(nc, {}), `STREAM.INFO.KV_${bucket.name}`)
    expect(fields['config']).toMatchObject({max_msgs_per_subject: 64, storage: 'file', num_replicas: 1})
  })

  test('writes only over the revision that was read', async () => {
    const {store} = await open()
    const first = await store.put('v0.x', record, 0)
    await expect(store.put('v0.x', record, 0)).rejects.toMatchObject({
      kind: 'conflict',
      message: "The route of 'echo' was changed by someone else in the meantime.",
    })
    const second = await store.put('v0.x', {...record, strategy: 'undo'}, first)
    await expect(store.put('v0.x', record, first)).rejects.toMatchObject({kind: 'conflict'})
    expect((await store.at('v0.x', first))?.record.strategy).toBe('ab')
    expect((await store.history('v0.x')).map(({revision}) => revision)).toEqual([first, second])
    expect(await store.at('v0.y', first)).toBeUndefined()
  })

  test('keeps fields that it does not know', async () => {
    const {store} = await open()
    await store.put('v0.x', {...record, later: {of: 'use'}}, 0)
    expect((await store.get('v0.x'))?.record['later']).toEqual({of: 'use'})
  })

  test('names the path of a record that fits no schema', async () => {
    const {store, bucket} = await open()
    await ensureBucket(nc, bucket.name, {})
    await bucket.put('v0.x', Buffer.from(JSON.stringify({...record, legs: [{version: '1.0.0', weight: 101}]})))
    await expect(store.get('v0.x')).rejects.toMatchObject({
      kind: 'server',
      message: "The route record 'v0.x' fits no known schema: 'legs.0.weight'.",
    })
    await bucket.put('v0.x', Buffer.from('{'))
    await expect(store.list()).rejects.toMatchObject({kind: 'server'})
  })
})
