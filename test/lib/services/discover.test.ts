import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, afterEach, beforeAll, describe, expect, test} from 'vitest'

import {openConnection} from '../../../src/lib/nats/connect.js'
import {discoverServices} from '../../../src/lib/services/discover.js'
import {parseServiceInfo} from '../../../src/lib/services/info.js'
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

  test('of other lattices are left out', async () => {
    await start(orders('1.0.0', 1), {...orders('2.0.0', 2), metadata: {lattice: 'east'}})
    const versions = async (lattice: string) =>
      (await discover(lattice)).flatMap(({instances}) => instances.map(({version}) => version))
    expect(await versions('default')).toEqual(['1.0.0'])
    expect(await versions('east')).toEqual(['2.0.0'])
    expect(await versions('west')).toEqual([])
  })

  test('without a queue group say so', async () => {
    await start({name: 'news', version: '1.0.0', queue: '', endpoints: {all: {subject: 'news.all'}}})
    const [news] = await discover()
    expect(news!.service.endpoints[0]!.versions).toEqual([{version: '1.0.0', subject: 'news.all', instances: 1}])
  })

  test('are told apart by case', async () => {
    await start(orders('1.0.0', 1), {...orders('1.0.0', 3), name: 'Orders'})
    expect((await discover()).map(({name}) => name)).toEqual(['Orders', 'orders'])
  })

  test('get their sources from flags', async () => {
    await start({name: 'stock', version: '1.0.0', endpoints: {find: {subject: 'stock.v1.find'}}})
    const find = (service: string) =>
      discoverServices(mine, {timeoutMs: 3000, lattice: 'default', sources: {service, texts: ['stock.find']}})
    expect((await find('stock'))[0]!.endpoints).toEqual([
      {source: 'stock.find', addresses: {'1.0.0': 'stock.v1.find'}, queue: 'q'},
    ])
    await expect(find('stocks')).rejects.toThrow("No service 'stocks' answers in lattice 'default'.")
  })

  test('are not waited for where a tap hides that there are none', async () => {
    const nc = await connect()
    nc.subscribe('>', {callback: () => undefined})
    await nc.flush()
    const before = performance.now()
    expect(await discoverServices(mine, {timeoutMs: 30_000, lattice: 'default', firstMs: 200})).toEqual([])
    expect(performance.now() - before).toBeLessThan(2000)
  })
})

describe('answers that no service gives', () => {
  const good = {
    type: 'io.nats.micro.v1.info_response',
    name: 'orders',
    id: 'GOOD',
    version: '1.0.0',
    endpoints: [{name: 'get', subject: 'orders.v1.get', queue_group: 'q', metadata: {'lattice.source': 'orders.get'}}],
  }
  const hostile: readonly string[] = [
    '',
    '{"type":',
    '[]',
    'null',
    JSON.stringify({...good, type: 'io.nats.micro.v1.ping_response'}),
    JSON.stringify({...good, name: 'orders.>'}),
    JSON.stringify({...good, name: 'or\u001b[2Jders'}),
    JSON.stringify({...good, name: 7}),
    JSON.stringify({...good, id: 'a b'}),
    JSON.stringify({...good, id: 'x'.repeat(100_000)}),
    JSON.stringify({...good, endpoints: Array.from({length: 1001}, () => good.endpoints[0])}),
    '['.repeat(200_000),
    JSON.stringify({...good, metadata: {lattice: 'a.b'}}),
  ]

  async function answerWith(...texts: readonly (string | Uint8Array)[]): Promise<void> {
    const nc = await connect()
    nc.subscribe('$SRV.INFO', {callback: (_error, msg) => texts.forEach((text) => msg.respond(text))})
    await nc.flush()
  }

  test('are left out', async () => {
    await answerWith(...hostile, Uint8Array.of(0xff, 0xfe, 0, 1), JSON.stringify(good))
    expect((await discover()).map(({name, instances}) => [name, instances.length])).toEqual([['orders', 1]])
  })

  // The same one by one, because what one answer spoils must not be hidden by another.
  test.each(hostile)('do not throw: %j', (text) => {
    expect(parseServiceInfo(text)?.lattice ?? '').toBe('')
  })

  test('leave out only the endpoints that make no sense', async () => {
    const endpoints = [
      ...good.endpoints,
      {name: 'put', subject: 'orders put'},
      {name: 'del', subject: 'orders.\u202edel'},
      {name: '__proto__.x', subject: 'orders.x'},
      {name: 'long', subject: 'x'.repeat(256)},
      'orders',
      null,
    ]
    await answerWith(JSON.stringify({...good, endpoints}))
    const [found] = await discover()
    expect(found!.service.endpoints.map(({name}) => name)).toEqual(['get'])
    expect(found!.service.unread).toBe(6)
  })

  test('cannot reach a prototype', async () => {
    const text = JSON.stringify({
      ...good,
      name: '__proto__',
      endpoints: [{name: '__proto__', subject: 'a.b', metadata: 0}],
    })
    const polluted = text.replace('"metadata":0', '"metadata":{"__proto__":{"lattice.source":"orders.get"}}')
    await answerWith(polluted, JSON.stringify({...good, name: 'constructor', id: 'OTHER'}))
    const found = await discover()
    expect(found.map(({name}) => name)).toEqual(['__proto__', 'constructor'])
    expect(found[0]!.service.endpoints).toMatchObject([{name: '__proto__', versions: [{subject: 'a.b'}]}])
    expect(found[0]!.service.endpoints[0]!.source).toBeUndefined()
    expect(found[0]!.endpoints).toEqual([])
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  test('with a version that is not semver cannot be a leg', async () => {
    await answerWith(JSON.stringify({...good, version: 'latest'}))
    const [found] = await discover()
    expect(found!.instances).toEqual([{host: 'GOOD', count: 1, dark: false}])
    expect(found!.endpoints).toEqual([])
  })

  test('with an id that was seen are not counted twice', async () => {
    await answerWith(JSON.stringify(good), JSON.stringify({...good, version: '6.6.6'}))
    expect((await discover())[0]!.instances).toMatchObject([{version: '1.0.0', host: 'GOOD'}])
  })
})
