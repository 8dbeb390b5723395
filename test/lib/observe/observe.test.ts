import {randomUUID} from 'node:crypto'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import type {Clock} from '../../../src/lib/clock.js'
import {parseVersion} from '../../../src/lib/entity/version.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {SystemClient} from '../../../src/lib/nats/system.js'
import {observeSplit} from '../../../src/lib/observe/observe.js'
import type {ObservedAddress, ObservedSplit} from '../../../src/lib/observe/split.js'
import {startOperatorCluster, until, type OperatorCluster} from '../../support/nats-server.js'

let cluster: OperatorCluster
let system: SystemClient
let connections: NatsConnection[]

beforeAll(async () => {
  cluster = await startOperatorCluster(3)
  system = await SystemClient.open(cluster.spec())
  connections = await Promise.all(
    cluster.servers.map((server) => openConnection(server.spec(), {reconnect: 'forever'})),
  )
})

afterAll(async () => {
  await Promise.all(connections.map((nc) => nc.close()))
  await system[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
})

const [one, two] = [parseVersion('1.0.0'), parseVersion('2.0.0')]

/** Two versions with a worker at every server, and a publisher that waits until its messages have arrived. */
async function orders(): Promise<{
  readonly addresses: readonly ObservedAddress[]
  readonly publish: (first: number, second: number) => Promise<void>
}> {
  const base = `orders-${randomUUID().slice(0, 8)}`
  const subjects = [`${base}.v1`, `${base}.v2`]
  let received = 0
  for (const nc of connections) {
    for (const subject of subjects)
      nc.subscribe(subject, {
        queue: 'q',
        callback: () => {
          received++
        },
      })
    nc.subscribe(`${base}.>`, {callback: () => undefined})
    await nc.flush()
  }
  // Other servers hear of a subscription a moment later.
  for (const subject of subjects) {
    const before = received
    await until(async () => {
      connections[0]!.publish(subject)
      await connections[0]!.flush()
      return received > before
    }, 5000)
  }
  await Promise.all(connections.map((nc) => nc.flush()))
  return {
    addresses: [
      {version: one, subject: subjects[0]!, weight: 70},
      {version: two, subject: subjects[1]!, weight: 30},
    ],
    publish: async (first, second) => {
      const before = received
      const counts = [first, second]
      for (const [index, subject] of subjects.entries()) {
        for (let count = 0; count < counts[index]!; count++) connections[count % 3]!.publish(subject)
      }
      await Promise.all(connections.map((nc) => nc.flush()))
      await until(() => received - before >= first + second, 5000)
    },
  }
}

/** A window in which something happens instead of time. */
function during(work: () => Promise<void>): Clock {
  return {now: () => performance.now(), sleep: work}
}

function counts({legs}: ObservedSplit): unknown {
  return legs.map(({version, messages, listeners, taps}) => ({version, messages, listeners, taps}))
}

test('the system account and an ordinary user count the same on three servers', async () => {
  const {addresses, publish} = await orders()
  const source = {connection: connections[0]!, account: cluster.servers[0]!.account.publicKey}
  const expected = [
    {version: '1.0.0', messages: 700, listeners: 3, taps: 3},
    {version: '2.0.0', messages: 300, listeners: 3, taps: 3},
  ]
  const work = {clock: during(() => publish(700, 300))}
  const bySystem = await observeSplit({...source, ...work, system}, {addresses, windowMs: 5000})
  expect(counts(bySystem)).toEqual(expected)
  expect(bySystem).toMatchObject({agrees: true, servers: ['S0', 'S1', 'S2'], gaps: []})
  const byUser = await observeSplit({...source, ...work}, {addresses, windowMs: 5000})
  expect(counts(byUser)).toEqual(expected)
  expect(byUser).toMatchObject({agrees: true, servers: ['S0', 'S1', 'S2'], gaps: []})
})

test('wildcard addresses are counted too, where SUBSZ has no test for them', async () => {
  const {addresses, publish} = await orders()
  const [base] = addresses[0]!.subject.split('.')
  const source = {connection: connections[0]!, account: cluster.servers[0]!.account.publicKey, system}
  const split = await observeSplit(
    {...source, clock: during(() => publish(40, 60))},
    {addresses: [{version: one, subject: `${base!}.$1`}], windowMs: 5000},
  )
  expect(split.legs).toMatchObject([{messages: 100, share: 100, listeners: 6}])
})

test('more subscriptions than a page of the servers holds are all counted', async () => {
  const {addresses, publish} = await orders()
  const nc = await openConnection(cluster.servers[1]!.spec())
  try {
    for (let count = 0; count < 1500; count++) {
      nc.subscribe(addresses[0]!.subject, {queue: 'q', callback: () => undefined})
    }
    await nc.flush()
    const source = {connection: connections[0]!, account: cluster.servers[0]!.account.publicKey}
    const clock = during(() => publish(0, 30))
    for (const asked of [
      {...source, system, clock},
      {...source, clock},
    ]) {
      const split = await observeSplit(asked, {addresses, windowMs: 5000})
      expect(counts(split)).toMatchObject([{listeners: 1503, messages: 0}, {messages: 30}])
    }
  } finally {
    await nc.close()
  }
})

test('a server that restarts in the window is told, and what it delivered since counts', async () => {
  const {addresses, publish} = await orders()
  const source = {connection: connections[0]!, account: cluster.servers[0]!.account.publicKey, system}
  const restart = async (): Promise<void> => {
    await cluster.servers[2]!.kill()
    await publishBySurvivors(addresses)
    await cluster.servers[2]!.restart()
    await until(async () => (await system.request('$SYS.REQ.SERVER.PING.IDZ', '', {expect: 3})).length === 3, 10_000)
    await connections[2]!.flush()
    await publish(100, 0)
  }
  const split = await observeSplit({...source, clock: during(restart)}, {addresses, windowMs: 5000})
  expect(split.gaps).toEqual(["Server 'S2' went away or does not answer: what it delivered is not counted."])
  expect(split.legs.map(({messages}) => messages)).toEqual([100, 20])
})

/** Only the two servers that are left deliver these. */
async function publishBySurvivors(addresses: readonly ObservedAddress[]): Promise<void> {
  for (let count = 0; count < 20; count++) connections[0]!.publish(addresses[1]!.subject)
  await connections[0]!.flush()
}

test('who stops waiting gets no split', async () => {
  const {addresses} = await orders()
  const clock: Clock = {now: () => 0, sleep: (_ms, signal) => Promise.reject(signal!.reason as Error)}
  const source = {connection: connections[0]!, account: cluster.servers[0]!.account.publicKey, system, clock}
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(observeSplit(source, {addresses, windowMs: 5000, signal})).rejects.toThrow('enough')
})
