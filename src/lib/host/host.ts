import type {NatsConnection} from '@nats-io/transport-node'

import type {HostInventory} from '../control/dialect.js'
import {formatHeartbeat, type HostIdentity} from '../control/v0-requests.js'
import {ConnectionError, LatticeError} from '../errors.js'
import type {SigningKey} from '../keys/nkey.js'
import {openConnection} from '../nats/connect.js'
import type {ConnectSpec} from '../nats/spec.js'
import type {HostContext} from './context.js'
import {ControlServer} from './control-server.js'
import {EventPublisher} from './events.js'
import {friendlyName} from './identity.js'
import {Operations} from './operations.js'
import {WorkerBudget} from '../wasm/budget.js'
import {LatticeRecords} from './records.js'
import type {Report} from './report.js'
import {settleWithin} from './serving.js'

export interface HostOptions {
  readonly spec: ConnectSpec
  readonly hostKey: SigningKey
  /** Signs the calls that leave this host; calls it signed are accepted. */
  readonly clusterKey: SigningKey
  /** Further public keys `C…` whose calls are accepted. */
  readonly clusterIssuers: readonly string[]
  /** Public keys `A…` whose modules run; empty means anybody's. */
  readonly allowedIssuers: readonly string[]
  /** Folders whose files may be opened. */
  readonly allowFiles: readonly string[]
  readonly stateFile?: string
  /** Worker threads over all actors. */
  readonly maxWorkers: number
  readonly labels: Readonly<Record<string, string>>
  /** Of this program. */
  readonly version: string
  /** Longest time of one call. */
  readonly rpcTimeoutMs: number
  readonly report: Report
  /** How often it says that it is there; default 30 000. */
  readonly heartbeatMs?: number
}

const heartbeatMs = 30_000
const closeWithinMs = 2000

/** A running host: its connection, all that runs on it, and the answers to control requests. */
export class Host implements AsyncDisposable {
  readonly id: string
  readonly name: string
  readonly #options: HostOptions
  readonly #nc: NatsConnection
  readonly #startedAt = performance.now()
  readonly #ended: Promise<string>
  #end!: (reason: string) => void
  #context!: HostContext
  #operations: Operations | undefined
  #control: ControlServer | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #stopping: Promise<void> | undefined

  private constructor(options: HostOptions, nc: NatsConnection) {
    this.#options = options
    this.#nc = nc
    this.id = options.hostKey.publicKey
    this.name = friendlyName(this.id)
    this.#ended = new Promise((resolve) => (this.#end = resolve))
  }

  /** Connects, restores what ran, and answers; throws a ConnectionError when there is no server or no JetStream. */
  static async open(options: HostOptions): Promise<Host> {
    const {lattice} = options.spec
    const nc = await openConnection(options.spec, {name: `lattice host ${lattice}`, reconnect: 'forever'})
    const host = new Host(options, nc)
    try {
      await host.#start()
      return host
    } catch (error) {
      await nc.close()
      throw error
    }
  }

