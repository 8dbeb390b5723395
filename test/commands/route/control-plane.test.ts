import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteCanary from '../../../src/commands/route/canary.js'
import RouteClear from '../../../src/commands/route/clear.js'
import RouteLs from '../../../src/commands/route/ls.js'
import RouteShow from '../../../src/commands/route/show.js'
import {startControlPlane, type TestControlPlane} from '../../support/control-plane.js'
import {startRouteServer, type RouteLattice, type RouteServer} from '../../support/route-lattice.js'
import {measure} from '../../support/routes.js'
import type {RunResult} from '../../support/run.js'

let routes: RouteServer
let plane: TestControlPlane
beforeAll(async () => {
  routes = await startRouteServer()
})
afterAll(async () => {
  await routes[Symbol.asyncDispose]()
})
beforeEach(async () => {
  plane = await startControlPlane({
    server: routes.server,
    mappings: {'other.tool': [{subject: 'other.tool.v2', weight: 10}]},
  })
  return () => plane[Symbol.asyncDispose]()
})

type Words = Parameters<RouteLattice['run']>

/** Runs a command with user credentials only. */
function through(lattice: RouteLattice, ...[command, ...words]: Words): Promise<RunResult> {
  const env = {...plane.env, LATTICE_SYS_CREDS: undefined, LATTICE_OPERATOR_SEED_FILE: undefined}
  return lattice.runWith(env, command, ...words, '--driver', 'controlplane')
}

describe('with user credentials and a token of the control plane', () => {
  test('a route goes from a split over a canary to nothing, proved by probes', async () => {
    await using lattice = await routes.lattice()
    const split = await through(lattice, RouteAb, '70/30', '--json')
    expect(split.stderr).toBe('')
    expect(split.json()).toMatchObject({
      driver: 'controlplane',
      state: 'live',
      servers: {applied: 1, total: 1, names: ['test']},
    })
    const counts = await measure(lattice.connection, lattice.source, 400)
    expect(counts['lost']).toBeUndefined()
    expect(counts['1.0.0']).toBeGreaterThan(counts['2.0.0']!)

    const canary = await through(lattice, RouteCanary, 'echo', '--to', '2.0.0', '--weight', '100', '--json')
    expect(canary.json()).toMatchObject({changed: true, state: 'live'})
    expect(await measure(lattice.connection, lattice.source, 50)).toEqual({'2.0.0': 50})

    const shown = await through(lattice, RouteShow, 'echo', '--json')
    expect(shown.json()).toMatchObject({effective: {visible: true}, recorded: {driver: 'controlplane'}})
    expect((await through(lattice, RouteLs, '--json')).json()).toMatchObject({routes: [{entity: 'echo'}]})

    const cleared = await through(lattice, RouteClear, 'echo', '--share', '--json')
    expect(cleared.json()).toMatchObject({changed: true})
    expect((await measure(lattice.connection, lattice.source, 50))['lost']).toBeUndefined()
    expect(plane.accounts[0]!.mappings).toEqual({'other.tool': [{subject: 'other.tool.v2', weight: 10}]})
    expect(plane.patches().flatMap((body) => Object.keys(body.jwt_settings.mappings))).toEqual(
      plane.patches().map(() => lattice.source),
    )
  })
})
