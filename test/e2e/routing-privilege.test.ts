import {readFile} from 'node:fs/promises'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import EntityInspect from '../../src/commands/entity/inspect.js'
import RouteAb from '../../src/commands/route/ab.js'
import RouteClear from '../../src/commands/route/clear.js'
import RouteDiff from '../../src/commands/route/diff.js'
import RouteHistory from '../../src/commands/route/history.js'
import RouteReconcile from '../../src/commands/route/reconcile.js'
import RouteShow from '../../src/commands/route/show.js'
import RouteTrace from '../../src/commands/route/trace.js'
import RouteUndo from '../../src/commands/route/undo.js'
import RouteVerify from '../../src/commands/route/verify.js'
import type {SigningKey} from '../../src/lib/keys/nkey.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {startConfigServers} from '../support/config-servers.js'
import {startOperatorServer, type OperatorServer} from '../support/nats-server.js'
import {plainService} from '../support/plain-service.js'
import {startResolvers} from '../support/resolver-servers.js'
import {configEnv, operatorEnv} from '../support/route-env.js'
import {run, type RunResult} from '../support/run.js'
import {behind, runService} from '../support/services.js'
import {writeUser} from '../support/users.js'

type Grants = Readonly<Record<string, {readonly publish: string[]; readonly subscribe: string[]}>>

/** The permissions that docs/routing.md tells people to grant. */
const guide = await readFile(new URL('../../docs/routing.md', import.meta.url), 'utf8')
const grants = JSON.parse(/```json\n(\{\n {2}"user that changes routes"[^]*?)```/.exec(guide)![1]!) as Grants

let server: OperatorServer
let worker: NatsConnection
beforeAll(async () => {
  server = await startOperatorServer()
  worker = await openConnection(server.spec())
  for (const major of [1, 2]) {
    const endpoints = {get: behind('orders.get', major), put: behind('orders.put', major)}
    await runService(worker, {name: 'orders', version: `${major}.0.0`, endpoints})
  }
})
afterAll(async () => {
  await worker.close()
  await server[Symbol.asyncDispose]()
})

type Lattice = (command: Parameters<typeof run>[0], ...argv: string[]) => Promise<RunResult>

/** Runs commands as users with two of the documented grants. */
async function as(user: string, system: string, env: Readonly<Record<string, string>> = {}): Promise<Lattice> {
  const users = {
    LATTICE_CREDS: await userOf(user, server.account),
    LATTICE_SYS_CREDS: await userOf(system, server.systemAccount),
    LATTICE_OPERATOR_SEED_FILE: undefined,
    LATTICE_INBOX_PREFIX: '_INBOX_ci',
  }
  const all = {...operatorEnv(server), ...users, ...env}
  return (command, ...argv) => run(command, [...argv, '--json'], all)
}

function userOf(grant: string, account: SigningKey, dir = server.dir): Promise<string> {
  const {publish, subscribe} = grants[grant]!
  return writeUser(dir, account, {pub: {allow: publish}, sub: {allow: subscribe}})
}

/** Of a command that has to succeed. */
function documentOf({exitCode, stdout, json}: RunResult): unknown {
  if (exitCode !== 0) throw new Error(`It ended with ${exitCode}: ${stdout}`)
  return json()
}

describe('the permissions of docs/routing.md are enough for what they are for, and not for more', () => {
  test('to look, and to change by tokens', async () => {
    const looks = await as('user that looks', 'system user that looks')
    const key = {LATTICE_OPERATOR_SEED_FILE: server.operatorKeyFile}
    const changes = await as('user that changes routes', 'system user that pushes', key)
    expect(await looks(EntityInspect, 'orders')).toMatchObject({exitCode: 0})
    const split = ['orders@1.0.0=70', 'orders@2.0.0=30']
    const first = await changes(RouteAb, ...split)
    expect(documentOf(first)).toMatchObject({state: 'live', changed: true})
    for (const [command, ...argv] of [
      [RouteShow, 'orders', '--window', '200ms'],
      [RouteTrace, 'orders', '--probes', '20'],
      [RouteVerify],
      [RouteDiff],
      [RouteHistory, 'orders'],
      [RouteAb, 'orders@1.0.0=50', 'orders@2.0.0=50', '--dry-run'],
    ] as [Parameters<typeof run>[0], ...string[]][]) {
      const looked = await looks(command, ...argv)
      documentOf(looked)
    }
    const unable = await as('user that looks', 'system user that pushes', key)
    expect((await unable(RouteAb, 'orders@1.0.0=50', 'orders@2.0.0=50')).exitCode).toBe(11)
    const unableToPush = await as('user that changes routes', 'system user that looks', {...key, LATTICE_TIMEOUT: '2s'})
    expect((await unableToPush(RouteAb, 'orders@1.0.0=50', 'orders@2.0.0=50')).exitCode).not.toBe(0)
    for (const [command, ...argv] of [[RouteUndo, 'orders'], [RouteReconcile], [RouteClear, 'orders']] as [
      Parameters<typeof run>[0],
      ...string[],
    ][]) {
      const changed = await changes(command, ...argv)
      documentOf(changed)
    }
  })

  test('to change by tokens that servers keep in memory', async () => {
    await using servers = await startResolvers(['memory'], {jetstream: true})
    const {account, systemAccount} = servers.operator.keys
    const user = (grant: string, key: SigningKey): Promise<string> => userOf(grant, key, servers.folder)
    const {servers: urls, operatorKeyFile} = servers.spec()
    const nc = await openConnection(servers.spec())
    try {
      const service = plainService()
      await service.serve(nc)
      const changed = await run(RouteAb, ['70/30', ...service.words, '--json'], {
        XDG_CONFIG_HOME: servers.folder,
        LATTICE_URL: urls[0],
        LATTICE_OPERATOR_SEED_FILE: operatorKeyFile,
        LATTICE_CREDS: await user('user that changes routes', account),
        LATTICE_SYS_CREDS: await user('system user that pushes to memory', systemAccount),
        LATTICE_INBOX_PREFIX: '_INBOX_ci',
        CI: undefined,
      })
      expect(documentOf(changed)).toMatchObject({state: 'live', durability: {kind: 'memory'}})
    } finally {
      await nc.close()
    }
  })

  test('to change by files', async () => {
    const {publish, subscribe} = grants['system user that reloads']!
    const list = (subjects: readonly string[]): string => subjects.map((subject) => JSON.stringify(subject)).join(', ')
    const permissions = `{publish: [${list(publish)}], subscribe: [${list(subscribe)}]}`
    await using all = await startConfigServers({
      system: `{user: little, password: little, permissions: ${permissions}}`,
    })
    const nc = await all.connect()
    nc.subscribe('orders.v1.get', {queue: 'q'})
    nc.subscribe('orders.v2.get', {queue: 'q'})
    await nc.flush()
    const context = {LATTICE_SYS_CONTEXT: await all.systemContext('little', {inbox_prefix: '_INBOX_ci'})}
    const env = {...configEnv(all), ...context, LATTICE_STATE: `file:${all.servers[0]!.dir}/routes.json`}
    const words = ['--source', 'orders.get', '--leg', '1.0.0=orders.v1.get', '--leg', '2.0.0=orders.v2.get', '--json']
    const changed = await run(RouteAb, ['70/30', ...words], env)
    expect(documentOf(changed)).toMatchObject({state: 'live', driver: 'config'})
  })
})
