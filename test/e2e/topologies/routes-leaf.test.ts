import {expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteBluegreen from '../../../src/commands/route/bluegreen.js'
import {startConfigServers} from '../../support/config-servers.js'
import {startHub} from '../../support/hub.js'
import {freePort} from '../../support/nats-server.js'
import {plainService} from '../../support/plain-service.js'
import {startPump} from '../../support/pump.js'
import {configEnv, operatorEnv} from '../../support/route-env.js'
import {measure} from '../../support/routes.js'
import {run} from '../../support/run.js'
import {until} from '../../support/until.js'

test("a push at the hub is live for callers at a leaf node of the hub's account, and none of their requests is lost", async () => {
  await using world = await startHub({hub: {}, leaf: {jetstream: false}})
  const [above, below] = [await world.connect('hub'), await world.connect('leaf')]
  const service = plainService()
  await service.serve(above)
  const env = operatorEnv(world.server('hub'))
  const first = await run(RouteAb, ['100/0', ...service.words, '--json'], env)
  expect(first.json()).toMatchObject({changed: true, servers: {applied: 1, names: ['hub']}})
  await until(async () => (await measure(below, service.source, 1))['1.0.0'] === 1, 10_000)

  await using pump = startPump(below, service.source, 2)
  for (const to of ['2.0.0', '1.0.0', '2.0.0']) {
    const change = await run(RouteBluegreen, ['--to', to, '--source', service.source, '--json'], env)
    expect(change.json()).toMatchObject({changed: true})
    expect(await measure(below, service.source, 30)).toEqual({[to]: 30})
  }
  await pump[Symbol.asyncDispose]()
  expect(pump.failures()).toBe(0)
})

// The hub maps what comes from the leaf, and sends nothing back to where it came from.
test('workers behind a leaf node answer callers at the hub and not those at their own leaf, and that is said before', async () => {
  await using world = await startHub({hub: {}, leaf: {jetstream: false}})
  const [above, below] = [await world.connect('hub'), await world.connect('leaf')]
  const service = plainService()
  await service.serve(above, '1.0.0')
  await service.serve(below, '2.0.0')
  await until(async () => (await measure(above, service.addresses[1]!, 1))['2.0.0'] === 1, 10_000)
  const env = operatorEnv(world.server('hub'))
  const change = await run(RouteAb, ['0/100', ...service.words, '--json'], env)
  expect(change.json()).toMatchObject({warnings: [expect.stringContaining("behind the leaf node 'leaf'")]})
  expect(await measure(above, service.source, 20)).toEqual({'2.0.0': 20})
  await expect(below.request(service.source, '', {timeout: 500})).rejects.toThrow('timeout')
})

test('a leaf node with an account of its own has routes of its own, over workers at the hub', async () => {
  const port = await freePort()
  const listen = `leafnodes {listen: "127.0.0.1:${port}", authorization {user: leaf, password: leaf, account: SHOP}}`
  await using hub = await startConfigServers({top: () => listen})
  const remote = `leafnodes {remotes: [{url: "nats-leaf://leaf:leaf@127.0.0.1:${port}", account: SHOP}]}`
  await using leaf = await startConfigServers({top: () => remote})
  const [above, below] = [await hub.connect(), await leaf.connect()]
  const service = plainService()
  await service.serve(above)
  await until(async () => (await measure(below, service.addresses[1]!, 1))['2.0.0'] === 1, 10_000)

  const env = {...configEnv(leaf), LATTICE_STATE: `file:${leaf.servers[0]!.dir}/routes.json`}
  const first = await run(RouteAb, ['100/0', ...service.words, '--json'], env)
  expect(first.json()).toMatchObject({changed: true, driver: 'config', servers: {applied: 1}})
  await using pump = startPump(below, service.source, 2)
  await run(RouteBluegreen, ['--to', '2.0.0', '--source', service.source, '--json'], env)
  expect(await measure(below, service.source, 30)).toEqual({'2.0.0': 30})
  await pump[Symbol.asyncDispose]()
  expect(pump.failures()).toBe(0)
  // The hub has no such route, and nobody listens on the source there.
  expect(await measure(above, service.source, 3)).toEqual({lost: 3})
})
