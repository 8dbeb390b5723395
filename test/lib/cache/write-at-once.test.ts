import {connect, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import type {BucketEntry} from '../../../src/lib/cache/bucket-entry.js'
import {ensureBucket, type Bucket} from '../../../src/lib/cache/bucket.js'
import {jetStream} from '../../../src/lib/cache/jetstream.js'
import {writeAtOnce, type BatchWrite} from '../../../src/lib/cache/write-at-once.js'
import {openWire} from '../../support/breakable-wire.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'

const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)

let server: TestServer
let nc: NatsConnection
let count = 0

beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  nc = await connect({servers: server.url})
})

afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
})

async function atomicBucket(): Promise<Bucket> {
  const bucket = await ensureBucket(nc, `A${count++}`, {})
  const info = (await nc.request(`$JS.API.STREAM.INFO.KV_${bucket.name}`)).json<{config: object}>()
  const update = JSON.stringify({...info.config, allow_atomic: true})
  const answer = (await nc.request(`$JS.API.STREAM.UPDATE.KV_${bucket.name}`, update)).json<{error?: unknown}>()
  expect(answer.error).toBeUndefined()
  return bucket
}

const readBack =
  (bucket: Bucket) =>
  async (writes: readonly BatchWrite[]): Promise<Map<string, BucketEntry>> =>
    new Map(
      (await Promise.all(writes.map(({key}) => bucket.last(key)))).flatMap((entry) =>
        entry ? [[entry.key, entry]] : [],
      ),
    )

const writes: readonly BatchWrite[] = ['a', 'b', 'c'].map((key) => ({key, value: bytes(key), expected: 0}))

test('many writes are one, and one expectation that is not met undoes all', async () => {
  const bucket = await atomicBucket()
  await bucket.put('c', bytes('there'))
  expect(await writeAtOnce(jetStream(nc, {}), bucket.name, writes, readBack(bucket))).toBe('conflict')
  expect((await bucket.list()).map(({key}) => key)).toEqual(['c'])
  const matching = writes.map((write) => (write.key === 'c' ? {...write, expected: 1} : write))
  expect(await writeAtOnce(jetStream(nc, {}), bucket.name, matching, readBack(bucket))).toBe('written')
  expect((await bucket.list()).map(({value}) => Buffer.from(value).toString())).toEqual(['a', 'b', 'c'])
  // Sent again it is a conflict like any other.
  expect(await writeAtOnce(jetStream(nc, {}), bucket.name, matching, readBack(bucket))).toBe('conflict')
})

test.each(['request', 'answer'] as const)(
  'when the last %s is lost, all of it is there in the end, once',
  async (lose) => {
    const bucket = await atomicBucket()
    await using wire = await openWire(server.port)
    // The client finds the server itself when the wire is cut.
    const connection = await connect({servers: [wire.url, server.url], noRandomize: true, reconnectTimeWait: 20})
    try {
      wire.breakAt('Nats-Batch-Commit', lose, () => Promise.resolve())
      const js = jetStream(connection, {timeoutMs: 1000})
      expect(await writeAtOnce(js, bucket.name, writes, readBack(bucket))).toBe('written')
      expect(wire.broken).toBe(true)
      expect((await bucket.list()).map(({key}) => key)).toEqual(['a', 'b', 'c'])
      expect(await bucket.history('a')).toHaveLength(1)
    } finally {
      await connection.close()
    }
  },
)
