import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {freePort, startNatsServer, type TestServer} from './nats-server.js'

/** A hub whose accounts stand in its configuration, and that takes leaf nodes. */
export interface PasswordHub extends AsyncDisposable {
  readonly server: TestServer
  /** Where it takes leaf nodes. */
  readonly remotes: readonly string[]
  /** Of a user whose password is its name. */
  spec: (user?: string) => ConnectSpec
}

export interface PasswordHubOptions {
  /** Lines inside `leafnodes {…}`. */
  readonly leafnodes?: string
  /** Lines at the top level. */
  readonly config?: string
}

/** Starts a hub with account SHOP: its users are `app`, and `narrow`, who may not send to `….v2`. */
export async function startPasswordHub({leafnodes = '', config = ''}: PasswordHubOptions = {}): Promise<PasswordHub> {
  const port = await freePort()
  const server = await startNatsServer({
    jetstream: true,
    serverName: 'HUB',
    config: `
leafnodes {listen: "127.0.0.1:${port}", ${leafnodes}}
accounts {
  SHOP {
    jetstream: enabled
    users: [
      {user: app, password: app}
      {user: narrow, password: narrow, permissions: {publish: {deny: ["*.*.v2"]}}}
      {user: mute, password: mute, permissions: {subscribe: {deny: ["LATTICE.>"]}}}
    ]
  }
  SYS {users: [{user: sys, password: sys}]}
}
system_account: SYS
${config}`,
  })
  return {
    server,
    remotes: [`nats-leaf://127.0.0.1:${port}`],
    spec: (user = 'app') => ({
      servers: [server.url],
      credentials: {kind: 'user', user, password: user},
      lattice: 'default',
      protected: false,
      timeoutMs: 5000,
      connectTimeoutMs: 5000,
    }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** Several servers of one hub, all of which take leaf nodes. */
export interface LeafCluster extends AsyncDisposable {
  readonly servers: readonly TestServer[]
  readonly remotes: readonly string[]
  spec: () => ConnectSpec
}

/** Starts a cluster without JetStream, whose only account has user `app`. */
export async function startLeafCluster(size: number): Promise<LeafCluster> {
  await using unlessStarted = new AsyncDisposableStack()
  const ports = await Promise.all(Array.from({length: 2 * size}, () => freePort()))
  const [leafPorts, clusterPorts] = [ports.slice(0, size), ports.slice(size)]
  const routes = clusterPorts.map((port) => `nats://127.0.0.1:${port}`).join(', ')
  const servers = await Promise.all(
    leafPorts.map((port, index) =>
      startNatsServer({
        serverName: `HUB${index}`,
        config: `
leafnodes {listen: "127.0.0.1:${port}"}
cluster {name: hub, listen: "127.0.0.1:${clusterPorts[index]!}", routes: [${routes}]}
accounts {
  SHOP {users: [{user: app, password: app}]}
  SYS {users: [{user: sys, password: sys}]}
}
system_account: SYS`,
      }),
    ),
  )
  for (const server of servers) unlessStarted.use(server)
  const ends = unlessStarted.move()
  return {
    servers,
    remotes: leafPorts.map((port) => `nats-leaf://127.0.0.1:${port}`),
    spec: () => ({
      servers: servers.map(({url}) => url),
      credentials: {kind: 'user', user: 'app', password: 'app'},
      lattice: 'default',
      protected: false,
      timeoutMs: 5000,
      connectTimeoutMs: 5000,
    }),
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  }
}
