import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteShow from '../../../src/commands/route/show.js'
import RouteTrace from '../../../src/commands/route/trace.js'
import RouteWatch from '../../../src/commands/route/watch.js'
import {startPump} from '../../support/pump.js'
import {run, type RunResult} from '../../support/run.js'
import {behind, runService} from '../../support/services.js'
import {clusterOf, startTopology, type Topology} from '../../support/topology.js'

let topology: Topology
let caller: NatsConnection

beforeAll(async () => {
  topology = await startTopology(await clusterOf('east', 3))
  caller = await topology.connect('east-0')
  for (const [server, major] of [
    ['east-0', 1],
    ['east-1', 1],
    ['east-1', 2],
    ['east-2', 2],
  ] as const) {
    const endpoints = {get: behind('orders.get', major), put: behind('orders.put', major)}
    await runService(await topology.connect(server), {name: 'orders', version: `${major}.0.0`, endpoints})
  }
  const changed = await lattice(RouteAb, 'orders@1.0.0=70', 'orders@2.0.0=30')
  if (changed.exitCode !== 0) throw new Error(changed.stderr)
})

afterAll(async () => {
  await topology[Symbol.asyncDispose]()
})

function lattice(command: Parameters<typeof run>[0], ...words: string[]): Promise<RunResult> {
  const server = topology.server('east-0')
  return run(command, words, {
    XDG_CONFIG_HOME: topology.cli.env['XDG_CONFIG_HOME'],
    LATTICE_URL: server.url,
    LATTICE_CREDS: server.credsFile,
    LATTICE_SYS_CREDS: server.sysCredsFile,
    LATTICE_OPERATOR_SEED_FILE: server.operatorKeyFile,
    LATTICE_LATTICE: 'default',
    CI: undefined,
  })
}

test('what a service gets on three servers is counted behind its one wildcard', async () => {
  await using pump = startPump(caller, 'orders.get')
  await using _other = startPump(caller, 'orders.put')
  const {stdout} = await lattice(RouteWatch, 'orders', '--until-stable', '--window', '500ms', '--timeout', '20s')
  const last = JSON.parse(stdout.trim().split('\n').at(-1)) as object
  expect(last).toMatchObject({
    stable: true,
    effective: {servers: ['east-0', 'east-1', 'east-2'].map((name) => ({name, state: 'applied'}))},
    observed: {
      servers: ['east-0', 'east-1', 'east-2'],
      legs: [
        {version: '1.0.0', listeners: 4, asked: 70, agrees: true},
        {version: '2.0.0', listeners: 4, asked: 30, agrees: true},
      ],
    },
  })
  const shown = await lattice(RouteShow, 'orders', '--window', '200ms', '--json')
  expect(shown.json()).toMatchObject({observed: {legs: [{listeners: 4}, {listeners: 4}]}})
  expect(pump.failures()).toBe(0)
})

test('every subject behind a wildcard is traced, across servers', async () => {
  const {json} = await lattice(RouteTrace, 'orders', '--probes', '100', '--json')
  const {traces} = json() as {traces: {path: {server: {name: string}}[]}[]}
  expect(traces).toMatchObject(
    ['get', 'put'].map((name) => ({
      subject: `orders.${name}`,
      answered: 100,
      incomplete: 0,
      server: {name: 'east-0', cluster: 'east'},
      destinations: [
        {subject: `orders.v1.${name}`, version: '1.0.0', fate: 'delivered'},
        {subject: `orders.v2.${name}`, version: '2.0.0', fate: 'delivered'},
      ],
    })),
  )
  // Version 2.0.0 does not run at the caller's server, so some messages go through two.
  expect(Math.max(...traces.map(({path}) => path.length))).toBe(2)
})
