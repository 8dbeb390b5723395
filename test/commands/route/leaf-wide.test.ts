import {readFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteTrace from '../../../src/commands/route/trace.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {parseSeed} from '../../../src/lib/keys/nkey.js'
import {changeLeaf} from '../../../src/lib/leaf/client.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {startLeafCluster} from '../../support/leaf-hub.js'
import {readLeaf, runLeafNode, type LeafNode} from '../../support/leaf-node.js'
import {expectShare, startLeafRoutes, type LeafRoutes} from '../../support/leaf-routes.js'
import {measure} from '../../support/routes.js'
import {run} from '../../support/run.js'
import {behind, runService, serveSubjects} from '../../support/services.js'
import {tempFolder} from '../../support/temp.js'

let world: LeafRoutes
let leaf: LeafNode
let nc: NatsConnection
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  world = stack.use(await startLeafRoutes())
  leaf = await world.leaf({name: 'wide', accountWide: true})
  nc = await openConnection(world.hub.spec())
  stack.defer(() => nc.close())
  for (const major of [1, 2]) {
    await runService(nc, {name: 'orders', version: `${major}.0.0`, endpoints: {get: behind('orders.get', major)}})
  }
  serveSubjects(nc, ['stock.get', 'stock.v1.get', 'stock.v2.get'])
  await nc.flush()
})
afterAll(() => stack.disposeAsync())

const [v1, v2] = ['1.0.0 orders.v1.get', '2.0.0 orders.v2.get'] as const
const stock = ['--source', 'stock.get', '--leg', '2.0.0=stock.v2.get']

test('callers of the whole account are split', async () => {
  expect(await world.ok(RouteAb, ['orders@1.0.0=70', 'orders@2.0.0=30'])).toMatchObject({
    servers: {applied: 1, names: [`lattice-leaf-wide-${leaf.id}`]},
  })
  expectShare(await measure(nc, 'orders.get', 1000), {[v1]: 70, [v2]: 30})
  expect(await world.ok(RouteVerify, [])).toMatchObject({live: true})
  expect(JSON.stringify(await world.ok(RouteTrace, ['orders', '--probes', '50']))).toContain('orders.v2.get')
  const late = nc.subscribe('orders.get', {queue: 'late', callback: () => undefined})
  await leaf.sees({kind: 'problem', problem: 'doubling'})
  const doubled = await world.ok<{warnings?: string[]}>(RouteVerify, [])
  expect(doubled).toMatchObject({live: true, warnings: [expect.stringContaining('each call is handled twice')]})
  late.unsubscribe()
  await leaf.sees({kind: 'solved', problem: 'doubling'})
  await world.ok(RouteAb, ['orders@1.0.0=10', 'orders@2.0.0=90'])
  expectShare(await measure(nc, 'orders.get', 1000), {[v1]: 10, [v2]: 90})
})

test('whoever listens on the source would answer too, so that is refused, and a version there cannot be', async () => {
  const argv = ['50/50', ...stock, '--leg', '1.0.0=stock.v1.get']
  const {details, message} = await world.fails(9, RouteAb, argv)
  expect(details['findings']).toMatchObject([{rule: 'source-doubled'}])
  // Counted once, although the leaf node asks for them at the hub.
  expect(message).not.toContain('subscribers do')
  await world.fails(9, RouteAb, ['50/50', ...stock, '--leg', '1.0.0=@source'])
  expect(await measure(nc, 'stock.get', 20)).toEqual({'stock.get': 20})
})

test('workers in no queue group would get nothing, so that is refused', async () => {
  nc.subscribe('bills.v1.get', {callback: (_error, message) => void message.respond('1')})
  nc.subscribe('bills.v2.get', {queue: 'q', callback: (_error, message) => void message.respond('2')})
  await nc.flush()
  const argv = ['50/50', '--source', 'bills.get', '--leg', '1.0.0=bills.v1.get', '--leg', '2.0.0=bills.v2.get']
  const {message} = await world.fails(9, RouteAb, argv)
  expect(message).toContain("'bills.v1.get' is in no queue group")
  await world.ok(RouteAb, [...argv, '--allow', 'no-subscriber'])
  const answers = await Promise.all(
    Array.from({length: 40}, () =>
      nc.request('bills.get', '', {timeout: 500}).then(
        (answer) => answer.string(),
        () => 'none',
      ),
    ),
  )
  expect(new Set(answers)).toEqual(new Set(['none', '2']))
})

test('no other leaf node may split for the whole account', async () => {
  for (const name of ['wide', 'other']) {
    await expect(world.leaf({name, accountWide: true})).rejects.toThrow('would each answer every call')
  }
})

test('a cluster gets nothing back from a leaf node, so that it cannot split for all its callers', async () => {
  await using hub = await startLeafCluster(2)
  await using folder = await tempFolder()
  const spec = {...hub.spec(), lattice: 'clustered'}
  const wide = {remotes: hub.remotes, name: 'wide', accountWide: true}
  await expect(runLeafNode(spec, wide)).rejects.toThrow('cannot split for the whole account')
  await using node = await runLeafNode(spec, {...wide, allow: ['clustered-hub']})
  const caller = await openConnection(spec)
  try {
    serveSubjects(caller, ['stock.v1.get', 'stock.v2.get'])
    await caller.flush()
    const env = {
      ...world.env,
      LATTICE_URL: hub.servers.map(({url}) => url).join(','),
      LATTICE_CREDS: undefined,
      LATTICE_USER: 'app',
      LATTICE_PASSWORD: 'app',
      LATTICE_LATTICE: 'clustered',
      LATTICE_LEAF_KEY_FILE: join(node.folder, 'control.nk'),
      LATTICE_STATE: `file:${join(folder.path, 'routes.json')}`,
    }
    const legs = ['--source', 'stock.get', '--leg', '1.0.0=stock.v1.get', '--leg', '2.0.0=stock.v2.get', '--json']
    const refused = await run(RouteAb, ['70/30', ...legs], env)
    expect(refused.exitCode).toBe(9)
    expect(refused.json()).toMatchObject({error: {details: {rule: 'clustered-hub', cluster: 'hub'}}})
    // This is why: what the leaf node would do is right, and reaches nobody.
    const key = parseSeed(await readFile(join(node.folder, 'control.nk'), 'utf8'), 'U')
    const destinations = [{subject: 'stock.v1.get', weight: 100}]
    const {id, nonce, digest: expects} = await readLeaf(caller, node.id, 'clustered')
    const change = {leaf: id, nonce, expects, change: [{source: 'stock.get', destinations}]}
    expect(await changeLeaf(caller, {lattice: 'clustered', change, key}, 5000)).toHaveProperty('state')
    await expect(caller.request('stock.get', '', {timeout: 300})).rejects.toThrow()
  } finally {
    await caller.close()
  }
})
