import {connect, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {ensureBucket, type Bucket} from '../../../src/lib/cache/bucket.js'
import {jetStream, type JetStream} from '../../../src/lib/cache/jetstream.js'
import {Pipeline, type Outcome, type Write} from '../../../src/lib/cache/pipeline.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {goOn, standStill} from '../../support/stand-still.js'
import {until} from '../../support/until.js'

const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)

let server: TestServer
let nc: NatsConnection
let count = 0

beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  nc = await open(server.url)
})

afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
})

function open(url: string): Promise<NatsConnection> {
  return connect({servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50})
}

async function freshBucket(connection = nc): Promise<Bucket> {
  return ensureBucket(connection, `P${count++}`, {timeoutMs: 5000})
}

function write(bucket: string, key: string, {value = key, expected = 0}: {value?: string; expected?: number} = {}) {
  return {bucket, key, value: bytes(value), expected, about: key} satisfies Write<string>
}

/** Sends all of them and waits for all answers; what came of each. */
async function sendAll(
  js: JetStream,
  writes: readonly Write<string>[],
  {window, during = () => undefined}: {window?: number; during?: (sent: number) => unknown} = {},
): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>()
  using pipeline = new Pipeline<string>(js, {
    ...(window === undefined ? {} : {window}),
    settle: ({about}, outcome) => {
      expect(outcomes.has(about)).toBe(false)
      outcomes.set(about, outcome)
    },
  })
  for (const [index, item] of writes.entries()) {
    if (pipeline.full) await pipeline.room()
    pipeline.send(item)
    await during(index)
  }
  await pipeline.drain()
  return outcomes
}

