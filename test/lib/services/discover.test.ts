import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, afterEach, beforeAll, describe, expect, test} from 'vitest'

import {openConnection} from '../../../src/lib/nats/connect.js'
import {discoverServices} from '../../../src/lib/services/discover.js'
import {plainSpec} from '../../support/host.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {behind, runService, type TestService} from '../../support/services.js'

let server: TestServer
let mine: NatsConnection
let services: NatsConnection[] = []
beforeAll(async () => {
  server = await startNatsServer()
  mine = await openConnection(plainSpec(server.url, 'default'))
})
afterEach(async () => {
  await Promise.all(services.map((nc) => nc.close()))
  services = []
})
afterAll(async () => {
  await mine.close()
  await server[Symbol.asyncDispose]()
})

async function connect(): Promise<NatsConnection> {
  const nc = await openConnection(plainSpec(server.url, 'default'))
  services.push(nc)
  return nc
}

async function start(...list: readonly TestService[]): Promise<void> {
  const nc = await connect()
  for (const service of list) await runService(nc, service)
}

const discover = (lattice = 'default') => discoverServices(mine, {timeoutMs: 3000, lattice})

const orders = (version: string, major: number): TestService => ({
  name: 'orders',
  version,
  endpoints: {get: behind('orders.get', major), put: behind('orders.put', major)},
})

describe('services that answer', () => {
  test('nobody is no error and takes no time', async () => {
    const before = performance.now()
    expect(await discover()).toEqual([])
    expect(performance.now() - before).toBeLessThan(250)
  })

  test('two versions and three instances are one entity whose endpoints one wildcard routes', async () => {
    await start(orders('1.0.0', 1), orders('1.0.0', 1), orders('2.0.0', 2))
    const found = await discover()
    expect(found).toMatchObject([
      {
        kind: 'service',
        key: 'orders',
        name: 'orders',
        endpoints: [{source: 'orders.*', addresses: {'1.0.0': 'orders.v1.$1', '2.0.0': 'orders.v2.$1'}, queue: 'q'}],
        instances: [
          {version: '1.0.0', count: 1, dark: true},
          {version: '1.0.0', count: 1, dark: true},
          {version: '2.0.0', count: 1, dark: true},
        ],
        service: {
          endpoints: [
            {
              name: 'get',
              source: 'orders.get',
              faults: [],
              versions: [
                {version: '1.0.0', subject: 'orders.v1.get', queue: 'q', instances: 2},
                {version: '2.0.0', subject: 'orders.v2.get', queue: 'q', instances: 1},
              ],
            },
            {name: 'put', source: 'orders.put'},
          ],
        },
      },
    ])
    expect(new Set(found[0]!.instances.map(({host}) => host)).size).toBe(3)
  })
})
