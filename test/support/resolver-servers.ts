import {once} from 'node:events'
import {mkdir, mkdtemp, writeFile} from 'node:fs/promises'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import type {ResolverKind} from '../../src/lib/apply/resolver-kind.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {SystemClient} from '../../src/lib/nats/system.js'
import {createTestOperator, freePort, type TestOperator, type TestServer} from './nats-server.js'
import {changeToken} from './nsc-store.js'
import {startIn} from './running-server.js'
import {tempFolder} from './temp.js'
import {until} from './until.js'

/** Servers of one operator that have the account's token from different places. */
export interface ResolverServers extends AsyncDisposable {
  readonly operator: TestOperator
  readonly account: string
  /** In the order of the kinds. */
  readonly servers: readonly TestServer[]
  readonly accountServer: AccountServer
  readonly folder: string
  spec: (lattice?: string) => ConnectSpec
}

export interface ResolverServersOptions {
  readonly operator?: TestOperator
  /** First server only. */
  readonly jetstream?: boolean
  /** Configuration that all of them have besides. */
  readonly config?: string
  /** Where the operator says that tokens are; default: the account server when a server of kind `url` is there. */
  readonly accountServerUrl?: string
}

/** Starts a server of each kind, as a cluster when there are several; their names are the kind and the place in the list. */
export async function startResolvers(
  kinds: readonly ResolverKind[],
  {operator = createTestOperator(), jetstream = false, config = '', accountServerUrl}: ResolverServersOptions = {},
): Promise<ResolverServers> {
  await using unlessStarted = new AsyncDisposableStack()
  const folder = unlessStarted.use(await tempFolder())
  const {keys, tokens} = operator
  const [account, system] = [keys.account.publicKey, keys.systemAccount.publicKey]
  const all = {[account]: tokens.account, [system]: tokens.systemAccount}
  const accountServer = unlessStarted.use(await startAccountServer(all))
  const named = accountServerUrl ?? (kinds.includes('url') ? accountServer.url : undefined)
  const operatorToken =
    named === undefined ? tokens.operator : changeToken(tokens.operator, keys.operator, {account_server_url: named})
  const ports = await Promise.all(kinds.map(() => freePort()))
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`).join(', ')
  const started = await Promise.allSettled(
    kinds.map(async (kind, index) => {
      const dir = await mkdtemp(join(tmpdir(), 'lattice-test-'))
      const accounts = join(dir, 'accounts')
      await mkdir(accounts)
      const base = [
        `operator: ${operatorToken}`,
        `system_account: ${system}`,
        resolverConfig(kind, {dir: accounts, preload: all, system, url: accountServer.url}),
      ]
      const joined =
        kinds.length > 1 ? `cluster {name: test, listen: "127.0.0.1:${ports[index]!}", routes: [${routes}]}` : ''
      const options = {
        serverName: `${kind}-${index}`,
        config: `${joined}\n${config}`,
        jetstream: jetstream && index === 0,
      }
      return startIn(dir, options, base.join('\n'))
    }),
  )
  const servers = started.flatMap((result) => (result.status === 'fulfilled' ? [unlessStarted.use(result.value)] : []))
  for (const result of started) if (result.status === 'rejected') throw result.reason
  const files = {
    creds: join(folder.path, 'user.creds'),
    sys: join(folder.path, 'sys.creds'),
    key: join(folder.path, 'key'),
  }
  await writeFile(files.creds, operator.creds, {mode: 0o600})
  await writeFile(files.sys, operator.sysCreds, {mode: 0o600})
  await writeFile(files.key, keys.operatorSigning.seed, {mode: 0o600})
  const spec = (lattice = 'default'): ConnectSpec => ({
    servers: [servers[0]!.url],
    credentials: {kind: 'creds', file: files.creds},
    lattice,
    operatorKeyFile: files.key,
    sysCreds: files.sys,
    protected: false,
    timeoutMs: 5000,
    connectTimeoutMs: 5000,
  })
  if (kinds.length > 1) await waitForAll(spec(), kinds.length)
  const ends = unlessStarted.move()
  return {
    operator,
    account,
    servers,
    accountServer,
    folder: folder.path,
    spec,
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  }
}

interface ResolverPlace {
  readonly dir: string
  readonly preload: Readonly<Record<string, string>>
  readonly system: string
  readonly url: string
}

/** A server with a cache must know its system account to ask others for the rest. */
function resolverConfig(kind: ResolverKind, {dir, preload, system, url}: ResolverPlace): string {
  const lines = (tokens: Readonly<Record<string, string>>): string =>
    `resolver_preload {\n${Object.entries(tokens)
      .map(([key, token]) => `${key}: ${token}`)
      .join('\n')}\n}`
  switch (kind) {
    case 'full':
      return `resolver: {type: full, dir: ${JSON.stringify(dir)}, interval: "2m"}\n${lines(preload)}`
    case 'cache':
      return `resolver: {type: cache, dir: ${JSON.stringify(dir)}, ttl: "5m"}\n${lines({[system]: preload[system]!})}`
    case 'memory':
      return `resolver: MEMORY\n${lines(preload)}`
    case 'url':
      return `resolver: URL(${JSON.stringify(url)})`
  }
}

/** Routes are there a moment after the servers are. */
async function waitForAll(spec: ConnectSpec, size: number): Promise<void> {
  await until(async () => {
    await using system = await SystemClient.open(spec)
    return (await system.servers()).length === size
  }, 15_000)
}

/** Answers with account tokens over HTTP, as servers with a URL resolver ask for them. */
export interface AccountServer extends AsyncDisposable {
  /** `http://…/jwt/v1/accounts/`. */
  readonly url: string
  readonly tokens: Record<string, string>
}

async function startAccountServer(tokens: Readonly<Record<string, string>>): Promise<AccountServer> {
  const held = {...tokens}
  const server = createServer((request, response) => {
    const key = request.url!.split('/').at(-1)
    const token = held[key]
    // A server asks for the folder itself when it starts.
    if (key !== '' && token === undefined) response.statusCode = 404
    response.end(token)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwt/v1/accounts/`,
    tokens: held,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
