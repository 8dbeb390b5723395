import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {createInterface} from 'node:readline'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import Call from '../../src/commands/call.js'
import EntityInspect from '../../src/commands/entity/inspect.js'
import RouteAb from '../../src/commands/route/ab.js'
import RouteClear from '../../src/commands/route/clear.js'
import RouteShow from '../../src/commands/route/show.js'
import RouteUndo from '../../src/commands/route/undo.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {startOperatorServer, type OperatorServer} from '../support/nats-server.js'
import {run, type RunResult} from '../support/run.js'
import {behind, runService} from '../support/services.js'
import {tempFolder, type TempFolder} from '../support/temp.js'

let server: OperatorServer
let folder: TempFolder
let caller: NatsConnection
const children = new Set<() => Promise<void>>()
beforeAll(async () => {
  server = await startOperatorServer()
  folder = await tempFolder()
  caller = await openConnection(server.spec())
  await Promise.all([startOrders('1.0.0'), startOrders('1.0.0'), startOrders('2.0.0')])
})
afterAll(async () => {
  await Promise.all([...children].map((end) => end()))
  await caller.close()
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

/** Runs the example as a person does, until the end of the tests. */
async function startOrders(version: string): Promise<void> {
  const child = spawn(process.execPath, ['examples/orders/service.js', version], {
    env: {NATS_URL: server.url, NATS_CREDS: server.credsFile},
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  children.add(async () => {
    child.kill('SIGTERM')
    await ended
  })
  const lines = createInterface({input: child.stdout})
  const [line] = (await Promise.race([once(lines, 'line'), ended])) as [unknown]
  expect(line).toBe(`orders ${version} answers`)
}

function lattice(command: Parameters<typeof run>[0], ...argv: readonly string[]): Promise<RunResult> {
  return run(command, argv, {
    XDG_CONFIG_HOME: folder.path,
    LATTICE_URL: server.url,
    LATTICE_CREDS: server.credsFile,
    LATTICE_SYS_CREDS: server.sysCredsFile,
    LATTICE_OPERATOR_SEED_FILE: server.operatorKeyFile,
    LATTICE_CONTEXT: undefined,
    CI: undefined,
  })
}

/** How often each version answers callers who know nothing of versions. */
async function answers(subject: string, calls: number): Promise<Record<string, number>> {
  const replies = await Promise.all(Array.from({length: calls}, () => caller.request(subject, '{"id":7}')))
  const versions = replies.map((reply) => (JSON.parse(reply.string()) as {version: string}).version)
  return Object.fromEntries(
    [...Map.groupBy(versions, (version) => version)].map(([version, all]) => [version, all.length]),
  )
}

describe('the orders example', () => {
  test('is one service whose endpoints one wildcard routes', async () => {
    expect((await lattice(EntityInspect, 'orders', '--json')).json()).toMatchObject({
      endpoints: [{source: 'orders.*', addresses: {'1.0.0': 'orders.v1.$1', '2.0.0': 'orders.v2.$1'}}],
      service: {notes: []},
    })
    expect((await lattice(Call, 'orders@2.0.0', 'get', '{"id":7}', '--json')).json()).toMatchObject({
      result: {order: null, version: '2.0.0'},
    })
    const {exitCode, stderr} = await lattice(Call, 'orders@2.0.0', 'get', 'no JSON')
    expect({exitCode, stderr}).toMatchObject({exitCode: 1})
    expect(stderr).toContain("The service on 'orders.v2.get' answered with error 400: the request is no JSON object.")
  })

  test('gets its traffic split, all endpoints in one step, and undone', async () => {
    const ab = await lattice(RouteAb, 'orders@1.0.0=100', '--json')
    expect(ab.json()).toMatchObject({state: 'live', changed: true})
    expect(await answers('orders.get', 50)).toEqual({'1.0.0': 50})

    expect((await lattice(RouteAb, '60/40', '--entity', 'orders', '--json')).json()).toMatchObject({state: 'live'})
    for (const subject of ['orders.get', 'orders.put']) {
      const counts = await answers(subject, 1000)
      expect(counts['1.0.0']! + counts['2.0.0']!).toBe(1000)
      // Four standard deviations.
      expect(Math.abs(counts['2.0.0']! - 400)).toBeLessThan(62)
    }
    expect((await lattice(RouteShow, 'orders', '--json')).json()).toMatchObject({state: 'current'})
    expect((await lattice(Call, 'orders', 'get', '{"id":1}', '--json')).json()).toMatchObject({subject: 'orders.get'})

    expect((await lattice(RouteUndo, 'orders', '--json')).json()).toMatchObject({state: 'live'})
    expect(await answers('orders.put', 50)).toEqual({'1.0.0': 50})
  })
})

describe('what cannot be split', () => {
  test('shares a subject, and is told what to change', async () => {
    const nc = await openConnection(server.spec())
    try {
      for (const version of ['1.0.0', '1.0.0', '2.0.0']) {
        await runService(nc, {name: 'stock', version, endpoints: {find: {subject: 'stock.find'}}})
      }
      const {exitCode, stderr} = await lattice(RouteAb, '50/50', '--entity', 'stock')
      expect(exitCode).toBe(9)
      expect(stderr).toContain('an implicit split by subscriptions, 2:1.')
      expect(stderr).toContain("service.addEndpoint('find', {subject: 'stock.v2.find',")
    } finally {
      await nc.close()
    }
  })
})

describe('a service with events beside its endpoints', () => {
  test('keeps them, with a source for each endpoint, through all changes of its route', async () => {
    const nc = await openConnection(server.spec())
    try {
      for (const major of [1, 2]) {
        const endpoints = {get: behind('carts.get', major), put: behind('carts.put', major)}
        await runService(nc, {name: 'carts', version: `${major}.0.0`, endpoints})
      }
      const events = nc.subscribe('carts.created')
      const {exitCode, stderr} = await lattice(RouteAb, 'carts@1.0.0=50', 'carts@2.0.0=50')
      expect({exitCode, stderr}).toMatchObject({exitCode: 0})
      caller.publish('carts.created', 'seen')
      await caller.flush()
      await nc.flush()
      expect(events.getReceived()).toBe(1)

      // The route keeps its form when the events are gone, and leaves nothing behind.
      events.unsubscribe()
      expect((await lattice(RouteAb, 'carts@2.0.0=100', '--json')).json()).toMatchObject({state: 'live', changed: true})
      expect((await lattice(RouteShow, 'carts', '--json')).json()).toMatchObject({state: 'current'})
      expect((await caller.request('carts.put')).string()).toBe('2.0.0 carts.v2.put')
    } finally {
      await nc.close()
    }
  })
})

describe('a service that listens on the source already', () => {
  test('is split by a flag that names the source, and its record remembers it', async () => {
    const nc = await openConnection(server.spec())
    try {
      await runService(nc, {name: 'bins', version: '1.0.0', endpoints: {get: {subject: 'bins.get'}}})
      await runService(nc, {name: 'bins', version: '2.0.0', endpoints: {get: {subject: 'bins.v2.get'}}})
      const refused = await lattice(RouteAb, 'bins@1.0.0=80', 'bins@2.0.0=20')
      expect(refused).toMatchObject({exitCode: 2})
      expect(refused.stderr).toContain('--source get=SUBJECT')
      const ab = await lattice(RouteAb, 'bins@1.0.0=80', 'bins@2.0.0=20', '--source', 'get=bins.get')
      expect(ab).toMatchObject({exitCode: 0})
      expect((await lattice(RouteShow, 'bins', '--json')).json()).toMatchObject({state: 'current'})
      const cleared = await lattice(RouteClear, 'bins')
      expect(cleared).toMatchObject({exitCode: 0})
      expect((await caller.request('bins.get')).string()).toBe('1.0.0 bins.get')
      expect((await lattice(RouteShow, 'bins', '--json')).json()).toMatchObject({state: 'current'})
    } finally {
      await nc.close()
    }
  })

  test('gets its first canary without a new deployment', async () => {
    const nc = await openConnection(server.spec())
    try {
      const respond = (version: string) => (_error: Error | null, msg: {respond: (text: string) => boolean}) =>
        void msg.respond(JSON.stringify({version}))
      nc.subscribe('prices.eu', {queue: 'q', callback: respond('1.0.0')})
      nc.subscribe('prices.us', {queue: 'q', callback: respond('1.0.0')})
      nc.subscribe('beta.prices.*', {queue: 'q', callback: respond('2.0.0')})
      await nc.flush()
      const legs = ['--source', 'prices.*', '--leg', '1.0.0=@source', '--leg', '2.0.0=beta.prices.$1']
      const {exitCode, stderr} = await lattice(RouteAb, '75/25', ...legs)
      expect({exitCode, stderr}).toMatchObject({exitCode: 0})
      const counts = await answers('prices.us', 1000)
      expect(counts['1.0.0']! + counts['2.0.0']!).toBe(1000)
      expect(Math.abs(counts['2.0.0']! - 250)).toBeLessThan(55)
    } finally {
      await nc.close()
    }
  })
})
