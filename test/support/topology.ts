import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'

import {openConnection} from '../../src/lib/nats/connect.js'
import type {TlsFiles} from '../../src/lib/nats/spec.js'
import {cliIn, type Cli} from './cli.js'
import {
  createTestOperator,
  freePort,
  operatorServer,
  waitForJetStream,
  type OperatorServer,
  type TestOperator,
  type TestServerOptions,
} from './nats-server.js'
import {tempFolder} from './temp.js'

/** Servers of one operator that are joined in some way, and the tool with a context for each of them. */
export interface Topology extends AsyncDisposable {
  /** Knows the context of every server by the server's name, and its system user as `<name>-sys`. */
  readonly cli: Cli
  server: (name: string) => OperatorServer
  /** Starts one more server. */
  add: (name: string, options: TestServerOptions) => Promise<OperatorServer>
  /** Writes a context with natscli's fields and ours. */
  context: (name: string, nats: object, lattice?: object) => Promise<void>
  /** A connection of the account's user at one server, closed at the end. */
  connect: (name: string) => Promise<NatsConnection>
}

export interface TopologyOptions {
  /** Default: a new one. */
  readonly operator?: TestOperator
  /** What a client of a server needs to trust it and to be trusted. */
  readonly tls?: (name: string) => TlsFiles
}

/** Starts the servers at once; every one has JetStream unless it says otherwise. */
export async function startTopology(
  definitions: Readonly<Record<string, TestServerOptions>>,
  {operator = createTestOperator(), tls}: TopologyOptions = {},
): Promise<Topology> {
  await using unlessStarted = new AsyncDisposableStack()
  const ends = unlessStarted.use(new AsyncDisposableStack())
  const folder = ends.use(await tempFolder())
  const cli = await cliIn(folder.path)
  const servers = new Map<string, OperatorServer>()
  const context: Topology['context'] = (name, nats, lattice) => writeContexts(cli, {name, nats, lattice})
  const add: Topology['add'] = async (name, options) => {
    const server = ends.use(await operatorServer(operator, {jetstream: true, serverName: name, ...options}))
    const [plainSpec, files] = [server.spec, tls?.(name)]
    if (files !== undefined) Object.assign(server, {spec: (lattice?: string) => ({...plainSpec(lattice), tls: files})})
    servers.set(name, server)
    const {ca, cert, key, handshakeFirst: tls_first} = files ?? {}
    const reached = {url: server.url, ca, cert, key, tls_first}
    await context(`${name}-sys`, {...reached, creds: server.sysCredsFile})
    const {operatorKeyFile, clusterSeedFile} = server
    const ours = {sysContext: `${name}-sys`, operatorKeyFile, clusterSeedFile}
    await context(name, {...reached, creds: server.credsFile}, ours)
    return server
  }
  const results = await Promise.allSettled(Object.entries(definitions).map(([name, options]) => add(name, options)))
  for (const result of results) if (result.status === 'rejected') throw result.reason
  const withJetStream = Object.keys(definitions).filter((name) => definitions[name]?.jetstream !== false)
  await Promise.all(withJetStream.map((name) => waitForJetStream(servers.get(name)!)))
  unlessStarted.move()
  return {
    cli,
    server: (name) => servers.get(name)!,
    add: (name, options) => add(name, options),
    context,
    connect: async (name) => {
      const connection = await openConnection(servers.get(name)!.spec(), {reconnect: 'forever', name: 'test'})
      ends.defer(() => connection.close())
      return connection
    },
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  }
}

/** Servers of one cluster: `east-0`, `east-1` …; each may have more configuration. */
export async function clusterOf(
  cluster: string,
  size: number,
  config: (name: string) => string = () => '',
): Promise<Record<string, TestServerOptions>> {
  const ports = await Promise.all(Array.from({length: size}, () => freePort()))
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`).join(', ')
  return Object.fromEntries(
    ports.map((port, index) => {
      const name = `${cluster}-${index}`
      const joined = `cluster {name: ${cluster}, listen: "127.0.0.1:${port}", routes: [${routes}]}`
      return [name, {config: `${joined}\n${config(name)}`}]
    }),
  )
}

/** Clusters that are joined by gateways, `size` servers each. */
export async function superclusterOf(
  clusters: readonly string[],
  size: number,
): Promise<Record<string, TestServerOptions>> {
  const listen = await Promise.all(
    clusters.map(async (name) => ({name, ports: await Promise.all(Array.from({length: size}, () => freePort()))})),
  )
  const gateways = listen
    .map(({name, ports}) => `{name: ${name}, urls: [${ports.map((port) => `nats://127.0.0.1:${port}`).join(', ')}]}`)
    .join(', ')
  const parts = await Promise.all(
    listen.map(({name, ports}) =>
      clusterOf(name, size, (server) => {
        const port = ports[Number(server.slice(name.length + 1))]!
        return `gateway {name: ${name}, listen: "127.0.0.1:${port}", gateways: [${gateways}]}`
      }),
    ),
  )
  return Object.assign({}, ...parts) as Record<string, TestServerOptions>
}

async function writeContexts(
  cli: Cli,
  {name, nats, lattice}: {readonly name: string; readonly nats: object; readonly lattice: object | undefined},
): Promise<void> {
  const config = cli.env['XDG_CONFIG_HOME']!
  const folders = {nats: join(config, 'nats', 'context'), lattice: join(config, 'lattice', 'contexts')}
  await Promise.all(Object.values(folders).map((folder) => mkdir(folder, {recursive: true})))
  const write = (folder: string, content: object): Promise<void> =>
    writeFile(join(folder, `${name}.json`), JSON.stringify(content), {mode: 0o600})
  await write(folders.nats, nats)
  if (lattice !== undefined) await write(folders.lattice, lattice)
}
