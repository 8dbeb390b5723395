import type {NatsConnection} from '@nats-io/transport-node'
import {expect} from 'vitest'

import {openConnection} from '../../src/lib/nats/connect.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import type {Failure} from './cli.js'
import {runLeafNode, type LeafNode, type LeafNodeOptions} from './leaf-node.js'
import {freePort, startOperatorServer, type OperatorServer} from './nats-server.js'
import {run, type RunResult} from './run.js'
import {behind, runService, serveSubjects} from './services.js'

type Command = Parameters<typeof run>[0]
type Env = Readonly<Record<string, string | undefined>>

/** A hub whose operator's keys somebody else holds, leaf nodes in this process, and routes that go to them. */
export interface LeafRoutes extends AsyncDisposable {
  readonly hub: OperatorServer
  readonly remotes: readonly string[]
  /** Of somebody who has a user's credentials and nothing else. */
  readonly env: Env
  /** Runs a leaf node that ends with the rest. */
  leaf: (options: LeafNodeOptions, spec?: ConnectSpec) => Promise<LeafNode>
  /** Runs a command as that user. */
  route: (command: Command, argv: readonly string[], env?: Env) => Promise<RunResult>
  /** A command with `--json` that has to succeed; its document. */
  ok: <T = Record<string, unknown>>(command: Command, argv: readonly string[], env?: Env) => Promise<T>
  /** A command with `--json` that has to end with this exit code; what it says. */
  fails: (exitCode: number, command: Command, argv: readonly string[], env?: Env) => Promise<Failure['error']>
}

export async function startLeafRoutes(): Promise<LeafRoutes> {
  await using unlessStarted = new AsyncDisposableStack()
  const port = await freePort()
  const hub = unlessStarted.use(await startOperatorServer({config: `leafnodes {listen: "127.0.0.1:${port}"}`}))
  const remotes = [`nats-leaf://127.0.0.1:${port}`]
  const env = {
    XDG_CONFIG_HOME: hub.dir,
    XDG_STATE_HOME: hub.dir,
    LATTICE_CONTEXT: undefined,
    CI: undefined,
    LATTICE_URL: hub.url,
    LATTICE_CREDS: hub.credsFile,
    LATTICE_DRIVER: 'leaf',
  }
  const route: LeafRoutes['route'] = (command, argv, more = {}) => run(command, argv, {...env, ...more})
  const expectExit = (exitCode: number, ended: RunResult): unknown => {
    expect(ended.exitCode, `${ended.stdout}${ended.stderr}`).toBe(exitCode)
    return ended.json()
  }
  const ends = unlessStarted.move()
  return {
    hub,
    remotes,
    env,
    leaf: async (options, spec = hub.spec()) => ends.use(await runLeafNode(spec, {remotes, ...options})),
    route,
    ok: async <T>(command: Command, argv: readonly string[], more?: Env) =>
      expectExit(0, await route(command, [...argv, '--json'], more)) as T,
    fails: async (exitCode, command, argv, more) =>
      (expectExit(exitCode, await route(command, [...argv, '--json'], more)) as Failure).error,
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  }
}

/** The same with leaf node `edge` beside its callers, and workers for all that it may split. */
export interface ServedLeaf extends AsyncDisposable {
  readonly world: LeafRoutes
  readonly leaf: LeafNode
  /** Of the workers, at the hub. */
  readonly nc: NatsConnection
}

export async function startServedLeaf(): Promise<ServedLeaf> {
  await using unlessStarted = new AsyncDisposableStack()
  const world = unlessStarted.use(await startLeafRoutes())
  const leaf = await world.leaf({name: 'edge', sources: ['orders.*', 'stock.get', 'wild.*']})
  const nc = await openConnection(world.hub.spec())
  unlessStarted.defer(() => nc.close())
  for (const major of [1, 2]) {
    await runService(nc, {name: 'orders', version: `${major}.0.0`, endpoints: {get: behind('orders.get', major)}})
  }
  serveSubjects(nc, ['stock.get', 'stock.v2.get', 'wild.v1.a', 'wild.v2.a'])
  await nc.flush()
  const ends = unlessStarted.move()
  return {world, leaf, nc, [Symbol.asyncDispose]: () => ends.disposeAsync()}
}

/** Fails where of so many calls more or fewer were answered so than five standard deviations around this share. */
export function expectShare(counts: Readonly<Record<string, number>>, wanted: Readonly<Record<string, number>>): void {
  const calls = Object.values(counts).reduce((sum, count) => sum + count, 0)
  expect(Object.keys(wanted)).toEqual(expect.arrayContaining(Object.keys(counts)))
  for (const [answer, percent] of Object.entries(wanted)) {
    const share = percent / 100
    const off = Math.abs((counts[answer] ?? 0) - calls * share)
    expect(off, JSON.stringify(counts)).toBeLessThanOrEqual(5 * Math.sqrt(calls * share * (1 - share)))
  }
}
