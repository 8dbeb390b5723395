import {afterAll, beforeAll, expect, test} from 'vitest'

import {openWire} from '../../support/breakable-wire.js'
import type {Failure} from '../../support/cli.js'
import {startHost, type TestHost} from '../../support/host.js'
import {leadAll} from '../../support/leaders.js'
import {freePort} from '../../support/nats-server.js'
import {echoModule} from '../../support/story.js'
import {startTopology, superclusterOf, type Topology} from '../../support/topology.js'

const names = ['east-0', 'west-0']
const httpRequest = JSON.stringify({method: 'GET', path: '/', queryString: '', header: {}, body: ''})

let world: Topology
let host: TestHost
/** A test that is tried again must not meet the routes of its first try. */
let tries = 0
let started = false

beforeAll(async () => {
  world = await startTopology(await superclusterOf(['east', 'west'], 1))
  host = await startHost({server: world.server('east-0'), lattice: 'default'})
})

afterAll(async () => {
  await host[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

test('records of the other cluster are read and written as if they were here', async () => {
  const {ok} = world.cli
  await ok('cache', 'put', 'key', 'owner', '"shop"', '--context', 'east-0')
  const put = await ok('cache', 'put', 'key', 'owner', '"store"', '--context', 'west-0')
  expect(put).toMatchObject({changed: true, previous: {value: 'shop'}})
  const entries = await Promise.all(names.map((name) => ok('cache', 'get', 'key', 'owner', '--context', name)))
  expect(entries.map(({value}) => value)).toEqual(['store', 'store'])
})

test('hosts and actors of the other cluster are used, and a route is live in both', async () => {
  const {ok} = world.cli
  if (!started) {
    await ok('start', echoModule('1.0.0'), '--context', 'west-0')
    await ok('start', echoModule('2.0.0'), '--dark', '--context', 'west-0')
    started = true
  }
  const lists = await Promise.all(names.map((name) => ok<{hosts: {id: string}[]}>('host', 'ls', '--context', name)))
  expect(lists.map(({hosts}) => hosts.map(({id}) => id))).toEqual([[host.id], [host.id]])

  if (tries++ > 0) await ok('route', 'ab', '100/0', '--context', 'east-0')
  const route = await ok<{servers: {applied: number; stored: number}}>('route', 'ab', '0/100', '--context', 'east-0')
  expect(route).toMatchObject({servers: {applied: 2, stored: 0, total: 2, names}})
  const call = ['call', 'echo', 'HttpServer.HandleRequest', httpRequest]
  const answers = await Promise.all(names.map((name) => ok(...call, '--context', name)))
  for (const {result} of answers) expect(JSON.stringify(result)).toContain('2.0.0')
})

// Last: the cluster does not come back, unless this is tried again.
test('when a whole cluster dies under a command, the other one ends it, and a change names what is missing', async () => {
  if (world.server('west-0').pid === -1) await world.server('west-0').restart()
  await leadAll(world.server('east-0').spec(), 'east-0', [])
  await using wire = await openWire(world.server('west-0').port)
  await using ways = new AsyncDisposableStack()
  // Which of several addresses is taken first is open, so the second one leads nowhere until then.
  const second = await freePort()
  wire.breakAt('.ping.hosts', 'request', async () => {
    await world.server('west-0').kill()
    ways.use(await openWire(world.server('east-0').port, second))
  })
  const servers = `nats://127.0.0.1:${second},${wire.url}`
  const ended = await world.cli.run('host', 'ls', '--json', '--context', 'west-0', '--server', servers)
  expect(ended).toMatchObject({exitCode: 0, stderr: ''})
  expect(wire.broken).toBe(true)
  expect(ended.json()).toMatchObject({hosts: [{id: host.id}]})

  const weight = 50 + ++tries
  const weights = `${weight}/${100 - weight}`
  const change = await world.cli.run('route', 'ab', weights, '--json', '--context', 'east-0', '--timeout', '2s')
  const {message} = (change.json() as Failure).error
  expect(message).toContain('west-0 (it does not answer)')
  expect(change.exitCode).toBe(8)
})
