import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteShow from '../../../src/commands/route/show.js'
import RouteTrace from '../../../src/commands/route/trace.js'
import RouteWatch from '../../../src/commands/route/watch.js'
import {routeKey} from '../../../src/lib/routing/source.js'
import {until} from '../../support/nats-server.js'
import {startPump} from '../../support/pump.js'
import {startRouteServer, type RouteServer} from '../../support/route-lattice.js'
import {openRoutes} from '../../support/routes.js'
import {changeAccount} from '../../support/users.js'

let routes: RouteServer
beforeAll(async () => {
  routes = await startRouteServer()
})
afterAll(async () => {
  await routes[Symbol.asyncDispose]()
})

const unprivileged = {LATTICE_SYS_CREDS: undefined, LATTICE_OPERATOR_SEED_FILE: undefined}

function lines(stdout: string): Record<string, unknown>[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe('route trace', () => {
  test('tells the versions of an entity and their shares to whoever may call it', async () => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteAb, '70/30')
    const {stdout, exitCode} = await lattice.runWith(unprivileged, RouteTrace, 'echo', '--probes', '400', '--json')
    expect(exitCode).toBe(0)
    const {entity, traces} = JSON.parse(stdout) as {entity: string; traces: {destinations: object[]}[]}
    expect(entity).toBe('echo')
    expect(traces).toMatchObject([{subject: lattice.source, probes: 400, answered: 400, incomplete: 0}])
    expect(traces[0]!.destinations).toMatchObject([
      {version: '1.0.0', fate: 'delivered', subject: `${lattice.source}.MS4wLjA`},
      {version: '2.0.0', fate: 'delivered', subject: `${lattice.source}.Mi4wLjA`},
    ])
    const text = await lattice.run(RouteTrace, '--probes', '40')
    expect(text.stdout.split('\n')[0]).toMatch(
      /^wasmbus\.rpc\.\S+\t1\.0\.0\t[\d.]+ %\t[\d.]+ to [\d.]+\t\d+\tdelivered\t/,
    )
  })

  test('tells what becomes of a subject', async () => {
    await using lattice = await routes.lattice()
    const {json} = await lattice.run(RouteTrace, 'nobody.listens', '--probes', '3', '--json')
    expect(json()).toMatchObject({
      traces: [{subject: 'nobody.listens', destinations: [{subject: 'nobody.listens', fate: 'nobody', probes: 3}]}],
    })
  })

  test.each([['orders.*'], ['orders..get'], ['echo@1.0.0']])('refuses to trace %j', async (target) => {
    await using lattice = await routes.lattice()
    expect((await lattice.run(RouteTrace, target)).exitCode).toBe(2)
  })
})

describe('route show', () => {
  test('with a window tells what each version got', async () => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteAb, '70/30')
    await using pump = startPump(lattice.connection, lattice.source)
    const {json} = await lattice.run(RouteShow, 'echo', '--window', '300ms', '--json')
    const {observed} = json() as {observed: {messages: number; legs: {share: number}[]}}
    expect(observed).toMatchObject({
      legs: [
        {version: '1.0.0', listeners: 1, asked: 70},
        {version: '2.0.0', listeners: 1, asked: 30},
        {listeners: 2, messages: 0, asked: 0, agrees: true},
      ],
      servers: ['test'],
      gaps: [],
    })
    expect(observed.messages).toBeGreaterThan(50)
    expect(Math.abs(observed.legs[0]!.share - 70)).toBeLessThan(40)
    const byUser = await lattice.runWith(unprivileged, RouteShow, 'echo', '--window', '300ms')
    expect(byUser.stdout).toMatch(/^live +mappings not visible$/m)
    expect(byUser.stdout).toMatch(/^observed {2}1\.0\.0 [\d.]+ % \([\d.]+ to [\d.]+\), 2\.0\.0 /m)
    expect(byUser.stdout).toMatch(/^measured {2}\d+ messages in 0\.\d s, [\d.]+\/s on test, /m)
    expect(pump.failures()).toBe(0)
  })

  test.each([[[]], [['--window', '0']]])('in a script without a window counts nothing %j', async (extra) => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteAb, '70/30')
    expect((await lattice.run(RouteShow, 'echo', '--json', ...extra)).json()).not.toHaveProperty('observed')
  })
})

describe('route watch', () => {
  test('until stable ends when every server has the route and every version its share', async () => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteAb, '60/40')
    await using _pump = startPump(lattice.connection, lattice.source)
    const args = ['echo', '--until-stable', '--window', '250ms', '--timeout', '20s', '--json']
    const {stdout, exitCode} = await lattice.run(RouteWatch, ...args)
    expect(exitCode).toBe(0)
    const ticks = lines(stdout)
    expect(ticks.length).toBeGreaterThan(1)
    expect(ticks[0]).toMatchObject({stable: false, waitingFor: 'a whole window was not measured yet'})
    expect(ticks.at(-1)).toMatchObject({
      entity: 'echo',
      stable: true,
      state: 'current',
      effective: {servers: [{name: 'test', state: 'applied'}]},
      observed: {agrees: true},
    })
  })

  test('without system credentials asks the servers by probes', async () => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteAb, '60/40')
    await using _pump = startPump(lattice.connection, lattice.source)
    const args = ['echo', '--until-stable', '--window', '250ms', '--timeout', '20s']
    const {stdout, exitCode} = await lattice.runWith(unprivileged, RouteWatch, ...args)
    expect(exitCode).toBe(0)
    expect(lines(stdout).at(-1)).toMatchObject({
      stable: true,
      effective: {visible: false},
      probed: [{server: {name: 'test'}, outcome: 'applied'}],
    })
  })

  test.each([[[]], [['--json']]])('that is not stable in time exits 6 and says why %j', async (extra) => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteAb, '70/30')
    const args = ['echo', '--until-stable', '--window', '100ms', '--timeout', '600ms', ...extra]
    const {stdout, stderr, exitCode} = await lattice.run(RouteWatch, ...args)
    expect(exitCode).toBe(6)
    expect(stdout + stderr).toContain(
      "The route of 'echo' is not stable after 0.6 s: no message was sent in the window.",
    )
    expect(lines(stdout)[0]).toMatchObject({entity: 'echo', stable: false})
  })

  test('is not stable while a server that took the change does not answer', async () => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteAb, '60/40')
    await using _pump = startPump(lattice.connection, lattice.source)
    await using opened = await openRoutes(routes.server.spec(lattice.name))
    const key = routeKey({kind: 'actor', key: lattice.key})
    const {record, revision} = (await opened.store.get(key))!
    await opened.store.put(key, {...record, servers: [...record.servers, 'silent']}, revision)
    const args = ['echo', '--until-stable', '--window', '100ms', '--timeout', '700ms']
    const {stderr, exitCode} = await lattice.run(RouteWatch, ...args)
    expect(exitCode).toBe(6)
    expect(stderr).toContain("server 'silent' does not answer")
  })

  test('tells of a server that has another mapping, and ends with 130 when it is interrupted', async () => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteAb, '70/30')
    await changeAccount(routes.server, {mappings: {}})
    const listeners = process.listenerCount('SIGINT')
    const watching = lattice.run(RouteWatch, 'echo', '--window', '50ms')
    await until(() => process.listenerCount('SIGINT') > listeners, 5000)
    process.emit('SIGINT')
    const {exitCode} = await watching
    expect(exitCode).toBe(130)
    const args = ['echo', '--until-stable', '--window', '50ms', '--timeout', '500ms']
    const {stderr} = await lattice.run(RouteWatch, ...args)
    expect(stderr).toContain('the route is drifted')
  })
})
