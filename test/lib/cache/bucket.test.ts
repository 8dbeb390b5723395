import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {connect, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {Bucket, ensureBucket, openBucket} from '../../../src/lib/cache/bucket.js'
import type {BucketEntry} from '../../../src/lib/cache/bucket-entry.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const read = (entry: BucketEntry | undefined): string | undefined => entry && new TextDecoder().decode(entry.value)

let server: TestServer
let nc: NatsConnection
let count = 0
const spec = {timeoutMs: 3000}
const freshName = (): string => `T${count++}`

beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  nc = await connect({servers: server.url})
})

afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
})

describe('a bucket', () => {
  test('is made as hosts make it, but with history 64, and never changed', async () => {
    const name = freshName()
    await ensureBucket(nc, name, spec, {storage: 'memory'})
    await ensureBucket(nc, name, spec, {history: 1})
    const info = (await nc.request(`$JS.API.STREAM.INFO.KV_${name}`)).json<{config: Record<string, unknown>}>()
    expect(info.config).toMatchObject({
      subjects: [`$KV.${name}.>`],
      max_msgs_per_subject: 64,
      storage: 'memory',
      discard: 'new',
      duplicate_window: 120_000_000_000,
      allow_direct: true,
      allow_rollup_hdrs: true,
      deny_delete: true,
      deny_purge: false,
    })
  })

  test('reads what was just written, by key and by revision', async () => {
    const bucket = await ensureBucket(nc, freshName(), spec)
    const first = await bucket.put('a.b', text('one'))
    const second = await bucket.put('a.b', text('two'), {expected: first})
    expect(read(await bucket.get('a.b'))).toBe('two')
    expect(await bucket.get('a.b')).toMatchObject({key: 'a.b', operation: 'PUT', revision: second})
    expect(read(await bucket.at('a.b', first))).toBe('one')
    expect(await bucket.at('other', first)).toBeUndefined()
    expect(await bucket.at('a.b', 99)).toBeUndefined()
    expect((await bucket.history('a.b')).map(({revision}) => revision)).toEqual([first, second])
  })

  test('keeps any bytes', async () => {
    const bucket = await ensureBucket(nc, freshName(), spec)
    const bytes = Uint8Array.from({length: 256}, (_, index) => index)
    await bucket.put('bytes', bytes)
    await bucket.put('none', new Uint8Array())
    expect((await bucket.get('bytes'))?.value).toEqual(bytes)
    expect(await bucket.get('none')).toMatchObject({operation: 'PUT', value: new Uint8Array()})
    expect((await bucket.list()).find(({key}) => key === 'bytes')?.value).toEqual(bytes)
  })

  test('refuses a write on another revision, and says which one stands', async () => {
    const bucket = await ensureBucket(nc, freshName(), spec)
    const revision = await bucket.put('k', text('1'))
    await expect(bucket.put('k', text('2'), {expected: revision + 1})).rejects.toMatchObject({
      kind: 'conflict',
      current: revision,
    })
    await expect(bucket.put('k', text('2'), {expected: 0})).rejects.toMatchObject({kind: 'conflict', current: revision})
    await expect(bucket.del('k', {expected: revision + 1})).rejects.toMatchObject({kind: 'conflict', current: revision})
    expect(read(await bucket.get('k'))).toBe('1')
  })

  test('lets a deleted key be created again', async () => {
    const bucket = await ensureBucket(nc, freshName(), spec)
    await bucket.put('k', text('1'), {expected: 0})
    const marker = await bucket.del('k')
    expect(await bucket.get('k')).toBeUndefined()
    expect(await bucket.last('k')).toMatchObject({operation: 'DEL', revision: marker})
    await bucket.put('k', text('2'), {expected: 0})
    expect(read(await bucket.get('k'))).toBe('2')
  })

  test('lists present values below a prefix, sorted, without what was deleted', async () => {
    const bucket = await ensureBucket(nc, freshName(), spec)
    expect(await bucket.list()).toEqual([])
    await Promise.all(Array.from({length: 2000}, (_, index) => bucket.put(`many.k${index}`, text(String(index)))))
    await bucket.put('one', text('x'))
    await bucket.del('many.k7')
    const many = await bucket.list('many.')
    expect(many).toHaveLength(1999)
    expect(many.map(({key}) => key)).toEqual(many.map(({key}) => key).sort())
    expect(await bucket.list()).toHaveLength(2000)
  })

  test('that is missing is undefined when opened and exit 4 when used', async () => {
    const name = freshName()
    expect(await openBucket(nc, name, spec)).toBeUndefined()
    const bucket = Bucket.at(nc, name, spec)
    await expect(bucket.get('k')).rejects.toMatchObject({kind: 'notFound', bucket: name})
    await expect(bucket.list()).rejects.toMatchObject({kind: 'notFound', bucket: name})
    await expect(bucket.put('k', text('v'))).rejects.toMatchObject({kind: 'notFound', bucket: name})
  })

  test.each(['', '.a', 'a.', 'a..b', 'a b', 'a*', '>', 'ü', 'a:b', 'x'.repeat(2000)])(
    'refuses the key %j',
    async (key) => {
      const bucket = Bucket.at(nc, 'T', spec)
      await expect(bucket.put(key, text('v'))).rejects.toMatchObject({kind: 'usage'})
    },
  )
})

test('without JetStream everything is a connection error', async () => {
  await using plain = await startNatsServer()
  const connection = await connect({servers: plain.url})
  try {
    const bucket = Bucket.at(connection, 'B', spec)
    const uses = [
      () => bucket.get('k'),
      () => bucket.put('k', text('v')),
      () => bucket.list(),
      () => openBucket(connection, 'B', spec),
      () => ensureBucket(connection, 'B', spec),
    ]
    for (const use of uses) await expect(use()).rejects.toMatchObject({kind: 'connection'})
  } finally {
    await connection.close()
  }
})

test('an account without JetStream is a connection error', async () => {
  await using plain = await startNatsServer({
    jetstream: true,
    config:
      'accounts {JS {jetstream: enabled, users: [{user: a, password: a}]}, NONE {users: [{user: b, password: b}]}}',
  })
  const connection = await connect({servers: plain.url, user: 'b', pass: 'b'})
  try {
    await expect(Bucket.at(connection, 'B', spec).get('k')).rejects.toMatchObject({kind: 'connection'})
  } finally {
    await connection.close()
  }
})

test('a JetStream domain is reached through its own prefix', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'lattice-domain-'))
  const server = await startNatsServer({config: `jetstream {domain: "hub", store_dir: ${JSON.stringify(dir)}}`})
  const connection = await connect({servers: server.url})
  try {
    const bucket = await ensureBucket(connection, 'D', {jsDomain: 'hub', ...spec})
    await bucket.put('k', text('v'), {expected: 0})
    expect(read(await bucket.get('k'))).toBe('v')
    expect(await bucket.list()).toHaveLength(1)
    await expect(openBucket(connection, 'D', {jsDomain: 'leaf', ...spec})).rejects.toMatchObject({kind: 'connection'})
  } finally {
    await connection.close()
    await server[Symbol.asyncDispose]()
    await rm(dir, {recursive: true, force: true})
  }
})
