import type {NatsConnection} from '@nats-io/transport-node'
import {expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteClear from '../../../src/commands/route/clear.js'
import {SystemClient} from '../../../src/lib/nats/system.js'
import {startConfigServers} from '../../support/config-servers.js'
import {startHub} from '../../support/hub.js'
import {freePort} from '../../support/nats-server.js'
import {plainService} from '../../support/plain-service.js'
import {configEnv, operatorEnv} from '../../support/route-env.js'
import {measure} from '../../support/routes.js'
import {run} from '../../support/run.js'
import {startTopology} from '../../support/topology.js'
import {until} from '../../support/until.js'
import {writeUser} from '../../support/users.js'

/** Counts what is handled on a subject, and answers it. */
function handle(nc: NatsConnection, subject: string): () => number {
  let handled = 0
  nc.subscribe(subject, {
    queue: 'local',
    callback: (_error, message) => {
      handled++
      message.respond('local')
    },
  })
  return () => handled
}

test('subscribers on the source behind a leaf node are refused, and where that is allowed each of its requests is handled twice', async () => {
  await using world = await startHub({hub: {}, leaf: {jetstream: false}})
  const [above, below] = [await world.connect('hub'), await world.connect('leaf')]
  const service = plainService()
  const env = operatorEnv(world.server('hub'))
  const versions = service.addresses.map((address) => handle(above, address))
  const local = handle(below, service.source)
  await Promise.all([above.flush(), below.flush()])

  const server = world.server('hub')
  const pub = {deny: ['$SYS.REQ.SERVER.PING.LEAFZ']}
  const hidden = {...env, LATTICE_SYS_CREDS: await writeUser(server.dir, server.systemAccount, {pub})}
  const unseen = await run(RouteAb, ['50/50', ...service.words, '--dry-run', '--json'], hidden)
  expect(unseen.json()).toMatchObject({
    warnings: ["What the account's leaf nodes listen on is not visible, and 1 is connected."],
    findings: [{rule: 'leaf-subscribers', level: 'warn', fix: expect.stringContaining('PING.LEAFZ') as unknown}],
  })

  const refused = async (): Promise<unknown> => (await run(RouteAb, ['50/50', ...service.words, '--json'], env)).json()
  const {exitCode} = await run(RouteAb, ['50/50', ...service.words, '--dry-run'], env)
  expect(exitCode).toBe(9)
  expect(await refused()).toMatchObject({
    error: {
      message: `Subscribers behind the leaf node 'leaf' of server 'hub' listen on '${service.source}', so each request from there would be handled twice.`,
      suggestions: [expect.anything(), '--allow leaf-subscribers   (switches off this rule alone)'],
      details: {findings: [{rule: 'leaf-subscribers', level: 'refuse'}]},
    },
  })

  const allowed = await run(RouteAb, ['50/50', ...service.words, '--allow', 'leaf-subscribers', '--json'], env)
  expect(allowed.json()).toMatchObject({changed: true, warnings: [expect.stringContaining('handled twice')]})
  await until(async () => {
    await below.request(service.source, '', {timeout: 5000})
    return versions.some((handled) => handled() > 0)
  }, 10_000)
  const before = [local(), ...versions.map((handled) => handled())].reduce((sum, one) => sum + one, 0)
  await Promise.all(Array.from({length: 50}, () => below.request(service.source, '', {timeout: 5000})))
  await until(() => Promise.resolve(local() + versions.reduce((sum, one) => sum + one(), 0) - before >= 100), 10_000)
  expect(local() + versions.reduce((sum, one) => sum + one(), 0) - before).toBe(100)

  const cleared = await run(RouteClear, ['--source', service.source, '--json'], env)
  expect(cleared.exitCode).toBe(0)
})

test('a leaf node whose server takes the change too maps its own requests, so subscribers on the source are no reason to refuse', async () => {
  const port = await freePort()
  await using world = await startTopology({hub: {config: `leafnodes {listen: "127.0.0.1:${port}"}`}})
  const hub = world.server('hub')
  const remotes = [
    {creds: hub.credsFile, account: hub.account.publicKey},
    {creds: hub.sysCredsFile, account: hub.systemAccount.publicKey},
  ].map(({creds, account}) => `{url: "nats://127.0.0.1:${port}", credentials: "${creds}", account: ${account}}`)
  await world.add('leaf', {jetstream: false, config: `leafnodes {remotes: [${remotes.join(', ')}]}`})
  const [above, below] = [await world.connect('hub'), await world.connect('leaf')]
  const service = plainService()
  await service.serve(above)
  const local = handle(below, service.source)
  await below.flush()
  await until(async () => (await measure(below, service.addresses[0]!, 1))['1.0.0'] === 1, 10_000)
  const seen = async (): Promise<number> => {
    await using system = await SystemClient.open(hub.spec())
    return (await system.servers()).length
  }
  await until(async () => (await seen()) === 2, 10_000)

  const change = await run(RouteAb, ['50/50', ...service.words, '--json'], operatorEnv(hub))
  expect(change.json()).toMatchObject({changed: true, servers: {total: 2}})
  const counts = await measure(below, service.source, 20)
  expect((counts['1.0.0'] ?? 0) + (counts['2.0.0'] ?? 0)).toBe(20)
  expect(local()).toBe(0)
})

test('by configuration, a source that is new is told to be unknown to leaf nodes that are connected', async () => {
  const port = await freePort()
  const listen = `leafnodes {listen: "127.0.0.1:${port}", authorization {user: leaf, password: leaf, account: SHOP}}`
  await using hub = await startConfigServers({top: () => listen})
  const remote = `leafnodes {remotes: [{url: "nats-leaf://leaf:leaf@127.0.0.1:${port}", account: SHOP}]}`
  await using leaf = await startConfigServers({top: () => remote})
  const [above, below] = [await hub.connect(), await leaf.connect()]
  const service = plainService()
  await service.serve(above)
  await until(async () => (await measure(below, service.addresses[0]!, 1))['1.0.0'] === 1, 10_000)
  const tap = below.subscribe('>')
  await below.flush()

  const env = {...configEnv(hub), LATTICE_STATE: `file:${hub.servers[0]!.dir}/routes.json`}
  const words = ['50/50', ...service.words, '--json']
  const found = async (...more: string[]): Promise<unknown> =>
    ((await run(RouteAb, [...words, ...more], env)).json() as {findings?: unknown}).findings
  const announcement = `Leaf nodes that are connected now hear of '${service.source}' only when they connect again.`
  await until(async () => ((await found('--dry-run')) as unknown[]).length === 2, 10_000)
  expect(await found('--dry-run')).toMatchObject([
    {rule: 'leaf-subscribers', level: 'warn', sentence: expect.stringContaining("listens on '>'") as unknown},
    {rule: 'leaf-announcement', level: 'warn', sentence: announcement},
  ])
  tap.unsubscribe()
  const change = (await run(RouteAb, words, env)).json() as {warnings: string[]}
  expect(change.warnings.filter((sentence) => sentence === announcement)).toHaveLength(1)
})
