import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteAdopt from '../../../src/commands/route/adopt.js'
import RouteApply from '../../../src/commands/route/apply.js'
import RouteBluegreen from '../../../src/commands/route/bluegreen.js'
import RoutePlan from '../../../src/commands/route/plan.js'
import RouteTrace from '../../../src/commands/route/trace.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {parseSeed} from '../../../src/lib/keys/nkey.js'
import {askMany, readLeaf, tellLeaf, type LeafNode} from '../../support/leaf-node.js'
import {expectShare, startServedLeaf, type LeafRoutes} from '../../support/leaf-routes.js'

let world: LeafRoutes
let leaf: LeafNode
let nc: NatsConnection
let ends: AsyncDisposable

beforeAll(async () => {
  const served = await startServedLeaf()
  ends = served
  ;({world, leaf, nc} = served)
})
afterAll(() => ends[Symbol.asyncDispose]())

const split = ['orders@1.0.0=70', 'orders@2.0.0=30']
const [v1, v2] = ['1.0.0 orders.v1.get', '2.0.0 orders.v2.get'] as const

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
