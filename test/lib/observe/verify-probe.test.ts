import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import {systemClock} from '../../../src/lib/clock.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import type {ConnectSpec} from '../../../src/lib/nats/spec.js'
import {verifyByProbe, type ProbeVerification} from '../../../src/lib/observe/verify-probe.js'
import type {Destination} from '../../../src/lib/routing/plan.js'
import {freePort, startNatsServer, until, type TestServer} from '../../support/nats-server.js'

const users = 'users [{user: a, password: a}, {user: strict, password: a, permissions: {publish: ["orders.get"]}}]'

function account(first: number, second: number): string {
  return `accounts {A {${users}\nmappings {
    "orders.get": [{destination: "v1.get", weight: ${first}%}, {destination: "v2.get", weight: ${second}%}]
    "stock.*": [{destination: "v1.stock.$1", weight: 60%}, {destination: "v2.stock.$1", weight: 40%}]
    "by.cluster": [{destination: "here", weight: 100%, cluster: "c"}, {destination: "there", weight: 100%}]
  }}}`
}

let servers: TestServer[]
let clusterConfig: string[]
let connection: NatsConnection
let spec: ConnectSpec

beforeAll(async () => {
  const ports = await Promise.all([freePort(), freePort(), freePort()])
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`).join(', ')
  clusterConfig = ports.map((port) => `cluster {name: c, listen: "127.0.0.1:${port}", routes: [${routes}]}\n`)
  servers = await Promise.all(
    clusterConfig.map((cluster, index) =>
      startNatsServer({serverName: `S${index}`, config: `${cluster}${account(70, 30)}`}),
    ),
  )
  spec = {
    servers: [servers[0]!.url],
    lattice: 'default',
    protected: false,
    timeoutMs: 5000,
    connectTimeoutMs: 5000,
    credentials: {kind: 'user', user: 'a', password: 'a'},
  }
  connection = await openConnection(spec)
  // A server names the others once they have found each other.
  await until(() => connection.getServers().length === 3, 5000)
})

afterAll(async () => {
  await connection.close()
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
})

function verify(
  source: string,
  destinations: readonly Destination[] | undefined,
  {withinMs = 3000}: {withinMs?: number} = {},
): Promise<ProbeVerification> {
  return verifyByProbe({connection, spec}, [{source, destinations}], {withinMs, clock: systemClock})
}

const asked = [
  {subject: 'v1.get', weight: 70},
  {subject: 'v2.get', weight: 30},
]

function outcomes({servers: probed}: ProbeVerification): unknown {
  return probed.map(({server, outcome}) => [server.name, outcome])
}

test('a table that every server has is found on every server', async () => {
  const verification = await verify('orders.get', asked, {withinMs: 20_000})
  expect(outcomes(verification)).toEqual([
    ['S0', 'applied'],
    ['S1', 'applied'],
    ['S2', 'applied'],
  ])
  expect(verification.probes).toBeGreaterThan(1000)
  expect(verification.confidence).toEqual({falseAlarm: 1e-4, missed: 1e-3, points: 10})
})

test('wildcards, entries of the cluster, and a source that is not mapped', async () => {
  const [stock, clustered, plain] = await Promise.all([
    verify(
      'stock.*',
      [
        {subject: 'v1.stock.$1', weight: 60},
        {subject: 'v2.stock.$1', weight: 40},
      ],
      {withinMs: 20_000},
    ),
    verify('by.cluster', [
      {subject: 'here', weight: 100, cluster: 'c'},
      {subject: 'there', weight: 100},
    ]),
    verify('not.mapped', undefined),
  ])
  const applied = [
    ['S0', 'applied'],
    ['S1', 'applied'],
    ['S2', 'applied'],
  ]
  expect(outcomes(stock)).toEqual(applied)
  expect(outcomes(clustered)).toEqual(applied)
  expect(outcomes(plain)).toEqual(applied)
  expect(outcomes(await verify('orders.get', undefined))).toEqual([
    ['S0', 'differs'],
    ['S1', 'differs'],
    ['S2', 'differs'],
  ])
})

test('a server whose table is another one is told by name, and what it does instead', async () => {
  await servers[1]!.reload(`${clusterConfig[1]!}${account(55, 45)}`)
  const verification = await verify('orders.get', asked)
  expect(outcomes(verification)).toEqual([
    ['S0', 'applied'],
    ['S1', 'differs'],
    ['S2', 'applied'],
  ])
  expect(verification.servers[1]!.reason).toMatch(
    /^Messages to 'orders\.get' go [\d.]+ % to 'v1\.get', [\d.]+ % to 'v2\.get'\.$/,
  )
  await servers[1]!.reload(`${clusterConfig[1]!}${account(70, 30)}`)
  expect(outcomes(await verify('orders.get', asked, {withinMs: 20_000}))).toEqual([
    ['S0', 'applied'],
    ['S1', 'applied'],
    ['S2', 'applied'],
  ])
})

test('a user who may not hear of it is told so', async () => {
  const strict = {...spec, credentials: {kind: 'user', user: 'strict', password: 'a'} as const}
  await expect(
    verifyByProbe({connection, spec: strict}, [{source: 'orders.get', destinations: asked}], {
      withinMs: 0,
      clock: systemClock,
    }),
  ).rejects.toMatchObject({kind: 'connection', details: {operation: 'publish', subject: '_INBOX.>'}})
})

test('a server that cannot be reached is named', async () => {
  const port = await freePort()
  const more = {...spec, servers: [...spec.servers, `nats://127.0.0.1:${port}`]}
  const {servers: probed} = await verifyByProbe(
    {connection, spec: more},
    [{source: 'orders.get', destinations: asked}],
    {withinMs: 1000, clock: systemClock},
  )
  expect(probed).toHaveLength(4)
  expect(probed.find(({outcome}) => outcome === 'unreachable')).toMatchObject({
    server: {name: `nats://127.0.0.1:${port}`},
  })
})
