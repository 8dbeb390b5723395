import {join} from 'node:path'

import {expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteShow from '../../../src/commands/route/show.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {ControlClient} from '../../../src/lib/control/client.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {OwnMonitoring} from '../../../src/lib/routes/proof/own-monitoring.js'
import {probeChange} from '../../../src/lib/routes/proof/probe.js'
import {startConfigServers, type ConfigServers} from '../../support/config-servers.js'
import {freePort} from '../../support/nats-server.js'
import {startOldServer} from '../../support/old-server.js'
import {plainService} from '../../support/plain-service.js'
import {startResolvers} from '../../support/resolver-servers.js'
import {configEnv} from '../../support/route-env.js'
import {run, type RunResult} from '../../support/run.js'
import {until} from '../../support/until.js'

type Command = Parameters<typeof run>[0]

/** Somebody who may signal the one server, and has no system user. */
function bySignal(servers: ConfigServers, user = 'app'): (command: Command, ...argv: string[]) => Promise<RunResult> {
  const [server] = servers.servers
  const env = {
    ...configEnv(servers),
    LATTICE_SYS_CONTEXT: undefined,
    LATTICE_USER: user,
    LATTICE_PASSWORD: user,
    LATTICE_STATE: `file:${join(server!.dir, 'routes.json')}`,
  }
  return (command, ...argv) => run(command, [...argv, '--json'], env)
}

test('without a system user, what cannot be asked is tried', async () => {
  await using servers = await startConfigServers()
  const service = plainService()
  await service.serve(await servers.connect())
  const command = bySignal(servers)
  const pid = ['--pid', String(servers.servers[0]!.pid)]
  const made = await command(RouteAb, '70/30', ...service.words, ...pid)
  expect([made.exitCode, made.json()]).toMatchObject([
    0,
    {changed: true, state: 'live', servers: {applied: 1, total: 1}},
  ])
  const again = await command(RouteAb, '70/30', ...service.words, ...pid)
  expect([again.exitCode, again.json()]).toMatchObject([0, {changed: false, state: 'live', servers: {applied: 1}}])
  const verified = await command(RouteVerify)
  expect([verified.exitCode, verified.json()]).toMatchObject([
    0,
    {by: 'probe', live: true, routes: [{state: 'unknown', servers: [{server: {name: 'S0'}, outcome: 'applied'}]}]},
  ])
})

test('what can neither be asked nor tried is unverified, and never live, unless that will do', async () => {
  const blind = '{user: blind, password: blind, permissions: {publish: {deny: ["_INBOX.>"]}}}'
  await using servers = await startConfigServers({users: [blind]})
  const service = plainService()
  await service.serve(await servers.connect())
  const command = bySignal(servers, 'blind')
  const words = [...service.words, '--pid', String(servers.servers[0]!.pid)]
  const made = await command(RouteAb, '70/30', ...words)
  expect([made.exitCode, made.json()]).toMatchObject([
    8,
    {error: {kind: 'partial', message: expect.stringContaining('nothing shows what is live') as string}},
  ])
  expect((await command(RouteAb, '70/30', ...words)).exitCode).toBe(8)
  const accepted = await command(RouteAb, '70/30', ...words, '--accept-unverified')
  expect([accepted.exitCode, accepted.json()]).toMatchObject([0, {changed: false, state: 'unverified'}])
  const other = await command(RouteAb, '60/40', ...words, '--accept-unverified')
  expect([other.exitCode, other.json()]).toMatchObject([0, {changed: true, state: 'unverified', servers: {applied: 0}}])
  expect(other.json()).not.toHaveProperty('undo')
  const verified = await command(RouteVerify)
  expect([verified.exitCode, verified.json()]).toMatchObject([
    8,
    {live: false, routes: [{servers: [{outcome: 'unverified'}]}]},
  ])
  expect((await command(RouteVerify, '--accept-unverified')).exitCode).toBe(0)
})

test('servers that are too old to be tried are unverified', async () => {
  await using server = await startOldServer('2.10.29')
  const limits = {protected: false, timeoutMs: 500, connectTimeoutMs: 2000}
  const spec = {servers: [server.url], lattice: 'default', ...limits}
  const connection = await openConnection(spec)
  try {
    const control = new ControlClient(connection, {lattice: 'default', timeoutMs: 500})
    const deps = {connection, spec, control, system: () => Promise.reject(new Error('There is none.'))}
    const change = [{source: 'a', destinations: [{subject: 'b', weight: 100}]}]
    const outcomes = await probeChange({deps, system: new OwnMonitoring(connection, 500)}, change, 0)
    expect(outcomes).toMatchObject([
      {server: {name: 'old'}, outcome: 'unverified', reason: expect.stringContaining('2.11.0') as string},
    ])
  } finally {
    await connection.close()
  }
})

test('monitoring ports show what every server has, and one that has something else', async () => {
  const ports = [await freePort(), await freePort()]
  await using servers = await startConfigServers({size: 2, top: (index) => `http: "127.0.0.1:${ports[index]!}"`})
  const service = plainService()
  await service.serve(await servers.connect())
  const env = {...configEnv(servers), LATTICE_STATE: `file:${join(servers.servers[0]!.dir, 'routes.json')}`}
  expect((await run(RouteAb, ['70/30', ...service.words], env)).exitCode).toBe(0)
  const urls = ports.map((port) => `http://127.0.0.1:${port}`)
  const blind = {...env, LATTICE_SYS_CONTEXT: undefined, LATTICE_MONITOR_URL: urls.join(',')}
  const verify = (...argv: string[]): Promise<RunResult> => run(RouteVerify, [...argv, '--json'], blind)
  expect(await verify().then(({exitCode, json}) => [exitCode, json()])).toMatchObject([
    0,
    {by: 'monitor', live: true, routes: [{servers: [{outcome: 'applied'}, {outcome: 'applied'}]}]},
  ])
  const one = await run(RouteVerify, ['--monitor-url', urls[0]!, '--json'], blind)
  expect([one.exitCode, one.json()]).toMatchObject([
    8,
    {routes: [{servers: [{server: {name: 'S0'}}, {server: {name: 'S1'}, outcome: 'missing'}]}]},
  ])
})

test('a server that was down during a change and comes back stale is found, and repaired', async () => {
  await using started = await startResolvers(['full', 'full', 'full'])
  const spec = started.spec()
  const service = plainService()
  const connection = await openConnection(spec)
  try {
    await service.serve(connection)
    const env = {
      XDG_CONFIG_HOME: started.folder,
      LATTICE_CONTEXT: undefined,
      LATTICE_URL: spec.servers[0],
      LATTICE_CREDS: (spec.credentials as {file: string}).file,
      LATTICE_SYS_CREDS: spec.sysCreds,
      LATTICE_OPERATOR_SEED_FILE: spec.operatorKeyFile,
      LATTICE_STATE: `file:${join(started.folder, 'routes.json')}`,
      CI: undefined,
    }
    const command = (name: Command, ...argv: string[]): Promise<RunResult> => run(name, [...argv, '--json'], env)
    expect((await command(RouteAb, '70/30', ...service.words)).exitCode).toBe(0)
    await started.servers[2]!.kill()
    const missing = await command(RouteVerify, '--source', service.source)
    expect([missing.exitCode, missing.json()]).toMatchObject([
      8,
      {routes: [{servers: [{}, {}, {server: {name: 'full-2'}, outcome: 'missing'}]}]},
    ])
    const partial = await command(RouteAb, '60/40', ...service.words)
    expect([partial.exitCode, partial.stdout]).toEqual([8, expect.stringContaining('full-2')])
    await started.servers[2]!.restart()
    await until(async () => (await command(RouteShow, '--source', service.source)).stdout.includes('full-2'), 10_000)
    const stale = await command(RouteVerify)
    expect([stale.exitCode, stale.json()]).toMatchObject([8, {live: false, by: 'system'}])
    const repaired = await command(RouteVerify, '--repair', '--reason', 'it was down')
    expect([repaired.exitCode, repaired.json()]).toMatchObject([
      0,
      {live: true, repaired: [{changed: true, strategy: 'repair', legs: [{weight: 60}, {weight: 40}]}]},
    ])
    expect((await command(RouteVerify)).json()).toMatchObject({routes: [{servers: [{}, {}, {}]}]})
    expect((await command(RouteVerify, '--repair')).json()).not.toHaveProperty('repaired')
  } finally {
    await connection.close()
  }
})
