import {mkdtemp, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'

import {openConnection} from '../../src/lib/nats/connect.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {SystemClient} from '../../src/lib/nats/system.js'
import {freePort} from './nats-server.js'
import {startIn, type TestServer} from './running-server.js'

/** A server whose accounts stand in its configuration: SHOP with our include, and SYS. */
export interface ConfigServer extends TestServer {
  readonly name: string
  /** Its main file. */
  readonly main: string
  /** The file of mappings that it includes. */
  readonly mappings: string
}

export interface ConfigServers extends AsyncDisposable {
  readonly servers: readonly ConfigServer[]
  readonly mains: readonly string[]
  /** Undefined for servers of another binary, which may be too old to connect to. */
  readonly system: SystemClient | undefined
  /** A connection of SHOP's user to one server. */
  connect: (index?: number) => Promise<NatsConnection>
  /** Of a user whose password is its name, at one server, with the system user beside it. */
  spec: (user?: string, index?: number) => ConnectSpec
  /** Writes a context of that user of SYS, and returns its path. */
  systemContext: (user: string, fields?: Readonly<Record<string, string>>) => Promise<string>
}

export interface ConfigServersOptions {
  readonly size?: number
  /** False: several servers that are joined otherwise, as `top` says. */
  readonly joined?: boolean
  /** What our file holds at first. */
  readonly mappings?: string
  /** Other users of SHOP beside `app`. */
  readonly users?: readonly string[]
  /** Other lines in account SHOP. */
  readonly account?: string
  /** Other accounts. */
  readonly accounts?: string
  readonly jetstream?: boolean
  /** Other users of SYS. */
  readonly system?: string
  /** Other lines at the top level. */
  readonly top?: (index: number) => string
  readonly binary?: string
}

/** Starts servers, joined in a cluster when they are several, each with its own file in a folder of its own. */
export async function startConfigServers(options: ConfigServersOptions = {}): Promise<ConfigServers> {
  const {size = 1} = options
  await using unlessStarted = new AsyncDisposableStack()
  const ends = unlessStarted.use(new AsyncDisposableStack())
  const ports = await Promise.all(Array.from({length: size}, () => freePort()))
  const results = await Promise.allSettled(ports.map((_, index) => startOne(options, ports, index)))
  for (const result of results) if (result.status === 'fulfilled') ends.use(result.value)
  for (const result of results) if (result.status === 'rejected') throw result.reason
  const servers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const system = ends.use(options.binary === undefined ? await openSystem(servers) : undefined)
  const connect = async (index = 0): Promise<NatsConnection> => {
    const connection = await openConnection(specOf(servers[index]!.url, 'app'))
    ends.defer(() => connection.close())
    return connection
  }
  unlessStarted.move()
  return {
    servers,
    mains: servers.map(({main}) => main),
    system,
    connect,
    spec: (user = 'app', index = 0) => ({
      ...specOf(servers[index]!.url, user),
      sysContext: join(servers[0]!.dir, 'sys.json'),
    }),
    systemContext: (user, fields) => writeContext(servers[0]!, user, fields),
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  }
}

async function writeContext({url, dir}: ConfigServer, user: string, fields: object = {}): Promise<string> {
  const path = join(dir, `${user}.json`)
  await writeFile(path, JSON.stringify({url, user, password: user, ...fields}))
  return path
}

async function startOne(options: ConfigServersOptions, ports: readonly number[], index: number): Promise<ConfigServer> {
  const {
    mappings = '',
    users = [],
    account = '',
    accounts = '',
    jetstream = false,
    system = '',
    joined = true,
    top = () => '',
    binary,
  } = options
  const dir = await mkdtemp(join(tmpdir(), 'lattice-test-'))
  const own = join(dir, 'lattice-mappings.conf')
  await writeFile(own, mappings)
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`).join(', ')
  const cluster =
    ports.length === 1 || !joined
      ? ''
      : `cluster {name: test, listen: "127.0.0.1:${ports[index]!}", routes: [${routes}]}`
  const config = `
accounts {
  SHOP {
    users: [${['{user: app, password: app}', ...users].join(', ')}]
    include 'lattice-mappings.conf'
    ${account}
  }
  ${accounts}
  SYS { users: [{user: sys, password: sys}, ${system}] }
}
system_account: SYS
${cluster}
${top(index)}
`
  const name = `S${index}`
  const server = await startIn(dir, {config, serverName: name, jetstream, ...(binary === undefined ? {} : {binary})})
  return Object.assign(server, {name, main: join(dir, 'server.conf'), mappings: own})
}

/** Servers of a cluster hear of each other a moment after they are ready. */
async function openSystem(servers: readonly ConfigServer[]): Promise<SystemClient> {
  const {url} = servers[0]!
  const context = await writeContext(servers[0]!, 'sys')
  const deadline = Date.now() + 10_000
  for (;;) {
    const system = await SystemClient.open({...specOf(url, 'sys'), sysContext: context})
    if ((await system.servers()).length === servers.length) return system
    await system[Symbol.asyncDispose]()
    if (Date.now() > deadline) throw new Error('The servers do not find each other.')
  }
}

function specOf(url: string, user: string): ConnectSpec {
  return {
    servers: [url],
    credentials: {kind: 'user', user, password: user},
    lattice: 'default',
    protected: false,
    timeoutMs: 5000,
    connectTimeoutMs: 5000,
  }
}
