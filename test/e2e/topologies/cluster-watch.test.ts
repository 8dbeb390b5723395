import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {Bucket, ensureBucket} from '../../../src/lib/cache/bucket.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import type {ConnectSpec} from '../../../src/lib/nats/spec.js'
import {leadAll} from '../../support/leaders.js'
import {goOn, standStill} from '../../support/stand-still.js'
import {clusterOf, startTopology, type Topology} from '../../support/topology.js'
import {until} from '../../support/until.js'
import {startWatching, type Watching} from '../../support/watching.js'

const names = ['w-0', 'w-1', 'w-2']
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

let cluster: Topology
let count = 0

beforeAll(async () => {
  cluster = await startTopology(await clusterOf('w', 3))
})

afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
})

/** Knows all servers, and begins at the one of that name. */
async function connectTo(name: string): Promise<NatsConnection> {
  const nc = await openConnection(cluster.server(name).spec(), {reconnect: 'forever', name: 'watch'})
  await until(() => nc.getServers().length === 3, 5000)
  // A server that has just come up may end a connection, and the client would go on at another one.
  await nc.flush()
  expect(nc.getServer()).toBe(cluster.server(name).url.replace('nats://', ''))
  return nc
}

const whole = (): ConnectSpec => ({
  ...cluster.server('w-0').spec(),
  servers: names.map((name) => cluster.server(name).url),
})

/** A bucket in three copies that one server leads. */
async function ledBy(server: string): Promise<Bucket> {
  const nc = await cluster.connect('w-1')
  const name = `W${count++}`
  let bucket = Bucket.at(nc, name, {})
  // After what the test before did, JetStream is not there at once.
  const made = async (): Promise<boolean> => {
    bucket = await ensureBucket(nc, name, {timeoutMs: 5000}, {replicas: 3})
    return true
  }
  await until(() => made().catch(() => false), 30_000)
  await leadAll(whole(), server, [`KV_${bucket.name}`])
  return bucket
}

async function paused<T>(servers: readonly string[], work: (since: number) => Promise<T>): Promise<T> {
  for (const name of servers) standStill(cluster.server(name).pid)
  try {
    return await work(performance.now())
  } finally {
    for (const name of servers) goOn(cluster.server(name).pid)
  }
}

/** A watch whose consumer runs on that server, which the cluster chooses by chance. */
async function watchAt(nc: NatsConnection, bucket: string, server: string): Promise<Watching> {
  for (;;) {
    const watching = startWatching(Bucket.at(nc, bucket, {timeoutMs: 5000}))
    await until(() => isCurrent(watching), 10_000)
    const reply = await nc.request(`$JS.API.CONSUMER.LIST.KV_${bucket}`, '', {timeout: 5000})
    const {consumers} = reply.json<{consumers: {config: {deliver_subject: string}; cluster: {leader: string}}[]}>()
    if (consumers.length === 1 && consumers[0]!.cluster.leader === server) return watching
    await watching[Symbol.asyncDispose]()
  }
}

const isCurrent = (watching: Watching): boolean => watching.reports.at(-1) === 'current'

describe('a watch on a cluster', () => {
  test('says stale when its server stands still, and goes on at another one', async () => {
    const bucket = await ledBy('w-1')
    await bucket.put('a', text('1'))
    const nc = await connectTo('w-0')
    try {
      await using watching = startWatching(Bucket.at(nc, bucket.name, {timeoutMs: 5000}))
      await until(() => isCurrent(watching), 10_000)
      await paused(['w-0'], async (since) => {
        await until(() => !isCurrent(watching), 5000)
        expect(watching.reportedAt.at(-1)! - since).toBeLessThan(2000)
        await bucket.put('b', text('2'))
        await until(() => watching.state.size === 2 && isCurrent(watching), 30_000)
      })
      expect(watching.seen).toEqual(['a=1', 'b=2'])
    } finally {
      await nc.close()
    }
  })

  test('says stale when its server lost the others, though that one goes on saying that it is alive', async () => {
    const bucket = await ledBy('w-0')
    await bucket.put('a', text('1'))
    const nc = await connectTo('w-0')
    try {
      await using watching = await watchAt(nc, bucket.name, 'w-0')
      await paused(['w-1', 'w-2'], async (since) => {
        await until(() => !isCurrent(watching), 8000)
        // Until then nobody else can have written anything: the others take four seconds to choose a leader.
        expect(watching.reportedAt.at(-1)! - since).toBeLessThan(4000)
      })
      await until(() => isCurrent(watching), 30_000)
      expect(watching.seen).toEqual(['a=1'])
    } finally {
      await nc.close()
    }
  })

  test('misses nothing that was acknowledged while leader after leader is killed', async () => {
    const bucket = await ledBy('w-0')
    const nc = await connectTo('w-0')
    const acknowledged = new Map<string, string>()
    const stop = new AbortController()
    const writing = (async () => {
      for (let index = 0; !stop.signal.aborted; index++) {
        const [key, value] = [`k${index % 50}`, String(index)]
        const revision = await bucket.put(key, text(value)).catch(() => undefined)
        // What was not acknowledged may be there or not.
        if (revision === undefined) acknowledged.delete(key)
        else acknowledged.set(key, value)
      }
    })()
    try {
      await using watching = startWatching(Bucket.at(nc, bucket.name, {timeoutMs: 5000}))
      await until(() => watching.state.size === 50, 10_000)
      for (const victim of ['w-0', 'w-2']) {
        await cluster.server(victim).kill()
        const before = acknowledged.get('k7')
        await until(() => acknowledged.get('k7') !== before, 30_000)
        await cluster.server(victim).restart()
        await until(() => isCurrent(watching), 30_000)
      }
      stop.abort()
      await writing
      await until(() => [...acknowledged].every(([key, value]) => watching.state.get(key) === value), 30_000)
      const present = new Map((await bucket.list()).map(({key, value}) => [key, new TextDecoder().decode(value)]))
      await until(() => isCurrent(watching) && same(watching.state, present), 30_000)
      expect([...watching.state].sort()).toEqual([...present].sort())
    } finally {
      stop.abort()
      await writing
      await nc.close()
    }
  })
})

function same(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([key, value]) => other.get(key) === value)
}
