import {once} from 'node:events'
import {mkdir, mkdtemp, writeFile} from 'node:fs/promises'
import {createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {createKey, type SigningKey} from '../../src/lib/keys/nkey.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {createOperatorKeys, createUser, operatorTokens} from '../../src/lib/keys/operator.js'
import {startIn, type TestServer, type TestServerOptions} from './running-server.js'
import {until} from './until.js'

export type {TestServer, TestServerOptions} from './running-server.js'
export {until} from './until.js'

export interface OperatorServer extends TestServer {
  readonly operator: SigningKey
  readonly operatorSigning: SigningKey
  readonly systemAccount: SigningKey
  readonly account: SigningKey
  readonly clusterKey: SigningKey
  readonly credsFile: string
  readonly sysCredsFile: string
  readonly operatorKeyFile: string
  readonly clusterSeedFile: string
  /** A spec that has everything a route change needs; `lattice` defaults to `default`. */
  spec: (lattice?: string) => ConnectSpec
}

/** Starts a server: `await using server = await startNatsServer({jetstream: true})`. */
export async function startNatsServer(options: TestServerOptions = {}): Promise<TestServer> {
  const dir = await mkdtemp(join(tmpdir(), 'lattice-test-'))
  return startIn(dir, options)
}

/** Starts a server in operator mode with one account that has JetStream, its creds and keys in files. */
export async function startOperatorServer(options: TestServerOptions = {}): Promise<OperatorServer> {
  const operator = createTestOperator()
  return operatorServer(operator, {jetstream: true, ...options})
}

/** Starts a cluster whose servers share operator and accounts; ends them all at once when disposed. */
export async function startOperatorCluster(size: number): Promise<OperatorCluster> {
  const operator = createTestOperator()
  const ports = await Promise.all(Array.from({length: size}, () => freePort()))
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`).join(', ')
  const started = await Promise.allSettled(
    ports.map((port, index) =>
      operatorServer(operator, {
        jetstream: true,
        serverName: `S${index}`,
        config: `cluster {name: "test", listen: "127.0.0.1:${port}", routes: [${routes}]}`,
      }),
    ),
  )
  const servers = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const dispose = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
  }
  const failed = started.find((result) => result.status === 'rejected')
  if (failed === undefined) {
    try {
      await Promise.all(
        servers.map((server) =>
          waitForLog(
            server,
            'JetStream cluster new metadata leader|Self is new JetStream cluster metadata leader',
            20_000,
          ),
        ),
      )
      await Promise.all(servers.map(waitForJetStream))
      return {
        servers,
        spec: (lattice) => ({...servers[0]!.spec(lattice), servers: servers.map(({url}) => url)}),
        [Symbol.asyncDispose]: dispose,
      }
    } catch (error) {
      await dispose()
      throw error
    }
  }
  await dispose()
  throw failed.reason
}

export interface OperatorCluster extends AsyncDisposable {
  readonly servers: readonly OperatorServer[]
  /** As that of one server, with the addresses of all. */
  spec: (lattice?: string) => ConnectSpec
}

/** A port of the loopback address that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.')
  return address.port
}

/** Operator, system account, one account with JetStream, and a user of each, for servers that share them. */
export interface TestOperator {
  readonly keys: ReturnType<typeof createOperatorKeys>
  readonly tokens: ReturnType<typeof operatorTokens>
  readonly creds: string
  readonly sysCreds: string
  readonly clusterKey: SigningKey
}

export function createTestOperator(): TestOperator {
  const keys = createOperatorKeys()
  const now = Math.floor(Date.now() / 1000)
  return {
    keys,
    tokens: operatorTokens(keys, {operator: 'test', account: 'APP'}, now),
    creds: createUser(keys.account, 'user', now).creds,
    sysCreds: createUser(keys.systemAccount, 'sys', now).creds,
    clusterKey: createKey('C'),
  }
}

/** Starts one server of an operator, with its account's creds and keys in files of its own. */
export async function operatorServer(operator: TestOperator, options: TestServerOptions): Promise<OperatorServer> {
  const {keys, tokens, clusterKey} = operator
  const dir = await mkdtemp(join(tmpdir(), 'lattice-test-'))
  const accounts = join(dir, 'accounts')
  await mkdir(accounts)
  const files = {
    credsFile: join(dir, 'user.creds'),
    sysCredsFile: join(dir, 'sys.creds'),
    operatorKeyFile: join(dir, 'operator.seed'),
    clusterSeedFile: join(dir, 'cluster.seed'),
  }
  await Promise.all([
    writeSecret(join(accounts, `${keys.systemAccount.publicKey}.jwt`), tokens.systemAccount),
    writeSecret(join(accounts, `${keys.account.publicKey}.jwt`), tokens.account),
    writeSecret(files.credsFile, operator.creds),
    writeSecret(files.sysCredsFile, operator.sysCreds),
    writeSecret(files.operatorKeyFile, `${keys.operatorSigning.seed}\n`),
    writeSecret(files.clusterSeedFile, `${clusterKey.seed}\n`),
  ])
  const base = [
    `operator: ${tokens.operator}`,
    `system_account: ${keys.systemAccount.publicKey}`,
    `resolver: {type: full, dir: ${JSON.stringify(accounts)}, allow_delete: false, interval: "2m"}`,
  ].join('\n')
  const server = await startIn(dir, {...options}, base)
  const spec = (lattice = 'default'): ConnectSpec => ({
    servers: [server.url],
    credentials: {kind: 'creds', file: files.credsFile},
    lattice,
    clusterSeedFile: files.clusterSeedFile,
    operatorKeyFile: files.operatorKeyFile,
    sysCreds: files.sysCredsFile,
    protected: false,
    timeoutMs: 5000,
    connectTimeoutMs: 5000,
  })
  const {operator: identity, operatorSigning, systemAccount, account} = keys
  return Object.assign(server, {
    ...files,
    operator: identity,
    operatorSigning,
    systemAccount,
    account,
    clusterKey,
    spec,
  })
}

function writeSecret(path: string, text: string): Promise<void> {
  return writeFile(path, text, {mode: 0o600})
}

/** Servers of a cluster learn of the account's JetStream a moment after its leader was chosen. */
export async function waitForJetStream(server: Pick<OperatorServer, 'spec'>): Promise<void> {
  const nc = await openConnection(server.spec())
  try {
    await until(async () => {
      const reply = await nc.request('$JS.API.INFO', '', {timeout: 2000}).catch(() => undefined)
      return reply?.json<{error?: unknown}>().error === undefined && reply !== undefined
    }, 20_000)
  } finally {
    await nc.close()
  }
}

async function waitForLog(server: TestServer, pattern: string, withinMs: number): Promise<void> {
  const wanted = new RegExp(pattern)
  await until(async () => wanted.test(await server.log()), withinMs)
}