  get inventory(): HostInventory {
    const {actors = [], providers = []} = this.#operations?.inventory ?? {}
    return {host: this.#identity(), actors, providers}
  }

  /** Runs until the signal aborts or somebody asks the host to stop, then drains. */
  async run({signal}: {signal: AbortSignal}): Promise<void> {
    const onAbort = (): void => this.#end(typeof signal.reason === 'string' ? signal.reason : 'asked to')
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, {once: true})
    const closed = this.#nc.closed().then((error) => new LostConnectionError(error))
    const ended = await Promise.race([this.#ended, closed])
    signal.removeEventListener('abort', onAbort)
    await this.stop(typeof ended === 'string' ? ended : ended.message)
    if (typeof ended !== 'string') throw ended
  }

  /** Takes no more requests, answers those that came in, says goodbye and disconnects. */
  stop(reason = 'asked to'): Promise<void> {
    this.#end(reason)
    this.#stopping ??= this.#drain(reason)
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #start(): Promise<void> {
    const {spec, clusterKey, clusterIssuers, rpcTimeoutMs, report, stateFile} = this.#options
    const {lattice} = spec
    const events = new EventPublisher(this.#nc, {lattice, host: this.id, report})
    const records = await LatticeRecords.open(this.#nc, {
      lattice,
      spec,
      report,
      onLink: (change) => {
        const {id, actor_id, provider_id, link_name, contract_id, values} = change.link
        const told = {id, actor_id, provider_id, link_name, contract_id, values}
        events.publish(change.kind === 'set' ? 'linkdef_set' : 'linkdef_deleted', told)
        this.#operations?.onLink(change)
      },
    })
    this.#context = {
      id: this.id,
      lattice,
      nc: this.#nc,
      clusterKey,
      clusterIssuers: new Set([clusterKey.publicKey, ...clusterIssuers]),
      rpcTimeoutMs,
      records,
      events,
      report,
    }
    const operations = new Operations(this.#context, {
      artifacts: {allowFiles: this.#options.allowFiles, allowedIssuers: new Set(this.#options.allowedIssuers)},
      budget: new WorkerBudget(this.#options.maxWorkers),
      ...(stateFile === undefined ? {} : {stateFile}),
    })
    this.#operations = operations
    await operations.restore()
    this.#announce(operations)
  }

  #announce(operations: Operations): void {
    this.#control = new ControlServer(this.#context, {
      identity: () => this.#identity(),
      operations,
      onStop: () => this.#end('a request to stop'),
    })
    void this.#followConnection()
    this.#heartbeat = setInterval(() => this.#beat(), this.#options.heartbeatMs ?? heartbeatMs)
    const {labels, name, uptimeSeconds, version, server, lattice} = this.#identity()
    this.#context.events.publish('host_started', {labels, friendly_name: name, uptime_seconds: uptimeSeconds, version})
    this.#beat()
    this.#options.report({kind: 'ready', host: this.id, name, lattice, server})
  }

  #beat(): void {
    this.#context.events.heartbeat(formatHeartbeat(this.inventory))
  }

  /** The client makes its subscriptions again by itself; a server that lost its store knows nothing of us. */
  async #followConnection(): Promise<void> {
    for await (const {type} of this.#nc.status()) {
      if (this.#stopping !== undefined) return
      if (type === 'disconnect') this.#options.report({kind: 'connection', state: 'lost'})
      if (type === 'reconnect') {
        this.#options.report({kind: 'connection', state: 'restored'})
        await this.#restoreRecords()
      }
    }
  }

  async #restoreRecords(): Promise<void> {
    try {
      await this.#context.records.ensure()
      await this.#operations?.announce()
      this.#beat()
    } catch (error) {
      if (!(error instanceof LatticeError)) throw error
      this.#options.report({kind: 'warning', message: error.message})
    }
  }

  async #drain(reason: string): Promise<void> {
    this.#options.report({kind: 'draining', reason})
    clearInterval(this.#heartbeat)
    await this.#control?.stop()
    await this.#operations?.drain()
    this.#context.events.publish('host_stopped', {labels: this.#options.labels, reason})
    await this.#context.records[Symbol.asyncDispose]()
    await this.#close()
    this.#options.report({kind: 'stopped', host: this.id})
  }

  /** What was published still leaves, if there is a server to take it. */
  async #close(): Promise<void> {
    if (this.#nc.isClosed()) return
    await settleWithin(this.#nc.flush(), closeWithinMs)
    await this.#nc.close()
  }

  #identity(): HostIdentity {
    const {spec, clusterKey, labels, version} = this.#options
    return {
      id: this.id,
      name: this.name,
      version,
      labels,
      uptimeSeconds: Math.floor((performance.now() - this.#startedAt) / 1000),
      lattice: spec.lattice,
      dialect: 'v0',
      versioned: true,
      clusterKey: clusterKey.publicKey,
      clusterIssuers: [...new Set([clusterKey.publicKey, ...this.#options.clusterIssuers])],
      ...(spec.jsDomain === undefined ? {} : {jsDomain: spec.jsDomain}),
      server: this.#nc.getServer(),
    }
  }
}

/** The client gave up its connection for good, which only a refusal of its credentials makes it do. */
class LostConnectionError extends ConnectionError {
  constructor(cause: unknown) {
    super('The host lost its connection for good.', {cause})
  }
}
