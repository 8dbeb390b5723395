import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../src/commands/route/ab.js'
import RouteHistory from '../../src/commands/route/history.js'
import RouteLs from '../../src/commands/route/ls.js'
import RouteShow from '../../src/commands/route/show.js'
import RouteUndo from '../../src/commands/route/undo.js'
import RouteVerify from '../../src/commands/route/verify.js'
import {createKey} from '../../src/lib/keys/nkey.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {userKey} from '../../src/lib/nats/creds.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {askMany, type LeafNode} from '../support/leaf-node.js'
import {expectShare, startLeafRoutes, type LeafRoutes} from '../support/leaf-routes.js'
import {behind, runService} from '../support/services.js'
import {writeUser} from '../support/users.js'

/** Of a user that changes routes by leaf nodes, where no lattice of hosts is. */
const changes = [
  '$SYS.REQ.USER.INFO',
  '$SYS.REQ.ACCOUNT.PING.CONNZ',
  'LATTICE.leaf.default.>',
  'wasmbus.ctl.default.ping.hosts',
  'wasmbus.ctl.v1.default.host.ping',
  'wasmbus.ctl.default.get.>',
  '$SRV.INFO',
  '$JS.API.INFO',
  '$JS.API.STREAM.INFO.KV_LATTICEDATA_default',
  '$JS.API.STREAM.*.KV_LATTICEROUTES_default',
  '$JS.API.STREAM.MSG.GET.KV_LATTICEROUTES_default',
  '$JS.API.CONSUMER.*.KV_LATTICEROUTES_default.>',
  '$JS.API.STREAM.*.KV_LATTICEACCOUNT',
  '$JS.API.STREAM.MSG.GET.KV_LATTICEACCOUNT',
  '$JS.FC.>',
  '$KV.LATTICEROUTES_default.>',
  '$KV.LATTICEACCOUNT.>',
]

/** Of a user that runs a leaf node beside its callers, who call `orders.…`. */
const runs = {
  publish: [
    '$SYS.REQ.USER.INFO',
    '$SYS.REQ.ACCOUNT.PING.CONNZ',
    'LATTICE.leaf.default.read',
    '_INBOX_ci.>',
    'orders.>',
  ],
  subscribe: ['LATTICE.leaf.default.>', '_INBOX.>'],
}

let world: LeafRoutes
let leaf: LeafNode
let ci: ConnectSpec
let nc: NatsConnection
let env: Readonly<Record<string, string | undefined>>
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  world = stack.use(await startLeafRoutes())
  nc = await openConnection(world.hub.spec())
  stack.defer(() => nc.close())
  for (const major of [1, 2]) {
    await runService(nc, {name: 'orders', version: `${major}.0.0`, endpoints: {get: behind('orders.get', major)}})
  }
  ci = await userThatMay(changes, ['_INBOX_ci.>'])
  const key = await userKey(ci)
  const spec = await userThatMay(runs.publish, runs.subscribe)
  leaf = await world.leaf({name: 'edge', sources: ['orders.*'], acceptKeys: [key!.publicKey]}, spec)
  env = {LATTICE_CREDS: fileOf(ci), LATTICE_INBOX_PREFIX: '_INBOX_ci'}
})
afterAll(() => stack.disposeAsync())

async function userThatMay(publish: readonly string[], subscribe: readonly string[]): Promise<ConnectSpec> {
  const file = await writeUser(world.hub.dir, world.hub.account, {
    pub: {allow: [...publish]},
    sub: {allow: [...subscribe]},
  })
  return {...world.hub.spec(), credentials: {kind: 'creds', file}}
}

function fileOf({credentials}: ConnectSpec): string {
  return credentials?.kind === 'creds' ? credentials.file : ''
}

const split = ['orders@1.0.0=70', 'orders@2.0.0=30']

test('two users with few permissions run a leaf node and change its routes', async () => {
  expect(await world.ok(RouteAb, split, env)).toMatchObject({state: 'live', driver: 'leaf'})
  expectShare(await askMany(leaf.url, 'orders.get', 500), {
    '1.0.0 orders.v1.get': 70,
    '2.0.0 orders.v2.get': 30,
  })
  for (const [command, ...argv] of [
    [RouteShow, 'orders'],
    [RouteLs],
    [RouteVerify],
    [RouteHistory, 'orders'],
    [RouteUndo, 'orders'],
  ] as [Parameters<LeafRoutes['route']>[0], ...string[]][]) {
    await world.ok(command, argv, env)
  }
})

test('who may not ask leaf nodes, or not tell them, is told so', async () => {
  for (const missing of ['LATTICE.leaf.default.>', '$SYS.REQ.ACCOUNT.PING.CONNZ']) {
    const less = await userThatMay(
      changes.filter((subject) => subject !== missing),
      ['_INBOX_ci.>'],
    )
    const {message} = await world.fails(11, RouteAb, split, {...env, LATTICE_CREDS: fileOf(less)})
    expect(message).toContain(missing.replace('>', 'read'))
  }
})

test('a change counts by the key that signs it, whoever sends it', async () => {
  const stranger = await userThatMay(changes, ['_INBOX_ci.>'])
  const weights = ['orders@1.0.0=20', 'orders@2.0.0=80']
  const refused = {...env, LATTICE_CREDS: fileOf(stranger)}
  const {message, suggestions} = await world.fails(11, RouteAb, weights, refused)
  expect(message).toContain(`takes no changes from '${(await userKey(stranger))!.publicKey}'`)
  expect(suggestions.join('\n')).toContain('--leaf-key')
  const seeds = join(world.hub.dir, 'keys')
  await writeFile(`${seeds}-right`, (await userKey(ci))!.seed)
  await writeFile(`${seeds}-wrong`, createKey('U').seed)
  await world.fails(11, RouteAb, [...weights, '--leaf-key', `${seeds}-wrong`], env)
  expect(await world.ok(RouteAb, [...weights, '--leaf-key', `${seeds}-right`], refused)).toMatchObject({
    undo: `lattice route undo orders --leaf-key ${seeds}-right`,
  })
})
