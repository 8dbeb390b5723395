import {spawn, type ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {readFile, readdir, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {findNatsServer} from '../../src/lib/server/find.js'
import {until} from './until.js'

export interface TestServerOptions {
  /** Text that goes into the configuration file as it is. */
  readonly config?: string
  /** JetStream in a temp folder. */
  readonly jetstream?: boolean
  /** Name of the JetStream domain. */
  readonly domain?: string
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

/** Starts a server in an existing folder, which is removed with it; `base` is configuration that reload keeps. */
export async function startIn(dir: string, options: TestServerOptions, base = ''): Promise<TestServer> {
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
    const killWithUs = (): boolean => child.kill('SIGKILL')
    process.once('exit', killWithUs)
    child.once('exit', () => process.removeListener('exit', killWithUs))
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
    if (child?.exitCode !== null || child.signalCode !== null) return
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
      url = /(?:nats|tls):\/\/127\.0\.0\.1:\d+/.exec(text)?.[0]
      return url !== undefined && text.trimEnd().endsWith('}')
    }, 5000)
    return Number(new URL(url!).port)
  }

  async #writeConfig(): Promise<void> {
    const {jetstream = false, domain, serverName = 'test'} = this.#options
    const store = `store_dir: ${JSON.stringify(join(this.dir, 'jetstream'))}`
    const lines = [
      `server_name: ${JSON.stringify(serverName)}`,
      `listen: "127.0.0.1:${this.#port}"`,
      `ports_file_dir: ${JSON.stringify(this.dir)}`,
      `log_file: ${JSON.stringify(join(this.dir, 'server.log'))}`,
      ...(jetstream ? [`jetstream {${store}${domain === undefined ? '' : `, domain: ${domain}`}}`] : []),
      this.#base,
      this.#config,
    ]
    await writeFile(join(this.dir, 'server.conf'), `${lines.join('\n')}\n`, {mode: 0o600})
  }
}
