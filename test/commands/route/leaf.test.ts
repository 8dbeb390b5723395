import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteAdopt from '../../../src/commands/route/adopt.js'
import RouteApply from '../../../src/commands/route/apply.js'
import RouteBluegreen from '../../../src/commands/route/bluegreen.js'
import RouteCanary from '../../../src/commands/route/canary.js'
import RouteClear from '../../../src/commands/route/clear.js'
import RouteDiff from '../../../src/commands/route/diff.js'
import RouteDrop from '../../../src/commands/route/drop.js'
import RouteFail from '../../../src/commands/route/fail.js'
import RouteHistory from '../../../src/commands/route/history.js'
import RouteLint from '../../../src/commands/route/lint.js'
import RouteLs from '../../../src/commands/route/ls.js'
import RoutePlan from '../../../src/commands/route/plan.js'
import RouteReconcile from '../../../src/commands/route/reconcile.js'
import RouteRender from '../../../src/commands/route/render.js'
import RouteShow from '../../../src/commands/route/show.js'
import RouteTrace from '../../../src/commands/route/trace.js'
import RouteUndo from '../../../src/commands/route/undo.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import RouteWatch from '../../../src/commands/route/watch.js'
import {parseSeed} from '../../../src/lib/keys/nkey.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {askMany, callerSpec, readLeaf, tellLeaf, type LeafNode} from '../../support/leaf-node.js'
import {expectShare, startLeafRoutes, type LeafRoutes} from '../../support/leaf-routes.js'
import {startPump} from '../../support/pump.js'
import {behind, runService, serveSubjects} from '../../support/services.js'

let world: LeafRoutes
let leaf: LeafNode
let nc: NatsConnection
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  world = stack.use(await startLeafRoutes())
  leaf = await world.leaf({name: 'edge', sources: ['orders.*', 'stock.get', 'wild.*']})
  nc = await openConnection(world.hub.spec())
  stack.defer(() => nc.close())
  for (const major of [1, 2]) {
    await runService(nc, {name: 'orders', version: `${major}.0.0`, endpoints: {get: behind('orders.get', major)}})
  }
  serveSubjects(nc, ['stock.get', 'stock.v2.get', 'wild.v1.a', 'wild.v2.a'])
  await nc.flush()
})
afterAll(() => stack.disposeAsync())

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

test('what was planned is applied, also from a file', async () => {
  const plan = join(world.hub.dir, 'plan.json')
  await world.ok(RoutePlan, ['orders@1.0.0=55', 'orders@2.0.0=45', '-o', plan])
  expect(JSON.stringify(await world.ok(RouteApply, [plan]))).toContain('"driver":"leaf"')
  expectShare(await askMany(leaf.url, 'orders.get', 600), {[v1]: 55, [v2]: 45})
  const file = join(world.hub.dir, 'routes.yaml')
  await writeFile(file, 'routes: [{entity: orders, legs: {"1.0.0": 20, "2.0.0": 80}}]')
  await world.ok(RouteApply, ['-f', file])
  expectShare(await askMany(leaf.url, 'orders.get', 600), {[v1]: 20, [v2]: 80})
})

test('a mapping that somebody wrote into the file is told of, replaced or adopted', async () => {
  await world.ok(RouteAb, split)
  const key = parseSeed(await readFile(join(leaf.folder, 'control.nk'), 'utf8'), 'U')
  const destinations = [
    {subject: 'orders.v1.get', weight: 5},
    {subject: 'orders.v2.get', weight: 95},
  ]
  await tellLeaf(nc, {key, to: leaf.id, change: [{source: 'orders.get', destinations}]})
  expect(await world.fails(9, RouteAb, ['orders@1.0.0=10', 'orders@2.0.0=90'])).toMatchObject({kind: 'unsafe'})
  await world.ok(RouteAdopt, ['orders', '--yes'])
  expect(await world.ok(RouteAb, ['orders@1.0.0=10', 'orders@2.0.0=90'])).toMatchObject({state: 'live'})
})

test('what a leaf node was not started for is refused before anything is recorded, in dry runs too', async () => {
  const argv = ['50/50', '--source', 'other.get', '--leg', '1.0.0=wild.v1.a', '--leg', '2.0.0=wild.v2.a']
  for (const dry of [['--dry-run'], []]) {
    const {details, suggestions} = await world.fails(9, RouteAb, [...argv, ...dry])
    expect(details).toMatchObject({rule: 'not-carried', source: 'other.get'})
    expect(suggestions[0]).toBe('lattice leaf stop --name edge   (where it runs)')
  }
  expect(JSON.stringify(await world.ok(RouteVerify, []))).not.toContain('other.get')
  expect(await readLeaf(nc, leaf.id)).toMatchObject({connected: true})
})

test('a trace at the hub would tell of other callers, so it says where to trace', async () => {
  const {suggestions} = await world.fails(2, RouteTrace, ['orders', '--probes', '20'])
  expect(suggestions).toEqual([`lattice route trace orders.get -s ${leaf.url}`])
  const [, , , subject, , url] = suggestions[0]!.split(' ')
  await world.ok(RouteBluegreen, ['orders', '--to', '2.0.0'])
  const traced = await world.ok(RouteTrace, [subject!, '--probes', '20', '-s', url!])
  expect(JSON.stringify(traced)).toContain('orders.v2.get')
})

test('lines that it suggests repeat where it acts', async () => {
  const {undo} = await world.ok<{undo: string}>(RouteAb, [...split, '--driver', 'leaf', '--leaf', 'edge'], {
    LATTICE_DRIVER: undefined,
  })
  expect(undo).toBe('lattice route undo orders --driver leaf --leaf edge')
})
