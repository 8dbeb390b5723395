import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import {openConnection} from '../../../src/lib/nats/connect.js'
import {traceSubject} from '../../../src/lib/observe/trace.js'
import {freePort, startNatsServer, until, type TestServer} from '../../support/nats-server.js'
import {startOldServer} from '../../support/old-server.js'

const mappings = `mappings {
  "orders.get": [{destination: "v1.get", weight: 70%}, {destination: "v2.get", weight: 30%}]
  "lossy": [{destination: "lossy", weight: 50%}, {destination: "v1.get", weight: 20%}]
  "void": [{destination: "void.nobody", weight: 100%}]
}`
const users = `users [
  {user: a, password: a}
  {user: source-only, password: a, permissions: {publish: ["orders.get", "v1.get", "_INBOX.>"]}}
  {user: no-inbox, password: a, permissions: {publish: ["orders.get", "v1.get", "v2.get"]}}
]`
const imports = 'imports [{service: {account: B, subject: "told.x"}}, {service: {account: B, subject: "untold.x"}}]'
const accounts = `accounts {
  A {${users}\n${mappings}\n${imports}}
  B {users [{user: b, password: b}], exports [{service: "told.x", allow_trace: true}, {service: "untold.x"}]
     mappings {"told.x": "v1.told.x"}}
}`

let servers: TestServer[]
const open: NatsConnection[] = []

