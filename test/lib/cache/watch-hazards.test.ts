import {connect, headers, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {Bucket, ensureBucket} from '../../../src/lib/cache/bucket.js'
import {NoJetStreamError} from '../../../src/lib/cache/jetstream.js'
import {NoPermissionError} from '../../../src/lib/nats/request.js'
import {openWire} from '../../support/breakable-wire.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {goOn, standStill} from '../../support/stand-still.js'
import {until} from '../../support/until.js'
import {startWatching, type Watching} from '../../support/watching.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const spec = {timeoutMs: 2000}
const forever = {maxReconnectAttempts: -1, reconnectTimeWait: 50, timeout: 1000}

let server: TestServer
let nc: NatsConnection
let count = 0
const name = (): string => `H${count++}`

beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  nc = await connect({servers: server.url, ...forever})
})

afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
})

/** A bucket in which messages may expire and may be taken away. */
async function looseBucket(config: object = {}): Promise<Bucket> {
  const bucket = name()
  const made = await nc.request(
    `$JS.API.STREAM.CREATE.KV_${bucket}`,
    JSON.stringify({
      name: `KV_${bucket}`,
      subjects: [`$KV.${bucket}.>`],
      storage: 'memory',
      max_msgs_per_subject: 1,
      allow_rollup_hdrs: true,
      allow_msg_ttl: true,
      ...config,
    }),
  )
  expect(made.json<{error?: unknown}>().error).toBeUndefined()
  return Bucket.at(nc, bucket, spec)
}

async function publish(bucket: Bucket, key: string, fields: Readonly<Record<string, string>>): Promise<void> {
  const head = headers()
  for (const [field, value] of Object.entries(fields)) head.set(field, value)
  const reply = await nc.request(`$KV.${bucket.name}.${key}`, 'short', {headers: head, timeout: 1000})
  expect(reply.json<{error?: unknown}>().error).toBeUndefined()
}

const api = (operation: string, body: object = {}): Promise<unknown> =>
  nc.request(`$JS.API.${operation}`, JSON.stringify(body), {timeout: 1000})

const current = (watching: Watching): Promise<void> => until(() => watching.reports.at(-1) === 'current', 15_000)

/** How long after a moment it said `stale`. */
async function staleAfter(watching: Watching, since: number): Promise<number> {
  await until(() => watching.reports.at(-1) === 'stale', 5000)
  return watching.reportedAt.at(-1)! - since
}

describe('a watch says stale within two seconds', () => {
  test('when the server stands still, and current when it goes on', async () => {
    const bucket = await ensureBucket(nc, name(), spec)
    await bucket.put('a', text('1'))
    await using watching = startWatching(bucket)
    await current(watching)
    standStill(server.pid)
    const since = performance.now()
    try {
      expect(await staleAfter(watching, since)).toBeLessThan(2000)
    } finally {
      goOn(server.pid)
    }
    await current(watching)
    expect(watching.seen).toEqual(['a=1'])
  })

  test('when the wire swallows everything; what was changed meanwhile comes once', async () => {
    await using wire = await openWire(server.port)
    const far = await connect({servers: wire.url, ...forever})
    try {
      const bucket = await ensureBucket(nc, name(), spec)
      await bucket.put('a', text('1'))
      await bucket.put('b', text('1'))
      await using watching = startWatching(Bucket.at(far, bucket.name, spec))
      await current(watching)
      const since = performance.now()
      wire.hold()
      expect(await staleAfter(watching, since)).toBeLessThan(2000)
      await bucket.put('a', text('2'))
      await bucket.put('a', text('3'))
      await bucket.del('b')
      wire.release()
      await current(watching)
      expect([...watching.state]).toEqual([['a', '3']])
      expect(watching.seen.filter((word) => word !== 'a=2')).toEqual(['a=1', 'b=1', 'a=3', 'b deleted'])
    } finally {
      await far.close()
    }
  })

  test('when the server is gone', async () => {
    await using other = await startNatsServer({jetstream: true})
    const own = await connect({servers: other.url, ...forever})
    try {
      await using watching = startWatching(await ensureBucket(own, name(), spec))
      await current(watching)
      const since = performance.now()
      await other.kill()
      expect(await staleAfter(watching, since)).toBeLessThan(2000)
    } finally {
      await own.close()
    }
  })
})

test('a wire that stays dumb is hung up, so that another way is found', async () => {
  await using wire = await openWire(server.port)
  const far = await connect({servers: [wire.url, server.url], noRandomize: true, ...forever})
  try {
    const bucket = await ensureBucket(nc, name(), spec)
    await using watching = startWatching(Bucket.at(far, bucket.name, spec))
    await current(watching)
    wire.hold()
    await bucket.put('a', text('1'))
    await until(() => watching.state.get('a') === '1', 20_000)
    // What is known is told after what it is.
    await current(watching)
    expect(watching.reports).toContain('stale')
    expect(far.getServer()).toBe(server.url.replace('nats://', ''))
  } finally {
    await far.close()
  }
})

