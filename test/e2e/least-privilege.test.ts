import {readFile} from 'node:fs/promises'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheGet from '../../src/commands/cache/get.js'
import CacheLs from '../../src/commands/cache/ls.js'
import CachePut from '../../src/commands/cache/put.js'
import Call from '../../src/commands/call.js'
import EntityLs from '../../src/commands/entity/ls.js'
import HostLs from '../../src/commands/host/ls.js'
import RouteAb from '../../src/commands/route/ab.js'
import RouteClear from '../../src/commands/route/clear.js'
import RouteShow from '../../src/commands/route/show.js'
import Scale from '../../src/commands/scale.js'
import Start from '../../src/commands/start.js'
import Stop from '../../src/commands/stop.js'
import {echoRef, startHost, type TestHost} from '../support/host.js'
import {startOperatorServer, type OperatorServer} from '../support/nats-server.js'
import {run, type RunResult} from '../support/run.js'
import {tempFolder, type TempFolder} from '../support/temp.js'
import {writeUser} from '../support/users.js'

type Grants = Readonly<Record<string, {readonly publish: string[]; readonly subscribe: string[]}>>

/** The permissions that docs/ci.md tells people to grant. */
async function documented(): Promise<Grants> {
  const text = await readFile(new URL('../../docs/ci.md', import.meta.url), 'utf8')
  return JSON.parse(/```json\n([^]*?)```/.exec(text)![1]!) as Grants
}

let server: OperatorServer
let folder: TempFolder
let host: TestHost
let grants: Grants
beforeAll(async () => {
  server = await startOperatorServer()
  folder = await tempFolder()
  host = await startHost({server, lattice: 'default'})
  grants = await documented()
})
afterAll(async () => {
  await host[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

type Command = Parameters<typeof run>[0]

/** Runs commands as a user that has one of the documented grants. */
async function as(
  grant: string,
  env: Record<string, string> = {},
): Promise<(command: Command, ...argv: string[]) => Promise<RunResult>> {
  const creds = await userOf(grant, server.account)
  const base = {
    XDG_CONFIG_HOME: folder.path,
    NATS_URL: server.url,
    NATS_CREDS: creds,
    LATTICE_INBOX_PREFIX: '_INBOX_ci',
    CI: undefined,
    ...env,
  }
  return (command, ...argv) => run(command, [...argv, '--json'], base)
}

function userOf(grant: string, account: OperatorServer['account']): Promise<string> {
  const {publish, subscribe} = grants[grant]!
  return writeUser(folder.path, account, {pub: {allow: publish}, sub: {allow: subscribe}})
}

describe('the permissions of docs/ci.md are enough for what they are for, and not for more', () => {
  test('cache', async () => {
    // Whoever runs hosts has the buckets already.
    expect(await (await as('start, stop, scale'))(Start, echoRef('1.0.0'))).toMatchObject({exitCode: 0})
    const cache = await as('cache')
    expect(await cache(CachePut, 'key', 'note', '{"a":1}', '--create')).toMatchObject({exitCode: 0})
    expect(await cache(CacheGet, 'key', 'note')).toMatchObject({exitCode: 0})
    expect(await cache(CacheLs, '--kind', 'claims')).toMatchObject({exitCode: 0})
    const refused = await cache(HostLs)
    expect(refused.exitCode).toBe(11)
    expect(refused.stdout).toContain("No permission to publish to 'wasmbus.ctl.default.ping.hosts'")
  })

  test('start, stop and scale', async () => {
    const control = await as('start, stop, scale')
    expect(await control(Start, echoRef('1.0.0'))).toMatchObject({exitCode: 0})
    expect(await control(Start, echoRef('2.0.0'), '--dark')).toMatchObject({exitCode: 0})
    expect(await control(Scale, 'echo', '--version', '1.0.0', '--count', '3')).toMatchObject({exitCode: 0})
    expect(await control(EntityLs)).toMatchObject({exitCode: 0})
    expect(await control(Stop, 'echo@2.0.0')).toMatchObject({exitCode: 0})
    expect(await control(CacheGet, 'claims', 'echo@1.0.0')).toMatchObject({exitCode: 11})
  })

  test('call', async () => {
    const call = await as('call', {LATTICE_CLUSTER_SEED_FILE: server.clusterSeedFile})
    expect(await call(Call, 'echo', 'Echo.Version')).toMatchObject({exitCode: 0})
    expect(await call(Stop, 'echo@1.0.0')).toMatchObject({exitCode: 11})
  })

  test('plan and route', async () => {
    const control = await as('start, stop, scale')
    expect(await control(Start, echoRef('2.0.0'), '--dark')).toMatchObject({exitCode: 0})
    const split = ['echo@1.0.0=70', 'echo@2.0.0=30']
    const looks = {LATTICE_SYS_CREDS: await userOf('system user that looks', server.systemAccount)}
    const plan = await as('route', looks)
    expect((await plan(RouteAb, ...split, '--dry-run')).json()).toMatchObject({state: 'planned'})

    const key = {LATTICE_OPERATOR_SEED_FILE: server.operatorKeyFile}
    const unable = await (await as('route', {...looks, ...key}))(RouteAb, ...split)
    expect(unable.exitCode).not.toBe(0)
    const pushes = {LATTICE_SYS_CREDS: await userOf('system user that pushes', server.systemAccount)}
    const apply = await as('route', {...pushes, ...key})
    expect((await apply(RouteAb, ...split)).json()).toMatchObject({state: 'live', changed: true})
    expect((await plan(RouteShow, 'echo')).json()).toMatchObject({state: 'current'})
    expect(await control(Stop, 'echo@2.0.0')).toMatchObject({exitCode: 9})
    expect(await apply(RouteAb, 'echo@1.0.0=100')).toMatchObject({exitCode: 0})
    expect(await control(Stop, 'echo@2.0.0')).toMatchObject({exitCode: 0})
    expect(await apply(RouteClear, 'echo')).toMatchObject({exitCode: 0})
  })
})
