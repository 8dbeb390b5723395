import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import {RevisionConflictError} from '../../../src/lib/cache/bucket-errors.js'
import {Bucket, ensureBucket} from '../../../src/lib/cache/bucket.js'
import {LatticeCache} from '../../../src/lib/cache/cache.js'
import {LatticeError} from '../../../src/lib/errors.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {startOperatorCluster, type OperatorCluster, type OperatorServer} from '../../support/nats-server.js'
import {goOn, standStill} from '../../support/stand-still.js'
import {until} from '../../support/until.js'

const writers = 4
const data = 'LATTICEDATA_default'
/** A test that is tried again must not meet the keys of its first try. */
let tries = 0

let cluster: OperatorCluster
beforeAll(async () => {
  cluster = await startOperatorCluster(3)
  const connection = await openConnection(cluster.spec(), {reconnect: 'forever'})
  await ensureBucket(connection, data, {}, {replicas: 3, history: 64})
  await connection.close()
})
afterAll(() => cluster[Symbol.asyncDispose]())

interface Acknowledged {
  readonly key: string
  readonly revision: number
  readonly value: string
}

/** Writes that go on until they are ended, and what became of them. */
interface Writing extends AsyncDisposable {
  readonly acknowledged: readonly Acknowledged[]
  /** Kinds of the errors with which commands ended meanwhile. */
  readonly failures: ReadonlySet<string>
  /** Ends when every writer was acknowledged a few times from now on. */
  goesOn: () => Promise<void>
}

/**
 * Writers that each edit keys of their own by compare-and-set, as commands do. Nobody else writes them: a conflict where
 * the outcome of the write before was known would be a lie.
 */
function startWriting(name: string): Writing {
  const round = `${name}${++tries}`
  const acknowledged: Acknowledged[] = []
  const failures = new Set<string>()
  const counts = Array.from({length: writers}, () => 0)
  const stop = new AbortController()
  const write = async (index: number): Promise<void> => {
    let edit = 0
    let known = true
    const going = (): boolean => !stop.signal.aborted
    while (going()) {
      // After a failure the next command connects anew.
      await using session = await openSession()
      for (; going(); edit++) {
        const key = `${round}.w${index}.${Math.floor(edit / 50)}`
        const value = JSON.stringify(`${round} ${edit}`)
        try {
          const {revision} = await session.cache.put('key', key, new TextEncoder().encode(value))
          acknowledged.push({key, revision: revision!, value})
          counts[index]!++
          known = true
        } catch (error) {
          if (!(error instanceof LatticeError) || (error instanceof RevisionConflictError && known)) throw error
          failures.add(error.kind)
          known = false
          edit++
          break
        }
      }
    }
  }
  const ended = Promise.all(counts.map((_, index) => write(index)))
  // Whoever waits is told that a writer failed.
  const failed = ended.then(() => new Promise<never>(() => undefined))
  failed.catch(() => undefined)
  const dispose = async (): Promise<void> => {
    stop.abort()
    await ended
  }
  return {
    acknowledged,
    failures,
    goesOn: async () => {
      const before = [...counts]
      await Promise.race([until(() => counts.every((count, index) => count > before[index]! + 5), 30_000), failed])
    },
    [Symbol.asyncDispose]: dispose,
  }
}

/** A connection to any of the servers. */
async function openSession(): Promise<AsyncDisposable & {readonly cache: LatticeCache}> {
  const spec = {...cluster.spec(), timeoutMs: 2000, connectTimeoutMs: 2000}
  let connection: NatsConnection | undefined
  await until(async () => {
    connection = await openConnection(spec, {reconnect: 'forever'}).catch(() => undefined)
    return connection !== undefined
  }, 30_000)
  const cache = await LatticeCache.open(connection!, spec)
  return {cache, [Symbol.asyncDispose]: () => connection!.close()}
}

/** Every acknowledged write stands in the history of its key where the acknowledgement said, and nothing is twice. */
async function expectAllKept(acknowledged: readonly Acknowledged[]): Promise<void> {
  const connection = await openConnection(cluster.spec(), {reconnect: 'forever'})
  try {
    const bucket = Bucket.at(connection, data, {timeoutMs: 10_000})
    const keys = new Set(acknowledged.map(({key}) => key))
    for (const key of keys) {
      const history = await bucket.history(key)
      const stored = new Map(history.map(({revision, value}) => [revision, new TextDecoder().decode(value)]))
      const mine = acknowledged.filter((write) => write.key === key)
      expect(mine.map(({revision}) => [revision, stored.get(revision)])).toEqual(
        mine.map(({revision, value}) => [revision, value]),
      )
      expect(new Set(stored.values()).size).toBe(stored.size)
      const last = history.at(-1)
      expect(await bucket.get(key)).toMatchObject({revision: last.revision, value: last.value})
      expect(last.revision).toBeGreaterThanOrEqual(mine.at(-1).revision)
    }
  } finally {
    await connection.close()
  }
}

async function leader(): Promise<OperatorServer> {
  const connection = await openConnection(cluster.spec(), {reconnect: 'forever'})
  try {
    let name: string | undefined
    await until(async () => {
      const reply = await connection
        .request(`$JS.API.STREAM.INFO.KV_${data}`, '', {timeout: 2000})
        .catch(() => undefined)
      name = reply?.json<{cluster?: {leader?: string}}>().cluster?.leader
      return Boolean(name)
    }, 20_000)
    return cluster.servers[Number(name!.slice(1))]!
  } finally {
    await connection.close()
  }
}

test('the leader is killed while records are written: what was acknowledged stands, and writing goes on', async () => {
  await using writing = startWriting('killed')
  await writing.goesOn()
  const doomed = await leader()
  await doomed.kill()
  await writing.goesOn()
  await doomed.restart()
  await writing.goesOn()
  await writing[Symbol.asyncDispose]()
  await expectAllKept(writing.acknowledged)
  // Whoever was not acknowledged was told so.
  for (const kind of writing.failures) expect(['timeout', 'connection', 'server']).toContain(kind)
})

test('a server that is paused holds up nobody for long, and what it missed it has again', async () => {
  await using writing = startWriting('paused')
  await writing.goesOn()
  const {pid} = await leader()
  standStill(pid)
  try {
    await writing.goesOn()
  } finally {
    goOn(pid)
  }
  await writing.goesOn()
  await writing[Symbol.asyncDispose]()
  await expectAllKept(writing.acknowledged)
  // Whoever was not acknowledged was told so.
  for (const kind of writing.failures) expect(['timeout', 'connection', 'server']).toContain(kind)
})

test('all servers are killed and started again: the state is that of the acknowledged writes', async () => {
  await using writing = startWriting('all')
  await writing.goesOn()
  await Promise.all(cluster.servers.map((server) => server.kill()))
  await Promise.all(cluster.servers.map((server) => server.restart()))
  await writing.goesOn()
  await writing[Symbol.asyncDispose]()
  await expectAllKept(writing.acknowledged)
  // Whoever was not acknowledged was told so.
  for (const kind of writing.failures) expect(['timeout', 'connection', 'server']).toContain(kind)
})