describe('what no consumer tells', () => {
  test('a key that expires without a marker', async () => {
    const bucket = await looseBucket()
    await bucket.put('stays', text('1'))
    await publish(bucket, 'a', {'Nats-TTL': '1s'})
    await using watching = startWatching(bucket)
    await until(() => watching.seen.length === 3, 6000)
    expect(watching.seen).toEqual(['stays=1', 'a=short', 'a deleted'])
    expect(watching.entries[2]).toMatchObject({revision: 2, vanished: true})
    expect(watching.reports).toEqual(['current'])
  })

  test('a key that expires with a marker', async () => {
    const bucket = await looseBucket({subject_delete_marker_ttl: 10_000_000_000})
    await publish(bucket, 'a', {'Nats-TTL': '1s'})
    await using watching = startWatching(bucket)
    await until(() => watching.seen.length === 2, 6000)
    expect(watching.seen).toEqual(['a=short', 'a deleted'])
    expect(watching.entries[1]).not.toHaveProperty('vanished')
  })

  test('the age at which everything goes', async () => {
    const bucket = await looseBucket({max_age: 1_500_000_000})
    await bucket.put('a', text('1'))
    await using watching = startWatching(bucket)
    await until(() => watching.seen.length === 2, 6000)
    expect(watching.seen).toEqual(['a=1', 'a deleted'])
  })

  test('an earlier revision that is back when the later one expired', async () => {
    const bucket = await looseBucket({max_msgs_per_subject: 5})
    await bucket.put('a', text('old'))
    await publish(bucket, 'a', {'Nats-TTL': '1s'})
    await using watching = startWatching(bucket)
    await until(() => watching.seen.length === 2, 6000)
    expect(watching.seen).toEqual(['a=short', 'a=old'])
    expect(watching.entries.map(({revision}) => revision)).toEqual([2, 1])
  })

  test('a purge of one key, and of all', async () => {
    const bucket = await looseBucket()
    for (const key of ['a', 'b', 'c']) await bucket.put(key, text('1'))
    await using watching = startWatching(bucket)
    await current(watching)
    await api(`STREAM.PURGE.KV_${bucket.name}`, {filter: `$KV.${bucket.name}.b`})
    await until(() => watching.state.size === 2, 6000)
    await api(`STREAM.PURGE.KV_${bucket.name}`)
    await until(() => watching.state.size === 0, 6000)
    expect(watching.seen).toEqual(['a=1', 'b=1', 'c=1', 'b deleted', 'a deleted', 'c deleted'])
    expect(watching.reports).toEqual(['current'])
  })

  test('deletions whose markers are purged', async () => {
    const bucket = await looseBucket()
    for (const key of ['a', 'b']) await bucket.put(key, text('1'))
    await using watching = startWatching(bucket)
    await current(watching)
    await bucket.del('a')
    await api(`STREAM.PURGE.KV_${bucket.name}`, {filter: `$KV.${bucket.name}.a`})
    await bucket.put('a', text('2'))
    await until(() => watching.state.get('a') === '2', 6000)
    expect(watching.seen.slice(2)).toEqual(['a deleted', 'a=2'])
  })

  test('more keys than can be asked after one by one', async () => {
    const bucket = await looseBucket()
    const keys = Array.from({length: 1200}, (_, index) => `k${index}`)
    await Promise.all(keys.map((key) => bucket.put(key, text('1'))))
    await using watching = startWatching(bucket)
    await until(() => watching.state.size === 1200, 6000)
    await api(`STREAM.PURGE.KV_${bucket.name}`)
    await bucket.put('k7', text('2'))
    await until(() => watching.state.size === 1, 6000)
    expect([...watching.state]).toEqual([['k7', '2']])
  })

  test('a bucket that is made anew between two heartbeats, with the same key at the same revision', async () => {
    const bucket = await looseBucket()
    await bucket.put('a', text('old'))
    await using watching = startWatching(bucket)
    await current(watching)
    await api(`STREAM.DELETE.KV_${bucket.name}`)
    await ensureBucket(nc, bucket.name, spec)
    await bucket.put('a', text('new'))
    await until(() => watching.state.get('a') === 'new', 6000)
    expect(watching.seen).toEqual(['a=old', 'a=new'])
    expect(watching.entries.map(({revision}) => revision)).toEqual([1, 1])
  })

  test('a bucket in memory, which is gone after a restart', async () => {
    await using other = await startNatsServer({jetstream: true})
    const own = await connect({servers: other.url, ...forever})
    try {
      const bucket = await ensureBucket(own, name(), spec, {storage: 'memory'})
      await bucket.put('a', text('1'))
      await using watching = startWatching(bucket)
      await current(watching)
      await other.kill()
      await other.restart()
      await until(() => watching.state.size === 0, 10_000)
      expect(watching.seen).toEqual(['a=1', 'a deleted'])
    } finally {
      await own.close()
    }
  })
})