describe('a pipeline', () => {
  test.each([2, 64, 512])('with a window of %d stores every write once', async (window) => {
    const bucket = await freshBucket()
    const writes = Array.from({length: 3000}, (_, index) => write(bucket.name, `k.${index}`))
    const outcomes = await sendAll(jetStream(nc, {}), writes, {window})
    expect([...outcomes.values()].every(({kind}) => kind === 'stored')).toBe(true)
    const stored = await bucket.list()
    expect(stored).toHaveLength(3000)
    for (const {key, revision, value} of stored) {
      expect(outcomes.get(key)).toEqual({kind: 'stored', revision})
      expect(Buffer.from(value).toString()).toBe(key)
    }
  })

  test('tells for each write whether its expectation was met', async () => {
    const bucket = await freshBucket()
    const revision = await bucket.put('there', bytes('1'))
    const writes = [
      write(bucket.name, 'there'),
      write(bucket.name, 'new'),
      write(bucket.name, 'other', {expected: 99}),
      {...write(bucket.name, 'gone', {expected: 0, value: ''}), del: true},
    ]
    const outcomes = await sendAll(jetStream(nc, {}), writes)
    expect(outcomes.get('there')).toMatchObject({
      kind: 'refused',
      error: {description: `wrong last sequence: ${revision}`},
    })
    expect(outcomes.get('new')).toMatchObject({kind: 'stored'})
    expect(outcomes.get('other')).toMatchObject({kind: 'refused'})
    expect((await bucket.last('gone'))?.operation).toBe('DEL')
  })

  test('holds no more bytes than it may', async () => {
    const bucket = await freshBucket()
    const value = 'x'.repeat(100_000)
    using pipeline = new Pipeline<string>(jetStream(nc, {}), {windowBytes: 1 << 20, settle: () => undefined})
    let most = 0
    for (let index = 0; index < 60; index++) {
      if (pipeline.full) await pipeline.room()
      pipeline.send(write(bucket.name, `k${index}`, {value}))
      most = Math.max(most, pipeline.waiting.open)
    }
    await pipeline.drain()
    expect(most).toBeLessThanOrEqual(11)
  })

  test('gets over a server that restarts, and stores nothing twice', async () => {
    await using restarting = await startNatsServer({jetstream: true})
    const connection = await open(restarting.url)
    try {
      const bucket = await freshBucket(connection)
      const writes = Array.from({length: 4000}, (_, index) => write(bucket.name, `k${index}`))
      const outcomes = await sendAll(jetStream(connection, {timeoutMs: 15_000}), writes, {
        during: (sent) => (sent === 2000 ? restarting.restart() : undefined),
      })
      expect(outcomes.size).toBe(4000)
      // A write whose answer was lost is refused when it is sent again: it is there.
      const stored = new Map((await bucket.list()).map((entry) => [entry.key, entry]))
      expect(stored.size).toBe(4000)
      for (const [key, outcome] of outcomes) {
        if (outcome.kind === 'stored') expect(stored.get(key)?.revision).toBe(outcome.revision)
        else expect(outcome.error.description).toBe(`wrong last sequence: ${stored.get(key)?.revision ?? ''}`)
      }
      expect((await bucket.history('k2000')).length).toBe(1)
    } finally {
      await connection.close()
    }
  })

  test('sends again what a server that stood still did not answer', async () => {
    await using slow = await startNatsServer({jetstream: true})
    const connection = await open(slow.url)
    try {
      const bucket = await freshBucket(connection)
      const writes = Array.from({length: 600}, (_, index) => write(bucket.name, `k${index}`))
      standStill(slow.pid)
      const done = sendAll(jetStream(connection, {timeoutMs: 15_000}), writes)
      // Time enough for everything to be sent again.
      await new Promise((resolve) => setTimeout(resolve, 2600))
      goOn(slow.pid)
      expect((await done).size).toBe(600)
      expect(await bucket.list()).toHaveLength(600)
      expect(await bucket.history('k0')).toHaveLength(1)
    } finally {
      goOn(slow.pid)
      await connection.close()
    }
  })

  test('gives up on a server that stays silent, after the timeout and not before', async () => {
    await using silent = await startNatsServer({jetstream: true})
    const connection = await open(silent.url)
    try {
      const bucket = await freshBucket(connection)
      standStill(silent.pid)
      const started = performance.now()
      const failed = sendAll(jetStream(connection, {timeoutMs: 1000}), [write(bucket.name, 'k')])
      await expect(failed).rejects.toMatchObject({kind: 'timeout', details: {open: 1, untaken: 0}})
      expect(performance.now() - started).toBeGreaterThan(990)
    } finally {
      goOn(silent.pid)
      await connection.close()
    }
  })

  test('says that nobody takes writes where there is no bucket', async () => {
    const failed = sendAll(jetStream(nc, {timeoutMs: 800}), [write('NOWHERE', 'k')])
    await expect(failed).rejects.toMatchObject({kind: 'server', details: {open: 1, untaken: 1}})
  })

  test('waits for a bucket that gets its leader late', async () => {
    const name = `P${count++}`
    const done = sendAll(jetStream(nc, {timeoutMs: 5000}), [write(name, 'k')])
    await new Promise((resolve) => setTimeout(resolve, 300))
    const bucket = await ensureBucket(nc, name, {})
    expect([...(await done).values()]).toMatchObject([{kind: 'stored'}])
    expect(await bucket.list()).toHaveLength(1)
  })

  test('names the subject that a user may not publish to', async () => {
    await using strict = await startNatsServer({
      jetstream: true,
      config:
        'authorization {users: [{user: a, password: a}, {user: b, password: b, permissions: {publish: ["$JS.API.>", "_INBOX.>"]}}]}',
    })
    const [all, few] = await Promise.all(['a', 'b'].map((user) => connect({servers: strict.url, user, pass: user})))
    try {
      await ensureBucket(all!, 'B', {})
      const failed = sendAll(jetStream(few!, {timeoutMs: 5000}), [write('B', 'k')])
      await expect(failed).rejects.toMatchObject({
        kind: 'connection',
        message: "No permission to publish to '$KV.B.k'.",
      })
    } finally {
      await Promise.all([all?.close(), few?.close()])
    }
  })

  test('ends with the connection', async () => {
    const connection = await open(server.url)
    const bucket = await freshBucket()
    using pipeline = new Pipeline<string>(jetStream(connection, {}), {settle: () => undefined})
    pipeline.send(write(bucket.name, 'k'))
    await pipeline.drain()
    await connection.close()
    await until(() => pipeline.full, 2000)
    await expect(pipeline.room()).rejects.toMatchObject({kind: 'connection'})
  })

  test('reaches the buckets of another JetStream domain', async () => {
    await using hub = await startNatsServer({jetstream: true, domain: 'hub'})
    const connection = await open(hub.url)
    try {
      const bucket = await ensureBucket(connection, 'D', {jsDomain: 'hub'})
      const outcomes = await sendAll(jetStream(connection, {jsDomain: 'hub'}), [write('D', 'a'), write('D', 'b')])
      expect([...outcomes.values()]).toMatchObject([
        {kind: 'stored', revision: 1},
        {kind: 'stored', revision: 2},
      ])
      expect(await bucket.list()).toHaveLength(2)
    } finally {
      await connection.close()
    }
  })
})
