import {setTimeout} from 'node:timers/promises'

import {connect, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {Bucket, ensureBucket} from '../../../src/lib/cache/bucket.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {startNatsServer, startOperatorCluster, type TestServer} from '../../support/nats-server.js'
import {refusal, scriptBucket, stored, wrongSequence, type BucketRequest} from '../../support/scripted-bucket.js'

const value = new TextEncoder().encode('1')
const timeoutMs = 2000

/** A server of a cluster, which is what a stale leader is one of. */
let server: TestServer
let nc: NatsConnection
let count = 0
const freshName = (): string => `S${count++}`

beforeAll(async () => {
  server = await startNatsServer({config: 'cluster {name: C, listen: "127.0.0.1:-1"}'})
  nc = await connect({servers: server.url})
})

afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
})

/** The ids of the writes that were sent. */
function idsOf(requests: readonly BucketRequest[]): string[] {
  return requests.flatMap((request) => (request.type === 'write' ? [request.id] : []))
}

describe('a write that is refused', () => {
  test.each([
    ['by whoever knows less than was read', wrongSequence(820)],
    ['without a revision', refusal(10164, 'wrong last sequence')],
    ['by whoever cannot tell yet', refusal(10163, 'expected last sequence per subject temporarily unavailable')],
  ])('%s while the expected revision stands there is sent again, as the same one', async (_, refused) => {
    const name = freshName()
    const requests = await scriptBucket(nc, name, {
      onWrite: (nth) => (nth < 3 ? refused : stored(832)),
      present: () => ({revision: 831, id: 'before'}),
    })
    const bucket = Bucket.at(nc, name, {timeoutMs})
    await expect(bucket.put('k', value, {expected: 831})).resolves.toBe(832)
    const ids = idsOf(requests)
    expect(ids).toHaveLength(4)
    expect(new Set(ids).size).toBe(1)
  })

  test('while nothing stands there, where nothing was expected, is sent again', async () => {
    const name = freshName()
    await scriptBucket(nc, name, {
      onWrite: (nth) => (nth < 2 ? wrongSequence(7) : stored(9)),
      present: () => undefined,
    })
    await expect(Bucket.at(nc, name, {timeoutMs}).put('k', value, {expected: 0})).resolves.toBe(9)
  })

  test('for ever, while the expected revision stands there, is no conflict but the failure of a server', async () => {
    const name = freshName()
    await scriptBucket(nc, name, {onWrite: () => wrongSequence(820), present: () => ({revision: 831})})
    await expect(Bucket.at(nc, name, {timeoutMs: 300}).put('k', value, {expected: 831})).rejects.toMatchObject({
      kind: 'server',
      message:
        `The bucket '${name}' refuses the write of 'k' though it is at revision 831, as expected: ` +
        'wrong last sequence: 820.',
    })
  })

  test('because it is stored already is the success that it was', async () => {
    const name = freshName()
    let own: string | undefined
    const requests = await scriptBucket(nc, name, {
      onWrite: (_nth, id) => {
        own = id
        return wrongSequence(832)
      },
      present: () => ({revision: 832, id: own!}),
    })
    await expect(Bucket.at(nc, name, {timeoutMs}).put('k', value, {expected: 831})).resolves.toBe(832)
    expect(requests.map(({type}) => type)).toEqual(['write', 'read'])
  })

  test.each([
    ['late', () => setTimeout(400, wrongSequence(833))],
    ['by whoever knows less than was read', () => wrongSequence(820)],
  ])('%s, and written over by somebody else, is known by its id', async (_, refuse) => {
    const name = freshName()
    const requests = await scriptBucket(nc, name, {
      onWrite: (nth) => (nth === 0 ? refuse() : stored(832, {duplicate: true})),
      present: () => ({revision: 833, id: 'after'}),
    })
    await expect(Bucket.at(nc, name, {timeoutMs}).put('k', value, {expected: 831})).resolves.toBe(832)
    expect(new Set(idsOf(requests)).size).toBe(1)
  })

  test('late and again is a conflict', async () => {
    const name = freshName()
    const requests = await scriptBucket(nc, name, {
      onWrite: () => setTimeout(400, wrongSequence(833)),
      present: () => ({revision: 833, id: 'after'}),
    })
    await expect(Bucket.at(nc, name, {timeoutMs}).put('k', value, {expected: 831})).rejects.toMatchObject({
      kind: 'conflict',
      current: 833,
    })
    expect(idsOf(requests)).toHaveLength(2)
  })

  test('by two servers of which neither knows what was read is sent until one does', async () => {
    const name = freshName()
    let known = 820
    await scriptBucket(nc, name, {
      onWrite: (nth) => {
        if (nth < 2) return wrongSequence(known)
        return stored((known = 832))
      },
      present: () => ({revision: known}),
    })
    await expect(Bucket.at(nc, name, {timeoutMs}).del('k', {expected: 831})).resolves.toBe(832)
  })

  test('on a revision that nobody knows is a conflict soon', async () => {
    const name = freshName()
    await scriptBucket(nc, name, {onWrite: () => wrongSequence(5), present: () => ({revision: 5})})
    await expect(Bucket.at(nc, name, {timeoutMs: 60_000}).put('k', value, {expected: 9})).rejects.toMatchObject({
      kind: 'conflict',
      current: 5,
    })
  })

  test('because of somebody else costs one write and one read', async () => {
    const name = freshName()
    const requests = await scriptBucket(nc, name, {
      onWrite: () => wrongSequence(832),
      present: () => ({revision: 832, id: 'other'}),
    })
    await expect(Bucket.at(nc, name, {timeoutMs}).put('k', value, {expected: 831})).rejects.toMatchObject({
      kind: 'conflict',
      expected: 831,
      current: 832,
    })
    expect(requests.map(({type}) => type)).toEqual(['write', 'read'])
  })

  test('because of a marker of deletion is sent again over it, as the same one', async () => {
    const name = freshName()
    const requests = await scriptBucket(nc, name, {
      onWrite: (nth) => (nth === 0 ? wrongSequence(4) : stored(5)),
      present: () => ({revision: 4, operation: 'DEL'}),
    })
    await expect(Bucket.at(nc, name, {timeoutMs}).put('k', value, {expected: 0})).resolves.toBe(5)
    expect(requests).toMatchObject([{type: 'write', expected: '0'}, {type: 'read'}, {type: 'write', expected: '4'}])
    expect(new Set(idsOf(requests)).size).toBe(1)
  })
})

test('a server takes what it refused under the same id, alone and in a cluster', async () => {
  await using alone = await startNatsServer({jetstream: true})
  await using cluster = await startOperatorCluster(3)
  const spec = cluster.spec()
  const connections = [await connect({servers: alone.url}), await openConnection(spec)] as const
  try {
    for (const [index, connection] of connections.entries()) {
      const bucket = await ensureBucket(connection, freshName(), {timeoutMs: 10_000}, {replicas: index === 0 ? 1 : 3})
      await bucket.put('k', value, {expected: 0})
      const marker = await bucket.del('k')
      // Refused at first, since the marker has a revision.
      await expect(bucket.put('k', value, {expected: 0})).resolves.toBeGreaterThan(marker)
      expect(await bucket.history('k')).toHaveLength(3)
    }
  } finally {
    await Promise.all(connections.map((connection) => connection.close()))
  }
})
