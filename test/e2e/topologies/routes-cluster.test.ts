import type {NatsConnection} from '@nats-io/transport-node'
import {describe, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteBluegreen from '../../../src/commands/route/bluegreen.js'
import RouteClear from '../../../src/commands/route/clear.js'
import RouteUndo from '../../../src/commands/route/undo.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {startConfigServers} from '../../support/config-servers.js'
import {startOperatorCluster, waitForJetStream} from '../../support/nats-server.js'
import {plainService} from '../../support/plain-service.js'
import {startPump} from '../../support/pump.js'
import {configEnv, operatorEnv} from '../../support/route-env.js'
import {measure} from '../../support/routes.js'
import {run} from '../../support/run.js'

/** One connection to each of three servers, and all that changes routes there. */
interface Three extends AsyncDisposable {
  readonly connections: readonly NatsConnection[]
  readonly env: Readonly<Record<string, string | undefined>>
}

async function byTokens(): Promise<Three> {
  await using unlessStarted = new AsyncDisposableStack()
  const cluster = unlessStarted.use(await startOperatorCluster(3))
  const connections = await Promise.all(cluster.servers.map((server) => openConnection(server.spec())))
  for (const connection of connections) unlessStarted.defer(() => connection.close())
  const env = operatorEnv(cluster.servers[0]!)
  const ends = unlessStarted.move()
  return {connections, env, [Symbol.asyncDispose]: () => ends.disposeAsync()}
}

async function byFiles(): Promise<Three> {
  await using unlessStarted = new AsyncDisposableStack()
  const all = unlessStarted.use(await startConfigServers({size: 3, jetstream: true, account: 'jetstream: enabled'}))
  await waitForJetStream({spec: () => all.spec()})
  const connections = await Promise.all(all.servers.map((_, index) => all.connect(index)))
  const ends = unlessStarted.move()
  return {connections, env: configEnv(all), [Symbol.asyncDispose]: () => ends.disposeAsync()}
}

const liveOnThree = {changed: true, servers: {applied: 3, total: 3, names: ['S0', 'S1', 'S2']}}

describe.each([
  ['accounts as tokens', byTokens, 'jwt'],
  ['accounts in files', byFiles, 'config'],
] as const)('on three servers with %s', (_, start, driver) => {
  test('callers of every server get each split, and no request is lost while it changes', async () => {
    await using three = await start()
    const service = plainService()
    const [first, second, third] = three.connections as [NatsConnection, NatsConnection, NatsConnection]
    await service.serve(first, '1.0.0')
    await service.serve(third, '2.0.0')
    const lattice = (command: Parameters<typeof run>[0], ...words: string[]): ReturnType<typeof run> =>
      run(command, [...words, '--json'], three.env)

    // The first change is a split to one: before it nobody listens on the source.
    const begun = await lattice(RouteAb, '100/0', ...service.words)
    expect(begun.json()).toMatchObject({...liveOnThree, driver})
    await using pumps = new AsyncDisposableStack()
    const started = three.connections.map((connection) => pumps.use(startPump(connection, service.source, 2)))
    for (const split of ['70/30', '30/70']) {
      expect((await lattice(RouteAb, split, ...service.words)).json()).toMatchObject(liveOnThree)
    }
    for (const connection of three.connections) {
      const counts = await measure(connection, service.source, 300)
      // Four standard deviations.
      expect(Math.abs((counts['2.0.0'] ?? 0) - 210)).toBeLessThan(32)
      expect(counts['lost']).toBeUndefined()
    }
    const cutover = await lattice(RouteBluegreen, '--to', '2.0.0', '--source', service.source)
    expect(cutover.json()).toMatchObject(liveOnThree)
    expect(await measure(second, service.source, 50)).toEqual({'2.0.0': 50})
    expect((await lattice(RouteUndo, service.source)).json()).toMatchObject(liveOnThree)
    expect(await lattice(RouteVerify)).toMatchObject({exitCode: 0})
    await pumps.disposeAsync()
    expect(started.map((pump) => pump.failures())).toEqual([0, 0, 0])

    // Nobody listens on the source itself, so one leg stays.
    const cleared = await lattice(RouteClear, service.source)
    expect(cleared.json()).toMatchObject({legs: [{weight: 100}], reason: expect.any(String) as unknown})
  })
})
