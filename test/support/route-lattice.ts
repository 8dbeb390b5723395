import type {NatsConnection} from '@nats-io/transport-node'

import {createKey} from '../../src/lib/keys/nkey.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {sourceOf} from '../../src/lib/routing/source.js'
import {startOperatorServer, type OperatorServer} from './nats-server.js'
import {run, type RunResult} from './run.js'
import {scriptedHost, type ScriptedHost} from './scripted-host.js'
import {tempFolder, type TempFolder} from './temp.js'

/** A server in operator mode for tests of the route commands. */
export interface RouteServer extends AsyncDisposable {
  readonly server: OperatorServer
  /** A new lattice with a host that runs `echo` in 1.0.0, and in 2.0.0 dark. */
  lattice: () => Promise<RouteLattice>
}

export interface RouteLattice extends AsyncDisposable {
  readonly name: string
  readonly key: string
  readonly source: string
  readonly host: ScriptedHost
  readonly connection: NatsConnection
  /** Runs a command with all that a route change needs. */
  run: (command: Parameters<typeof run>[0], ...argv: string[]) => Promise<RunResult>
  /** The same with a changed environment. */
  runWith: (
    env: Readonly<Record<string, string | undefined>>,
    command: Parameters<typeof run>[0],
    ...argv: string[]
  ) => Promise<RunResult>
}

export async function startRouteServer(): Promise<RouteServer> {
  const server = await startOperatorServer()
  const folder = await tempFolder()
  let count = 0
  return {
    server,
    lattice: () => openLattice(server, folder, `routes-${++count}`),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

async function openLattice(server: OperatorServer, folder: TempFolder, name: string): Promise<RouteLattice> {
  const connection = await openConnection(server.spec(name))
  const host = scriptedHost(connection, name)
  const {publicKey: key} = createKey('M')
  await host.run({key, name: 'echo', version: '1.0.0'})
  await host.run({key, name: 'echo', version: '2.0.0', dark: true})
  // Nothing of the machine that runs the tests.
  const base = {
    XDG_CONFIG_HOME: folder.path,
    LATTICE_URL: server.url,
    LATTICE_CREDS: server.credsFile,
    LATTICE_LATTICE: name,
    LATTICE_SYS_CREDS: server.sysCredsFile,
    LATTICE_OPERATOR_SEED_FILE: server.operatorKeyFile,
    CI: undefined,
  }
  const runWith: RouteLattice['runWith'] = (env, command, ...argv) => run(command, argv, {...base, ...env})
  return {
    name,
    key,
    source: sourceOf(name, {kind: 'actor', key}),
    host,
    connection,
    runWith,
    run: (command, ...argv) => runWith({}, command, ...argv),
    [Symbol.asyncDispose]: () => connection.close(),
  }
}
