import type {NatsConnection} from '@nats-io/transport-node'
import {expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteClear from '../../../src/commands/route/clear.js'
import {startConfigServers} from '../../support/config-servers.js'
import {startHub} from '../../support/hub.js'
import {freePort} from '../../support/nats-server.js'
import {plainService} from '../../support/plain-service.js'
import {configEnv, operatorEnv} from '../../support/route-env.js'
import {measure} from '../../support/routes.js'
import {run} from '../../support/run.js'
import {until} from '../../support/until.js'

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
