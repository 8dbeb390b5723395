import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import Call from '../../src/commands/call.js'
import EntityInspect from '../../src/commands/entity/inspect.js'
import EntityLs from '../../src/commands/entity/ls.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {plainSpec, startHost, type TestHost} from '../support/host.js'
import {startNatsServer, type TestServer} from '../support/nats-server.js'
import {run, type RunResult} from '../support/run.js'
import {behind, runService} from '../support/services.js'

let server: TestServer
let services: NatsConnection
let host: TestHost
beforeAll(async () => {
  server = await startNatsServer({
    jetstream: true,
    config: `no_auth_user: all
accounts {APP {jetstream: enabled, users: [
  {user: all, password: all}
  {user: hosts, password: hosts, permissions: {publish: {deny: ["$SRV.>"]}}}
  {user: services, password: services, permissions: {publish: ["$SRV.>", "orders.>"]}}
]}}`,
  })
  host = await startHost({server, lattice: 'default'})
  services = await openConnection(plainSpec(server.url, 'default'))
  const orders = (version: string, major: number) =>
    runService(services, {
      name: 'orders',
      version,
      endpoints: {get: behind('orders.get', major), put: behind('orders.put', major)},
    })
  await orders('1.0.0', 1)
  await orders('1.0.0', 1)
  await orders('2.0.0', 2)
  for (const version of ['1.0.0', '1.0.0', '1.0.0', '1.1.0']) {
    await runService(services, {name: 'stock', version, endpoints: {find: {subject: 'stock.find'}}})
  }
  await runService(services, {name: 'users', version: '1.0.0', endpoints: {by: {subject: 'users.by.*'}}})
})
afterAll(async () => {
  await services.close()
  await host[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const ordersView = `name       orders
kind       service
routed by  orders.*

1.0.0	2	dark
2.0.0	1	dark

get	orders.get	1.0.0	orders.v1.get	q	2
get	orders.get	2.0.0	orders.v2.get	q	1
put	orders.put	1.0.0	orders.v1.put	q	2
put	orders.put	2.0.0	orders.v2.put	q	1
`

function lattice(command: Parameters<typeof run>[0], ...argv: readonly string[]): Promise<RunResult> {
  return as('all', command, ...argv)
}

function as(user: string, command: Parameters<typeof run>[0], ...argv: readonly string[]): Promise<RunResult> {
  return run(command, argv, {
    XDG_CONFIG_HOME: join(server.dir, 'config'),
    LATTICE_CONTEXT: undefined,
    NATS_URL: server.url,
    NATS_USER: user,
    NATS_PASSWORD: user,
  })
}

describe('entity ls and inspect', () => {
  test('list services with their versions, and what shares a subject', async () => {
    expect((await lattice(EntityLs)).stdout).toBe(
      [
        'orders	service	1.0.0	2	dark		orders',
        'orders	service	2.0.0	1	dark		orders',
        'stock	service	1.0.0	3	shares 3:1		stock',
        'stock	service	1.1.0	1	shares 3:1		stock',
        'users	service	1.0.0	1	live		users',
        '',
      ].join('\n'),
    )
  })

  test('show where each version listens', async () => {
    expect((await lattice(EntityInspect, 'orders')).stdout).toBe(ordersView)
    const json = (await lattice(EntityInspect, 'orders', '--json')).json()
    expect(json).toMatchObject({
      kind: 'service',
      endpoints: [{source: 'orders.*', addresses: {'1.0.0': 'orders.v1.$1', '2.0.0': 'orders.v2.$1'}, queue: 'q'}],
      service: {notes: [], implicitSplits: [], unread: 0},
    })
  })

  test('say what keeps a service from being routed', async () => {
    expect((await lattice(EntityInspect, 'stock')).stdout).toContain(
      `
Versions 1.0.0 and 1.1.0 of 'stock' share 'stock.find' and its queue group 'q': an implicit split by subscriptions, 3:1.
Endpoint 'find' does not name the subject that its callers use: write metadata: {'lattice.source': 'SUBJECT'} there, or --source find=SUBJECT.
`,
    )
    const {exitCode, stderr} = await lattice(EntityInspect, 'order')
    expect(exitCode).toBe(4)
    expect(stderr).toContain('orders')
  })

  test('show hosts to those who may not ask for services, and say so', async () => {
    const {exitCode, stdout, stderr} = await as('hosts', EntityLs)
    expect({exitCode, stdout}).toEqual({exitCode: 0, stdout: ''})
    expect(stderr).toContain("Micro services are not shown. No permission to publish to '$SRV.INFO'.")
  })
})

describe('call', () => {
  test.each([
    [['orders@2.0.0', 'get', '{"id":7}'], '2.0.0 orders.v2.get'],
    [['orders@1.0.0', 'put'], '1.0.0 orders.v1.put'],
    [['stock', 'find'], ' stock.find'],
  ])('%j reaches the endpoint', async (argv, answer) => {
    const {exitCode, stdout} = await lattice(Call, ...argv)
    expect(exitCode).toBe(0)
    expect(stdout).toContain(answer)
  })

  test('needs no permission to ask hosts', async () => {
    const called = await as('services', Call, 'orders@2.0.0', 'get', '--json')
    expect(called.json()).toEqual({
      entity: 'orders',
      key: 'orders',
      version: '2.0.0',
      operation: 'get',
      subject: 'orders.v2.get',
      result: '2.0.0 orders.v2.get',
    })
  })

  test.each([
    [['orders', 'get'], 4, 'lattice route bluegreen orders --to 1.0.0'],
    [['orders', 'del'], 4, 'lattice call orders get'],
    [['orders@3.0.0', 'get'], 4, "'orders@3.0.0' has no endpoint"],
    [['users', 'by'], 2, 'nats request users.by.TOKEN PAYLOAD'],
    [['order', 'get'], 4, "No entity 'order' runs"],
  ])('%j is refused', async (argv, code, text) => {
    const {exitCode, stderr} = await lattice(Call, ...argv)
    expect(exitCode).toBe(code)
    expect(stderr).toContain(text)
  })
})