beforeAll(async () => {
  const ports = await Promise.all([freePort(), freePort()])
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`).join(', ')
  servers = await Promise.all(
    ports.map((port, index) =>
      startNatsServer({
        serverName: `S${index}`,
        config: `cluster {name: c, listen: "127.0.0.1:${port}", routes: [${routes}]}\n${accounts}`,
      }),
    ),
  )
  const [near, far, other] = await Promise.all([
    connect(0, 'a', 'worker-1'),
    connect(1, 'a', 'worker-2'),
    connect(1, 'b'),
  ])
  near.subscribe('v1.get', {queue: 'q', callback: () => undefined})
  far.subscribe('v2.get', {queue: 'q', callback: () => undefined})
  far.subscribe('v2.*', {callback: () => undefined})
  near.subscribe('void.*', {callback: () => undefined})
  other.subscribe('v1.told.x', {queue: 'q', callback: (_error, message) => void message.respond('told')})
  other.subscribe('untold.x', {queue: 'q', callback: (_error, message) => void message.respond('untold')})
  await Promise.all([near.flush(), far.flush(), other.flush()])
  // The other server hears of the subscriptions a moment later.
  for (const subject of ['told.x', 'untold.x']) {
    await until(
      () =>
        near.request(subject, '', {timeout: 1000}).then(
          () => true,
          () => false,
        ),
      5000,
    )
  }
  await until(async () => (await trace('v2.get', {probes: 1})).destinations[0]?.fate === 'delivered', 5000)
})

afterAll(async () => {
  await Promise.all(open.map((nc) => nc.close()))
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
})

async function connect(server: number, user: string, name = user): Promise<NatsConnection> {
  const spec = {
    servers: [servers[server]!.url],
    lattice: 'default',
    protected: false,
    timeoutMs: 5000,
    connectTimeoutMs: 5000,
    credentials: {kind: 'user', user, password: user === 'b' ? 'b' : 'a'},
  } as const
  const nc = await openConnection(spec, {name})
  open.push(nc)
  return nc
}

async function trace(
  subject: string,
  {user = 'a', probes = 200}: {user?: string; probes?: number} = {},
): ReturnType<typeof traceSubject> {
  return traceSubject(await connect(0, user), subject, {probes, timeoutMs: 5000})
}

test('probes draw as messages do, nobody gets one, and the path of one is whole', async () => {
  let delivered = 0
  const watcher = await connect(1, 'a')
  watcher.subscribe('v*.get', {callback: () => void (delivered += 1)})
  await watcher.flush()
  const traced = await trace('orders.get', {probes: 400})
  expect(traced).toMatchObject({subject: 'orders.get', probes: 400, answered: 400, incomplete: 0})
  expect(traced.server).toMatchObject({name: 'S0', cluster: 'c'})
  const [first, second] = traced.destinations
  expect(first).toMatchObject({subject: 'v1.get', fate: 'delivered'})
  expect(first!.subscribers).toEqual([{server: 'S0', client: 'worker-1', subscription: 'v1.get', queue: 'q'}])
  expect(second).toMatchObject({subject: 'v2.get', fate: 'delivered'})
  expect(second!.subscribers).toContainEqual({server: 'S1', client: 'worker-2', subscription: 'v2.get', queue: 'q'})
  expect(first!.probes + second!.probes).toBe(400)
  // Seven standard deviations.
  expect(Math.abs(first!.share - 70)).toBeLessThan(16)
  expect(traced.path.map(({server}) => server.name)).toEqual(['S0', 'S1'])
  expect(traced.path[0]!.events.map(({type}) => type)).toEqual(['in', 'mapped', 'out'])
  expect(traced.path[1]!.events.map(({type}) => type)).toContain('out')
  await watcher.flush()
  expect(delivered).toBe(0)
})

test('loss, nobody and taps are told apart', async () => {
  const lossy = await trace('lossy')
  expect(lossy.destinations.map(({subject, fate}) => [subject, fate]).toSorted()).toEqual([
    ['', 'dropped'],
    ['lossy', 'nobody'],
    ['v1.get', 'delivered'],
  ])
  expect((await trace('void', {probes: 2})).destinations).toMatchObject([
    {subject: 'void.nobody', fate: 'watched', share: 100, subscribers: [{subscription: 'void.*'}]},
  ])
  expect((await trace('unheard.of', {probes: 2})).destinations).toMatchObject([
    {subject: 'unheard.of', fate: 'nobody', share: 100},
  ])
})

test('what a publisher may not do is told with the words of the server', async () => {
  const {destinations} = await trace('orders.get', {user: 'source-only'})
  expect(destinations).toMatchObject([
    {subject: 'v1.get', fate: 'delivered'},
    {subject: 'v2.get', fate: 'forbidden', error: 'Permissions Violation for Publish to "v2.get"'},
  ])
  await expect(trace('orders.get', {user: 'no-inbox'})).rejects.toMatchObject({
    kind: 'connection',
    message: "Tracing 'orders.get' needs permission to publish to '_INBOX.>', where servers report the way.",
  })
})

test('an import whose export forbids tracing is no proof of a missing worker', async () => {
  const [told] = (await trace('told.x', {probes: 3})).destinations
  expect(told).toMatchObject({subject: 'v1.told.x', mapped: 'told.x', fate: 'delivered', probes: 3})
  const [untold] = (await trace('untold.x', {probes: 3})).destinations
  expect(untold).toMatchObject({subject: 'untold.x', fate: 'imported', subscribers: []})
})

test('a server that is too old is told before anything is sent', async () => {
  await using old = await startOldServer('2.10.29')
  const nc = await openConnection({
    servers: [old.url],
    lattice: 'default',
    protected: false,
    timeoutMs: 2000,
    connectTimeoutMs: 2000,
  })
  try {
    await expect(traceSubject(nc, 'orders.get', {probes: 1, timeoutMs: 1000})).rejects.toMatchObject({
      kind: 'connection',
      message: "Server 'old' runs nats-server 2.10.29, and tracing messages needs 2.11.0 or newer.",
      details: {needed: '2.11.0', version: '2.10.29'},
    })
  } finally {
    await nc.close()
  }
})

test('a wildcard cannot be traced, and who stops waiting gets no answer', async () => {
  await expect(trace('orders.*')).rejects.toMatchObject({kind: 'usage'})
  const nc = await connect(0, 'a')
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(traceSubject(nc, 'orders.get', {probes: 5, timeoutMs: 1000, signal})).rejects.toThrow('enough')
})
