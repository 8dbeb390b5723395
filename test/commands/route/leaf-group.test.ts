import {readFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, beforeEach, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteLs from '../../../src/commands/route/ls.js'
import RouteShow from '../../../src/commands/route/show.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {parseSeed} from '../../../src/lib/keys/nkey.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {askMany, readLeaf, tellLeaf, type LeafNode} from '../../support/leaf-node.js'
import {expectShare, startLeafRoutes, type LeafRoutes} from '../../support/leaf-routes.js'
import {behind, runService} from '../../support/services.js'
import {writeUser} from '../../support/users.js'

let world: LeafRoutes
let nc: NatsConnection
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  world = stack.use(await startLeafRoutes())
  nc = await openConnection(world.hub.spec())
  stack.defer(() => nc.close())
  for (const major of [1, 2]) {
    await runService(nc, {name: 'orders', version: `${major}.0.0`, endpoints: {get: behind('orders.get', major)}})
  }
})
afterAll(() => stack.disposeAsync())

/** Leaf nodes of one test have a name that no other has. */
let count = 0
let name = ''
let env: Readonly<Record<string, string>> = {}
beforeEach(() => {
  name = `edge${++count}`
  env = {LATTICE_LEAF: name, LATTICE_STATE: `file:${join(world.hub.dir, `${name}.json`)}`}
})

const sources = ['orders.get']
const [v1, v2] = ['1.0.0 orders.v1.get', '2.0.0 orders.v2.get'] as const

function split(percent: number): string[] {
  return [`orders@1.0.0=${percent}`, `orders@2.0.0=${100 - percent}`]
}

/** The server of a leaf node, which does nothing until it is told to go on. */
async function stand(leaf: LeafNode): Promise<Disposable> {
  const pid = Number(await readFile(join(leaf.folder, 'server.pid'), 'utf8'))
  process.kill(pid, 'SIGSTOP')
  return {[Symbol.dispose]: () => process.kill(pid, 'SIGCONT')}
}

test('all leaf nodes of a name are changed, and the callers of each are split', async () => {
  await using one = await world.leaf({name, sources})
  await using other = await world.leaf({name, sources})
  expect(await world.ok(RouteAb, split(70), env)).toMatchObject({servers: {applied: 2, total: 2}})
  for (const leaf of [one, other]) expectShare(await askMany(leaf.url, 'orders.get', 500), {[v1]: 70, [v2]: 30})
})

test('where one of them refuses, the first has what it had', async () => {
  await using one = await world.leaf({name, sources})
  await world.ok(RouteAb, split(70), env)
  const stranger = {
    ...world.hub.spec(),
    credentials: {kind: 'creds', file: await writeUser(world.hub.dir, world.hub.account)} as const,
  }
  await using other = await world.leaf({name, sources, acceptKeys: one.accepts.slice(1)}, stranger)
  const {message, details} = await world.fails(11, RouteAb, [...split(10), '--repair'], env)
  expect(message).toContain('takes no changes from')
  expect(details).toMatchObject({kind: 'connection'})
  expect((await readLeaf(nc, one.id)).mappings['orders.get']).toMatchObject([{weight: 70}, {weight: 30}])
  expect((await readLeaf(nc, other.id)).mappings).toEqual({})
  expect(await world.ok(RouteShow, ['orders'], env)).toMatchObject({recorded: {legs: [{weight: 70}, {weight: 30}]}})
})

test('one that went away is missed once', async () => {
  await using one = await world.leaf({name, sources})
  const other = await world.leaf({name, sources})
  await world.ok(RouteAb, split(70), env)
  await other.stop()
  const {message} = await world.fails(8, RouteAb, split(60), env)
  expect(message).toContain(`lattice-leaf-${name}-${other.id} (it does not answer)`)
  expect(await world.ok(RouteAb, split(50), env)).toMatchObject({servers: {applied: 1, total: 1}})
  expectShare(await askMany(one.url, 'orders.get', 300), {[v1]: 50, [v2]: 50})
})

test('one that stands still for a second is waited for', async () => {
  await using one = await world.leaf({name, sources})
  await using other = await world.leaf({name, sources})
  await world.ok(RouteAb, split(70), env)
  const still = await stand(other)
  const goOn = setTimeout(() => still[Symbol.dispose](), 1000)
  try {
    expect(await world.ok(RouteAb, split(40), env)).toMatchObject({servers: {applied: 2, total: 2}})
  } finally {
    clearTimeout(goOn)
    still[Symbol.dispose]()
  }
  for (const leaf of [one, other]) expectShare(await askMany(leaf.url, 'orders.get', 300), {[v1]: 40, [v2]: 60})
})

test('what is recorded is shown when no leaf node is left to ask, and verified it is not', async () => {
  const leaf = await world.leaf({name, sources})
  await world.ok(RouteAb, split(60), env)
  await leaf[Symbol.asyncDispose]()
  const unseen = {visible: false, reason: `No leaf node '${name}' of lattice 'default' answers.`}
  const shown = {state: 'unknown', recorded: {legs: [{weight: 60}, {weight: 40}]}, effective: unseen}
  expect(await world.ok(RouteShow, ['orders'], env)).toMatchObject(shown)
  expect(await world.ok(RouteLs, [], env)).toMatchObject({routes: [shown]})
  await world.fails(11, RouteVerify, [], env)
})

test('leaf nodes that differ are not changed until they are mended', async () => {
  await using one = await world.leaf({name, sources})
  await using other = await world.leaf({name, sources})
  await world.ok(RouteAb, split(70), env)
  const key = parseSeed(await readFile(join(other.folder, 'control.nk'), 'utf8'), 'U')
  await tellLeaf(nc, {key, to: other.id, change: [{source: 'orders.get', destinations: null}]})
  const {message, suggestions} = await world.fails(5, RouteAb, split(60), env)
  expect(message).toContain(`lattice-leaf-${name}-${one.id}`)
  expect(suggestions.join('\n')).toContain('--repair')
  expect(await world.route(RouteVerify, [], env)).toMatchObject({exitCode: 8})
  await world.ok(RouteAb, [...split(60), '--repair'], env)
  for (const leaf of [one, other]) expectShare(await askMany(leaf.url, 'orders.get', 300), {[v1]: 60, [v2]: 40})
})

test('which leaf nodes are meant is asked where there are several names, and said where there are none', async () => {
  const {suggestions} = await world.fails(11, RouteAb, split(50), env)
  expect(suggestions.at(-1)).toBe('lattice leaf ls')
  await using _one = await world.leaf({name, sources})
  await using _other = await world.leaf({name: `${name}-other`, sources})
  for (const [command, argv] of [
    [RouteAb, split(50)],
    [RouteLs, []],
  ] as [Parameters<LeafRoutes['route']>[0], string[]][]) {
    const {details} = await world.fails(3, command, argv, {LATTICE_STATE: env['LATTICE_STATE']!, LATTICE_LEAF: ''})
    expect(details['candidates']).toEqual([name, `${name}-other`])
  }
})
