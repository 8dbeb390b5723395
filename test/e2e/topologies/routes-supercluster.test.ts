import type {NatsConnection} from '@nats-io/transport-node'
import {expect, test} from 'vitest'

import RouteBluegreen from '../../../src/commands/route/bluegreen.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {SystemClient} from '../../../src/lib/nats/system.js'
import {startConfigServers} from '../../support/config-servers.js'
import {freePort} from '../../support/nats-server.js'
import {plainService, type PlainService} from '../../support/plain-service.js'
import {startPump} from '../../support/pump.js'
import {configEnv, operatorEnv} from '../../support/route-env.js'
import {measure} from '../../support/routes.js'
import {run} from '../../support/run.js'
import {startTopology, superclusterOf} from '../../support/topology.js'
import {until} from '../../support/until.js'

type Env = Readonly<Record<string, string | undefined>>

/** A release that begins in one region; both versions run in the other one. */
async function releaseByRegion(
  {east, west}: Readonly<Record<'east' | 'west', NatsConnection>>,
  {service, env}: {readonly service: PlainService; readonly env: Env},
): Promise<void> {
  const {source, words} = service
  const lattice = (command: Parameters<typeof run>[0], ...argv: string[]): ReturnType<typeof run> =>
    run(command, [...argv, '--json'], env)
  await service.serve(east)
  const first = await lattice(RouteBluegreen, '--to', '1.0.0', ...words)
  expect(first.json()).toMatchObject({changed: true, servers: {total: 2}})
  // A cluster learns of what is listened to in the other one a moment later.
  await until(async () => (await measure(west, source, 1))['1.0.0'] === 1, 10_000)

  await using pumps = new AsyncDisposableStack()
  const started = [east, west].map((connection) => pumps.use(startPump(connection, source, 2)))
  const region = await lattice(RouteBluegreen, '--to', '2.0.0', '--cluster', 'west', '--source', source)
  expect(region.json()).toMatchObject({
    legs: [
      {version: '1.0.0', weight: 100},
      {version: '2.0.0', weight: 100, cluster: 'west'},
    ],
  })
  expect(await measure(west, source, 30)).toEqual({'2.0.0': 30})
  expect(await measure(east, source, 30)).toEqual({'1.0.0': 30})

  const everywhere = await lattice(RouteBluegreen, '--to', '2.0.0', '--source', source)
  expect(everywhere.json()).toMatchObject({legs: [{version: '2.0.0', weight: 100}]})
  expect(await measure(east, source, 30)).toEqual({'2.0.0': 30})
  expect(await lattice(RouteVerify)).toMatchObject({exitCode: 0})
  await pumps.disposeAsync()
  expect(started.map((pump) => pump.failures())).toEqual([0, 0])
}

test('with accounts in files, a release begins in one cluster, and no request is lost', async () => {
  const names = ['east', 'west']
  const ports = await Promise.all(names.map(() => freePort()))
  const known = names.map((name, index) => `{name: ${name}, url: "nats://127.0.0.1:${ports[index]!}"}`).join(', ')
  const top = (index: number): string =>
    `gateway {name: ${names[index]!}, listen: "127.0.0.1:${ports[index]!}", gateways: [${known}]}`
  await using all = await startConfigServers({size: 2, joined: false, top})
  const [east, west] = [await all.connect(0), await all.connect(1)]
  const env = {...configEnv(all), LATTICE_STATE: `file:${all.servers[0]!.dir}/routes.json`}
  await releaseByRegion({east, west}, {service: plainService(), env})
})

test('with accounts as tokens too, and one push reaches both', async () => {
  const servers = Object.entries(await superclusterOf(['east', 'west'], 1))
  await using world = await startTopology(
    Object.fromEntries(servers.map(([name, options]) => [name, {...options, jetstream: false}])),
  )
  const [east, west] = [await world.connect('east-0'), await world.connect('west-0')]
  const server = world.server('east-0')
  await until(async () => {
    await using system = await SystemClient.open(server.spec())
    return (await system.servers()).length === 2
  }, 10_000)
  const env = {...operatorEnv(server), LATTICE_STATE: `file:${server.dir}/routes.json`}
  await releaseByRegion({east, west}, {service: plainService(), env})
})
