import {spawn, type ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, mkdtemp, readFile, readdir, rm, writeFile} from 'node:fs/promises'
import {createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {createKey, type SigningKey} from '../../src/lib/keys/nkey.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {findNatsServer} from '../../src/lib/server/find.js'
import {createOperatorKeys, createUser, operatorTokens} from '../../src/lib/server/operator.js'

export interface TestServerOptions {
  /** Text that goes into the configuration file as it is. */
  readonly config?: string
  /** JetStream in a temp folder. */
  readonly jetstream?: boolean
  readonly serverName?: string
  /** Another binary, for tests that are about old servers. */
  readonly binary?: string
}

/** A real nats-server on a port chosen by the system; everything it wrote is removed at the end. */
export interface TestServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Of the running process; changes with restart. */
  readonly pid: number
  /** Its temp folder: `server.conf`, `server.log`, `jetstream/`. */
  readonly dir: string
  log: () => Promise<string>
  /** Replaces `options.config` and waits until the server says it reloaded; rejects with its reason when it refused. */
  reload: (config: string) => Promise<void>
  /** Ends the process (SIGTERM, then SIGKILL) and keeps the folder. */
  stop: () => Promise<void>
  /** SIGKILL, as a power cut would; keeps the folder. */
  kill: () => Promise<void>
  /** Starts it again on the same port with the same folder. */
  restart: () => Promise<void>
}

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
  const operator = await createTestOperator()
  return operatorServer(operator, {jetstream: true, ...options})
}

/** Starts a cluster whose servers share operator and accounts; ends them all at once when disposed. */
export async function startOperatorCluster(size: number): Promise<OperatorCluster> {
  const operator = await createTestOperator()
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

interface TestOperator {
  readonly keys: ReturnType<typeof createOperatorKeys>
  readonly tokens: ReturnType<typeof operatorTokens>
  readonly creds: string
  readonly sysCreds: string
  readonly clusterKey: SigningKey
}

async function createTestOperator(): Promise<TestOperator> {
  const keys = createOperatorKeys()
  const now = Math.floor(Date.now() / 1000)
  return Promise.resolve({
    keys,
    tokens: operatorTokens(keys, {operator: 'test', account: 'APP'}, now),
    creds: createUser(keys.account, 'user', now).creds,
    sysCreds: createUser(keys.systemAccount, 'sys', now).creds,
    clusterKey: createKey('C'),
  })
}

async function operatorServer(operator: TestOperator, options: TestServerOptions): Promise<OperatorServer> {
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

async function startIn(dir: string, options: TestServerOptions, base = ''): Promise<TestServer> {
  const server = new RunningServer(dir, options, base)
  try {
    await server.restart()
    return server
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}

class RunningServer implements TestServer {
  readonly dir: string
  readonly #options: TestServerOptions
  readonly #base: string
  #config: string
  #child: ChildProcess | undefined
  #port = -1

  constructor(dir: string, options: TestServerOptions, base: string) {
    this.dir = dir
    this.#options = options
    this.#base = base
    this.#config = options.config ?? ''
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`
  }

  get pid(): number {
    return this.#child?.pid ?? -1
  }

  log(): Promise<string> {
    return readFile(join(this.dir, 'server.log'), 'utf8').catch(() => '')
  }

  async restart(): Promise<void> {
    await this.stop()
    await rm(join(this.dir, 'server.log'), {force: true})
    await this.#writeConfig()
    const binary = this.#options.binary ?? (await findNatsServer())?.path
    if (binary === undefined) throw new Error('There is no nats-server: run `npm run setup`.')
    const child = spawn(binary, ['-c', join(this.dir, 'server.conf')], {stdio: 'ignore'})
    this.#child = child
    process.once('exit', () => child.kill('SIGKILL'))
    await until(
      async () => (await this.log()).includes('Server is ready'),
      15_000,
      () => {
        if (child.exitCode !== null) throw new Error('The nats-server ended at start.')
      },
    ).catch(async (error: unknown) => {
      throw new Error(`${String(error)}\n${await this.log()}`)
    })
    if (this.#port < 0) this.#port = await this.#readPort()
  }

  async reload(config: string): Promise<void> {
    const seen = (await this.log()).length
    this.#config = config
    await this.#writeConfig()
    this.#child?.kill('SIGHUP')
    await until(async () => {
      const news = (await this.log()).slice(seen)
      const refused = /Failed to reload server configuration: (.*)/.exec(news)
      if (refused !== null) throw new Error(refused[1])
      return news.includes('Reloaded server configuration')
    }, 10_000)
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGTERM')
    await rm(this.dir, {recursive: true, force: true, maxRetries: 5})
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(late)
  }

  /** The ports file comes a moment after the log line, and not at once as a whole. */
  async #readPort(): Promise<number> {
    let url: string | undefined
    await until(async () => {
      const file = (await readdir(this.dir)).find((name) => name.endsWith('.ports'))
      const text = file === undefined ? '' : await readFile(join(this.dir, file), 'utf8')
      url = /nats:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0]
      return url !== undefined && text.trimEnd().endsWith('}')
    }, 5000)
    return Number(new URL(url!).port)
  }

  async #writeConfig(): Promise<void> {
    const {jetstream = false, serverName = 'test'} = this.#options
    const lines = [
      `server_name: ${JSON.stringify(serverName)}`,
      `listen: "127.0.0.1:${this.#port}"`,
      `ports_file_dir: ${JSON.stringify(this.dir)}`,
      `log_file: ${JSON.stringify(join(this.dir, 'server.log'))}`,
      ...(jetstream ? [`jetstream {store_dir: ${JSON.stringify(join(this.dir, 'jetstream'))}}`] : []),
      this.#base,
      this.#config,
    ]
    await writeFile(join(this.dir, 'server.conf'), `${lines.join('\n')}\n`, {mode: 0o600})
  }
}

async function waitForLog(server: TestServer, pattern: string, withinMs: number): Promise<void> {
  const wanted = new RegExp(pattern)
  await until(async () => wanted.test(await server.log()), withinMs)
}

/** Polls until the condition holds; rejects after `withinMs` milliseconds. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  withinMs: number,
  watch: () => void = () => undefined,
): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await condition())) {
    watch()
    if (Date.now() > deadline) throw new Error(`The condition did not hold within ${withinMs} ms.`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
