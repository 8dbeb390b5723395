import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteCanary from '../../../src/commands/route/canary.js'
import RouteClear from '../../../src/commands/route/clear.js'
import RouteDiff from '../../../src/commands/route/diff.js'
import RouteDrop from '../../../src/commands/route/drop.js'
import RouteFail from '../../../src/commands/route/fail.js'
import RouteHistory from '../../../src/commands/route/history.js'
import RouteLint from '../../../src/commands/route/lint.js'
import RouteLs from '../../../src/commands/route/ls.js'
import RouteReconcile from '../../../src/commands/route/reconcile.js'
import RouteRender from '../../../src/commands/route/render.js'
import RouteShow from '../../../src/commands/route/show.js'
import RouteUndo from '../../../src/commands/route/undo.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import RouteWatch from '../../../src/commands/route/watch.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {askMany, callerSpec, type LeafNode} from '../../support/leaf-node.js'
import {expectShare, startServedLeaf, type LeafRoutes} from '../../support/leaf-routes.js'
import {startPump} from '../../support/pump.js'

let world: LeafRoutes
let leaf: LeafNode
let ends: AsyncDisposable

beforeAll(async () => {
  const served = await startServedLeaf()
  ends = served
  ;({world, leaf} = served)
})
afterAll(() => ends[Symbol.asyncDispose]())

const split = ['orders@1.0.0=70', 'orders@2.0.0=30']
const [v1, v2] = ['1.0.0 orders.v1.get', '2.0.0 orders.v2.get'] as const
const stock = ['--source', 'stock.get', '--leg', '1.0.0=@source', '--leg', '2.0.0=stock.v2.get']
const wild = ['--source', 'wild.*', '--leg', '1.0.0=wild.v1.$1', '--leg', '2.0.0=wild.v2.$1']

test('a service is split for callers at the leaf node, and every verb knows it', async () => {
  expect(await world.ok(RouteAb, split)).toMatchObject({
    driver: 'leaf',
    state: 'live',
    servers: {applied: 1, total: 1, names: [`lattice-leaf-edge-${leaf.id}`]},
    undo: 'lattice route undo orders',
  })
  expectShare(await askMany(leaf.url, 'orders.get', 600), {[v1]: 70, [v2]: 30})
  expect(await world.ok(RouteShow, ['orders'])).toMatchObject({
    state: 'current',
    recorded: {driver: 'leaf'},
    effective: {agrees: true, servers: [{name: `lattice-leaf-edge-${leaf.id}`, state: 'applied'}]},
  })
  expect((await world.ok<{routes: unknown[]}>(RouteLs, [])).routes).toHaveLength(1)
  expect(await world.ok(RouteVerify, [])).toMatchObject({live: true, by: 'leaf'})
  await world.ok(RouteDiff, [])
  await world.ok(RouteLint, [])
  expect(await world.ok(RouteRender, ['orders'])).toMatchObject({
    text: expect.stringContaining('orders.v2.get') as string,
  })
  expect(await world.ok(RouteReconcile, [])).toMatchObject({routes: []})
  await world.ok(RouteCanary, ['orders', '--to', '2.0.0', '--weight', '100'])
  expect(await askMany(leaf.url, 'orders.get', 20)).toEqual({[v2]: 20})
  await world.ok(RouteUndo, ['orders'])
  expectShare(await askMany(leaf.url, 'orders.get', 600), {[v1]: 70, [v2]: 30})
  expect(JSON.stringify(await world.ok(RouteHistory, ['orders']))).toContain('"strategy":"undo"')
})

test('a route is watched until its callers at the leaf node are split as asked', async () => {
  await world.ok(RouteAb, split)
  const caller = await openConnection(callerSpec(leaf.url))
  const pump = startPump(caller, 'orders.get', 1)
  const argv = ['orders', '--until-stable', '--window', '500ms', '--timeout', '10s', '--json']
  const {exitCode, stdout} = await world.route(RouteWatch, argv)
  expect(exitCode, stdout).toBe(0)
  expect(JSON.parse(stdout.trim().split('\n').at(-1))).toMatchObject({stable: true})
  await pump[Symbol.asyncDispose]()
  await caller.close()
  expect(pump.failures()).toBe(0)
})

test('a step whose gate fails is put back', async () => {
  await world.ok(RouteAb, split)
  const {stdout, exitCode} = await world.route(RouteCanary, [
    ...['orders', '--to', '2.0.0', '--step', '50,100', '--every', '100ms', '--gate', 'exit 3', '--json'],
  ])
  expect(exitCode).toBe(7)
  expect(stdout).toContain('"event":"restored"')
  expectShare(await askMany(leaf.url, 'orders.get', 600), {[v1]: 70, [v2]: 30})
})

test('a share fails at once for a while', async () => {
  await world.ok(RouteAb, split)
  for (const [command, ...argv] of [
    [RouteDrop, '50', 'orders'],
    [RouteFail, 'orders', '--version', '2.0.0'],
  ] as [Parameters<LeafRoutes['route']>[0], ...string[]][]) {
    const {exitCode, stdout} = await world.route(command, [...argv, '--for', '300ms'])
    expect(exitCode, stdout).toBe(0)
    expect(stdout).toContain('(dropped)')
    expectShare(await askMany(leaf.url, 'orders.get', 300), {[v1]: 70, [v2]: 30})
  }
})

test('the incumbent may stay on the source, and a wildcard is one route', async () => {
  await world.ok(RouteAb, ['60/40', ...stock])
  expectShare(await askMany(leaf.url, 'stock.get', 600), {'stock.get': 60, 'stock.v2.get': 40})
  expect(await world.ok(RouteClear, ['stock.get'])).toMatchObject({changed: true, legs: []})
  expect(await askMany(leaf.url, 'stock.get', 50)).toEqual({'stock.get': 50})
  await world.ok(RouteAb, ['50/50', ...wild])
  expectShare(await askMany(leaf.url, 'wild.a', 600), {'wild.v1.a': 50, 'wild.v2.a': 50})
  await world.ok(RouteVerify, ['wild.*'])
})
