import type {NatsConnection} from '@nats-io/transport-node'

import type {LatticeCache} from './cache/cache.js'
import type {ControlClient} from './control/client.js'
import type {EntityRef} from './entity/entity.js'
import {openConnection, type OpenOptions} from './nats/connect.js'
import type {ConnectSpec} from './nats/spec.js'
import type {SystemClient} from './nats/system.js'
import type {RouteAccess} from './routes/access.js'
import type {DeclaredServices} from './routes/declared.js'
import type {Routes} from './routes/routes.js'

/** What no server can be expected to answer within; milliseconds. */
const leastMs = 100

/** One open connection to one lattice. Its parts open on first use and close with it. */
export class Lattice implements AsyncDisposable {
  readonly spec: ConnectSpec
  readonly connection: NatsConnection
  /** When whoever opened it no longer wants to wait, by `performance.now()`. */
  readonly #deadline: number
  /** The spec with the time that connecting left. */
  readonly #rest: ConnectSpec
  #cache: Promise<LatticeCache> | undefined
  #control: Promise<ControlClient> | undefined
  #system: Promise<SystemClient> | undefined
  #routes: Promise<Routes> | undefined
  readonly #access: RouteAccess | undefined

  private constructor(
    spec: ConnectSpec,
    connection: NatsConnection,
    {deadline, access}: {readonly deadline: number; readonly access: RouteAccess | undefined},
  ) {
    this.spec = spec
    this.#access = access
    this.#deadline = deadline
    const timeoutMs = Math.min(spec.timeoutMs, Math.max(leastMs, Math.round(deadline - performance.now())))
    this.#rest = {...spec, timeoutMs, connectTimeoutMs: Math.min(spec.connectTimeoutMs, timeoutMs)}
    this.connection = connection
  }

  /** Connects; throws a ConnectionError that says why it cannot. */
  static async open(
    spec: ConnectSpec,
    {access, ...options}: OpenOptions & {readonly access?: RouteAccess | undefined} = {},
  ): Promise<Lattice> {
    const deadline = performance.now() + spec.timeoutMs
    return new Lattice(spec, await openConnection(spec, options), {deadline, access})
  }

  /** Name of the lattice. */
  get name(): string {
    return this.spec.lattice
  }

  /** The records in its JetStream buckets. */
  cache(): Promise<LatticeCache> {
    this.#cache ??= import('./cache/cache.js').then(({LatticeCache}) => LatticeCache.open(this.connection, this.#rest))
    return this.#cache
  }

  /** Requests to its hosts. */
  control(): Promise<ControlClient> {
    this.#control ??= import('./control/client.js').then(
      ({ControlClient}) =>
        new ControlClient(this.connection, {
          lattice: this.name,
          dialect: this.spec.dialect,
          timeoutMs: this.spec.timeoutMs,
          deadline: this.#deadline,
        }),
    )
    return this.#control
  }

  /** Requests to all servers; throws a ConnectionError without system credentials. */
  system(): Promise<SystemClient> {
    this.#system ??= import('./nats/system.js').then(({SystemClient}) => SystemClient.open(this.#rest))
    return this.#system
  }

  /** The splits of its entities' traffic. */
  routes(): Promise<Routes> {
    this.#routes ??= import('./routes/routes.js').then(async ({Routes}) =>
      Routes.open({
        connection: this.connection,
        spec: this.#rest,
        control: await this.control(),
        system: () => this.system(),
        access: this.#access,
      }),
    )
    return this.#routes
  }

  /** The services that a file declares, for whoever lists or calls what runs; undefined where there is no such file. */
  async declared(ref?: EntityRef): Promise<DeclaredServices | undefined> {
    const place = this.#access?.services
    if (place === undefined) return undefined
    const {findServicesText} = await import('./services/services-file-find.js')
    // Most have none, and routes are much to load.
    return (await findServicesText(place)) === undefined ? undefined : (await this.routes()).declared(ref)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const system = await this.#system?.catch(() => undefined)
    await system?.[Symbol.asyncDispose]()
    await this.connection.close()
  }
}