describe('keys that are overwritten again and again', () => {
  test('are all there in every reading, though each consumer misses some', async () => {
    const bucket = await looseBucket()
    const keys = Array.from({length: 3000}, (_, index) => `k${index}`)
    for (const key of keys) nc.publish(`$KV.${bucket.name}.${key}`, 'x'.repeat(200))
    await until(async () => (await bucket.list()).length === 3000, 10_000)
    const stop = new AbortController()
    const overwriting = (async () => {
      for (let index = 0; !stop.signal.aborted; index = (index + 1237) % 3000)
        await bucket.put(keys[index]!, text(String(index)))
    })()
    try {
      await using watching = startWatching(bucket)
      await current(watching)
      for (let round = 0; round < 12; round++) expect(await bucket.list()).toHaveLength(3000)
      const {consumers} = (await nc.request(`$JS.API.CONSUMER.NAMES.KV_${bucket.name}`)).json<{consumers: string[]}>()
      for (const consumer of consumers) await api(`CONSUMER.DELETE.KV_${bucket.name}.${consumer}`)
      await until(() => watching.entries.length > 3500, 15_000)
      expect(watching.seen.filter((word) => word.endsWith(' deleted'))).toEqual([])
      expect(watching.state.size).toBe(3000)
    } finally {
      stop.abort()
      await overwriting
    }
  })
})

describe('a reader that takes its time', () => {
  test('makes the server wait, and gets everything in order', async () => {
    const bucket = await looseBucket({max_msgs_per_subject: -1})
    const controller = new AbortController()
    const values: number[] = []
    let began = false
    let go: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (go = resolve))
    const reading = (async () => {
      for await (const {value, key} of bucket.watch({signal: controller.signal})) {
        if (key === 'first') {
          began = true
          await gate
        } else values.push(Number(new TextDecoder().decode(value.subarray(0, 8))))
      }
    })()
    try {
      await bucket.put('first', text('x'))
      // Only what is written after the first reading is told revision by revision.
      await until(() => began, 5000)
      const [total, rest] = [6000, 'x'.repeat(10_000)]
      // Each is acknowledged: a busy server drops what it was not asked to confirm.
      for (let start = 0; start < total; start += 200) {
        const numbers = Array.from({length: 200}, (_, index) => String(start + index).padStart(8, '0'))
        await Promise.all(numbers.map((number) => nc.request(`$KV.${bucket.name}.k`, number + rest, {timeout: 10_000})))
      }
      const pending = async (): Promise<number> => {
        const {consumers} = (await nc.request(`$JS.API.CONSUMER.LIST.KV_${bucket.name}`)).json<{
          consumers: {num_pending: number}[]
        }>()
        return consumers[0]?.num_pending ?? 0
      }
      await until(async () => (await pending()) > 1000, 5000)
      go()
      await until(() => values.length === total, 20_000)
      expect(values).toEqual(Array.from({length: total}, (_, index) => index))
    } finally {
      go()
      controller.abort()
      await reading
    }
  })
})

describe('a watch', () => {
  test('of a bucket that is not there is complete, and takes it when it comes', async () => {
    const bucket = Bucket.at(nc, name(), spec)
    await using watching = startWatching(bucket)
    await current(watching)
    await ensureBucket(nc, bucket.name, spec)
    await bucket.put('a', text('1'))
    await until(() => watching.seen.length === 1, 5000)
    expect(watching.reports).toEqual(['current'])
  })

  test('that is stopped while the server stands still ends at once', async () => {
    const watching = startWatching(await ensureBucket(nc, name(), spec))
    await current(watching)
    standStill(server.pid)
    try {
      await staleAfter(watching, performance.now())
      const since = performance.now()
      await watching[Symbol.asyncDispose]()
      expect(performance.now() - since).toBeLessThan(200)
    } finally {
      goOn(server.pid)
    }
  })

  test('throws where there is no JetStream', async () => {
    await using plain = await startNatsServer()
    const own = await connect({servers: plain.url})
    try {
      const watch = Bucket.at(own, 'B', spec).watch({signal: AbortSignal.timeout(10_000)})
      await expect(watch.next()).rejects.toBeInstanceOf(NoJetStreamError)
    } finally {
      await own.close()
    }
  })

  test('throws where this user may not read', async () => {
    const user = '{user: u, password: p, permissions: {publish: {deny: "$JS.API.STREAM.INFO.>"}}}'
    await using guarded = await startNatsServer({jetstream: true, config: `authorization {users: [${user}]}`})
    const own = await connect({servers: guarded.url, user: 'u', pass: 'p'})
    try {
      const watch = Bucket.at(own, 'B', spec).watch({signal: AbortSignal.timeout(10_000)})
      await expect(watch.next()).rejects.toBeInstanceOf(NoPermissionError)
    } finally {
      await own.close()
    }
  })
})
