import {connect, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {ensureBucket, type Bucket} from '../../../src/lib/cache/bucket.js'
import {jetStream, type JetStreamSpec} from '../../../src/lib/cache/jetstream.js'
import {Pipeline} from '../../../src/lib/cache/pipeline.js'
import {readStream, type ReadOptions} from '../../../src/lib/cache/read-stream.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {goOn, standStill} from '../../support/stand-still.js'

const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)

interface Read {
  readonly key: string
  readonly value: string
  readonly revision: number
  readonly marker: boolean
}

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

async function filled(keys: number, {connection = nc, size = 10, history = 64} = {}): Promise<Bucket> {
  const bucket = await ensureBucket(connection, `R${count++}`, {}, {history})
  using pipeline = new Pipeline<undefined>(jetStream(connection, {}), {settle: () => undefined})
  for (let index = 0; index < keys; index++) {
    if (pipeline.full) await pipeline.room()
    const value = bytes(`${index} `.padEnd(size, 'x'))
    pipeline.send({bucket: bucket.name, key: `k${index}`, value, expected: 0, about: undefined})
  }
  await pipeline.drain()
  return bucket
}

async function readAll(
  bucket: string,
  {
    connection = nc,
    spec = {},
    ...options
  }: Partial<ReadOptions> & {connection?: NatsConnection; spec?: JetStreamSpec} = {},
): Promise<Read[]> {
  const all: Read[] = []
  await readStream(jetStream(connection, spec), bucket, {
    ...options,
    take: (message) => {
      const {key, revision, marker} = message
      all.push({key, revision, marker, value: message.text('utf8')})
      options.take?.(message)
    },
  })
  return all
}

describe('reading a bucket', () => {
  test('gives the latest revision of every key once, in the order of the stream', async () => {
    const bucket = await filled(2000)
    await bucket.put('k7', bytes('again'))
    await bucket.del('k8')
    let total = 0
    const all = await readAll(bucket.name, {begin: (known) => (total = known)})
    expect(total).toBe(2000)
    expect(all).toHaveLength(2000)
    expect(all.map(({revision}) => revision)).toEqual(all.map(({revision}) => revision).sort((a, b) => a - b))
    expect(all.slice(-2)).toMatchObject([
      {key: 'k7', value: 'again', marker: false},
      {key: 'k8', value: '', marker: true},
    ])
    expect(all[100]).toMatchObject({key: 'k102', value: '102 xxxxxx', revision: 103})
  })

  test('of nothing gives nothing, and of no bucket is exit 4', async () => {
    const bucket = await ensureBucket(nc, `R${count++}`, {})
    expect(await readAll(bucket.name)).toEqual([])
    await expect(readAll('NOWHERE')).rejects.toMatchObject({kind: 'notFound', bucket: 'NOWHERE'})
  })

  test('can leave out the values', async () => {
    const bucket = await filled(10)
    await bucket.del('k3')
    const all = await readAll(bucket.name, {keysOnly: true})
    expect(all.map(({key}) => key)).toHaveLength(10)
    expect(all.every(({value}) => value === '')).toBe(true)
    expect(all.filter(({marker}) => marker).map(({key}) => key)).toEqual(['k3'])
  })

  test('lets the server wait for whoever takes the messages', async () => {
    const bucket = await filled(300, {size: 100_000})
    let [held, taken] = [0, 0]
    const all = await readAll(bucket.name, {
      take: () => taken++,
      hold: async () => {
        held++
        const before = taken
        await new Promise((resolve) => setTimeout(resolve, 30))
        // What was under way when it was asked may still come, but not all of the 30 MB.
        expect(taken - before).toBeLessThan(250)
      },
    })
    expect(all).toHaveLength(300)
    expect(held).toBeGreaterThan(0)
  })

  test('begins anew where it was when its server restarts, without giving anything twice', async () => {
    await using restarting = await startNatsServer({jetstream: true})
    const connection = await connect({servers: restarting.url, maxReconnectAttempts: -1, reconnectTimeWait: 50})
    try {
      const bucket = await filled(400, {connection, size: 100_000})
      let restarted: Promise<void> | undefined
      const all = await readAll(bucket.name, {
        connection,
        spec: {timeoutMs: 15_000},
        take: () => {
          restarted ??= restarting.restart()
        },
      })
      await restarted
      expect(all.map(({key}) => key)).toEqual(Array.from({length: 400}, (_, index) => `k${index}`))
    } finally {
      await connection.close()
    }
  })

  test.each([1, 64])('misses no key while others write, with history %d', async (history) => {
    const bucket = await filled(3000, {history})
    const enough = new AbortController()
    const writer = (async () => {
      for (let round = 0; !enough.signal.aborted; round++) {
        await bucket.put(`k${(round * 37) % 3000}`, bytes(`new ${round}`))
      }
    })()
    const all = await readAll(bucket.name)
    enough.abort()
    await writer
    expect(new Set(all.map(({key}) => key)).size).toBe(3000)
    const revisions = all.map(({revision}) => revision)
    expect(new Set(revisions).size).toBe(revisions.length)
  })

  test('says so when nothing more comes', async () => {
    await using silent = await startNatsServer({jetstream: true})
    const connection = await connect({servers: silent.url, maxReconnectAttempts: -1})
    try {
      const bucket = await filled(400, {connection, size: 100_000})
      let stopped = false
      const failed = readAll(bucket.name, {
        connection,
        spec: {timeoutMs: 1000},
        take: () => {
          if (!stopped) standStill(silent.pid)
          stopped = true
        },
      })
      await expect(failed).rejects.toMatchObject({kind: 'timeout'})
    } finally {
      goOn(silent.pid)
      await connection.close()
    }
  })

  test('ends when it is told to', async () => {
    const bucket = await filled(3000)
    const controller = new AbortController()
    const failed = readAll(bucket.name, {
      signal: controller.signal,
      take: ({revision}) => {
        if (revision === 100) controller.abort(new Error('enough'))
      },
    })
    await expect(failed).rejects.toThrow('enough')
  })
})
