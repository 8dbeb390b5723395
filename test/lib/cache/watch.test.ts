import {connect, headers, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {ensureBucket, type Bucket} from '../../../src/lib/cache/bucket.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {until} from '../../support/until.js'
import {startWatching} from '../../support/watching.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const spec = {timeoutMs: 2000}

let server: TestServer
let nc: NatsConnection
let count = 0
const fresh = (): Promise<Bucket> => ensureBucket(nc, `W${count++}`, spec)

beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  nc = await connect({servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50})
})

afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
})

describe('watching a bucket', () => {
  test('gives present values, says that they are complete, and then every change', async () => {
    const bucket = await fresh()
    await bucket.put('a', text('1'))
    await bucket.put('a', text('2'))
    await bucket.put('gone', text('x'))
    await bucket.del('gone')
    await using watching = startWatching(bucket)
    await until(() => watching.reports.length === 1, 5000)
    expect(watching.seen).toEqual(['a=2'])
    expect(watching.reports).toEqual(['current'])
    await bucket.put('b', text('1'))
    await bucket.del('a')
    await until(() => watching.seen.length === 3, 5000)
    expect(watching.seen).toEqual(['a=2', 'b=1', 'a deleted'])
  })

  test('of an empty bucket is complete at once', async () => {
    const bucket = await fresh()
    await using watching = startWatching(bucket)
    await until(() => watching.reports.length === 1, 5000)
    expect(watching.seen).toEqual([])
  })

  test('keeps to its prefix', async () => {
    const bucket = await fresh()
    await bucket.put('x.1', text('1'))
    await bucket.put('y.1', text('1'))
    await using watching = startWatching(bucket, {prefix: 'x.'})
    await until(() => watching.reports.length === 1, 5000)
    expect(watching.seen).toEqual(['x.1=1'])
  })

  test('keeps to its key', async () => {
    const bucket = await fresh()
    await bucket.put('x', text('1'))
    await bucket.put('x.y', text('1'))
    await using watching = startWatching(bucket, {key: 'x'})
    await until(() => watching.reports.length === 1, 5000)
    await bucket.put('y', text('1'))
    await bucket.put('x', text('2'))
    await until(() => watching.state.get('x') === '2', 5000)
    expect(watching.seen).toEqual(['x=1', 'x=2'])
  })

  test('shows a purge as a deletion', async () => {
    const bucket = await fresh()
    await bucket.put('a', text('1'))
    await using watching = startWatching(bucket)
    await until(() => watching.reports.length === 1, 5000)
    const purge = headers()
    purge.set('KV-Operation', 'PURGE')
    purge.set('Nats-Rollup', 'sub')
    await nc.request(`$KV.${bucket.name}.a`, '', {headers: purge, timeout: 1000})
    await until(() => watching.state.size === 0, 5000)
    expect(watching.seen).toEqual(['a=1', 'a deleted'])
  })

  test('finds the truth again when the bucket is deleted and made anew', async () => {
    const bucket = await fresh()
    for (const key of ['a', 'b', 'c', 'd']) await bucket.put(key, text('old'))
    await using watching = startWatching(bucket)
    await until(() => watching.reports.length === 1, 5000)
    await nc.request(`$JS.API.STREAM.DELETE.KV_${bucket.name}`)
    await until(() => watching.state.size === 0, 5000)
    await ensureBucket(nc, bucket.name, spec)
    await bucket.put('a', text('new'))
    await until(() => watching.state.size === 1, 5000)
    expect([...watching.state]).toEqual([['a', 'new']])
  })

  test('goes on after its consumer was deleted', async () => {
    const bucket = await fresh()
    await bucket.put('a', text('1'))
    await using watching = startWatching(bucket)
    await until(() => watching.reports.length === 1, 5000)
    const names = (await nc.request(`$JS.API.CONSUMER.NAMES.KV_${bucket.name}`)).json<{consumers: string[]}>()
    await nc.request(`$JS.API.CONSUMER.DELETE.KV_${bucket.name}.${names.consumers[0] ?? ''}`)
    await bucket.put('a', text('2'))
    await until(() => watching.state.get('a') === '2', 5000)
    expect(watching.seen).toEqual(['a=1', 'a=2'])
  })

  test('yields ten thousand changes in order, each once', async () => {
    const bucket = await fresh()
    await using watching = startWatching(bucket)
    await until(() => watching.reports.length === 1, 5000)
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({length: 1000}, (_, index) => bucket.put(`k${index}`, text(String(round)))))
    }
    await until(() => watching.seen.length >= 10_000, 20_000)
    expect(watching.seen).toHaveLength(10_000)
    expect([...watching.state.values()].every((value) => value === '9')).toBe(true)
  })

  test('survives a restart of the server: silent, then stale, then whole', async () => {
    const bucket = await fresh()
    await bucket.put('a', text('1'))
    await using watching = startWatching(bucket)
    await until(() => watching.reports.length === 1, 5000)
    await server.kill()
    await until(() => watching.reports.includes('stale'), 5000)
    await server.restart()
    await until(() => watching.reports.at(-1) === 'current', 15_000)
    await bucket.put('b', text('2'))
    await until(() => watching.state.size === 2, 5000)
    expect(watching.seen).toEqual(['a=1', 'b=2'])
  })
})
