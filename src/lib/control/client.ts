import type {NatsConnection} from '@nats-io/transport-node'

import {AmbiguousError, NotFoundError, ServerError, UnsafeError} from '../errors.js'
import {NoRespondersError, parseReply, request, requestJson} from '../nats/request.js'
import type {ClaimsRecord} from '../records/claims.js'
import type {LinkRecord} from '../records/link.js'
import {detectHosts, type DetectOptions} from './detect.js'
import type {
  Ack,
  HostInventory,
  HostPing,
  LatticeEvent,
  ScaleActor,
  StartActor,
  StartProvider,
  StopActor,
  StopProvider,
} from './dialect.js'
import {watchEvents} from './event-stream.js'
import {byText} from './order.js'
import {controlSubjects, type ControlSubjects, type HostCommand} from './subjects.js'
import {parseAck, parseClaims, parseInventory, parseLinks} from './v0.js'
import {
  formatScaleActor,
  formatStartActor,
  formatStartProvider,
  formatStopActor,
  formatStopHost,
  formatStopProvider,
  type LinkKey,
} from './v0-requests.js'

/** A host answered that it does not do what it was asked; the sentence is its own. */
export class RefusedError extends ServerError {
  constructor(host: string, {error}: Ack) {
    super(`Host ${host} refused: ${error === '' ? 'it gave no reason.' : error.replace(/\.?$/, '.')}`, {
      details: {host, reason: error},
    })
  }
}

/** A host runs several versions of what it was asked to change, and the request named none. */
export class AmbiguousAckError extends AmbiguousError {
  constructor(host: string, {error, candidates = []}: Ack) {
    super(`Host ${host} refused: ${error}`, {
      suggestions: candidates.map(({version}) => `--version ${version}`),
      details: {host, reason: error, candidates},
    })
  }
}

export interface ControlOptions {
  readonly lattice: string
  /** The only dialect to speak; both when undefined. */
  readonly dialect?: 'v0' | 'v1' | undefined
  /** Longest wait for one answer. */
  readonly timeoutMs: number
  /** Time of `performance.now()` past which no request waits for long; default never. */
  readonly deadline?: number
}

/** What a request gets at least: a host that answers at all does so much sooner. */
const leastMs = 200

/**
 * Requests to the hosts of one lattice. All throw NoRespondersError, RequestTimeoutError or ConnectionError for a
 * failure on the way, and those that change something RefusedError or AmbiguousAckError when the host will not.
 */
export class ControlClient {
  readonly lattice: string
  readonly #nc: NatsConnection
  readonly #dialect: ControlOptions['dialect']
  readonly #timeoutMs: number
  readonly #deadline: number
  readonly #subjects: ControlSubjects
  #known: ReadonlyMap<string, HostPing> = new Map()

  constructor(nc: NatsConnection, {lattice, dialect, timeoutMs, deadline = Infinity}: ControlOptions) {
    this.#nc = nc
    this.#dialect = dialect
    this.lattice = lattice
    this.#timeoutMs = timeoutMs
    this.#deadline = deadline
    this.#subjects = controlSubjects(lattice)
  }

  /** How long a request may still take, in milliseconds. */
  get leftMs(): number {
    return Math.max(leastMs, Math.min(this.#timeoutMs, this.#deadline - performance.now()))
  }

  /** The same client in more of a hurry: all its requests together may take so many milliseconds. */
  within(ms: number): ControlClient {
    const deadline = Math.min(this.#deadline, performance.now() + ms)
    return new ControlClient(this.#nc, {
      lattice: this.lattice,
      dialect: this.#dialect,
      timeoutMs: this.#timeoutMs,
      deadline,
    })
  }

  /** The hosts that answer, sorted by id. */
  async hosts(options: DetectOptions = {}): Promise<HostPing[]> {
    const target = {lattice: this.lattice, dialect: this.#dialect, timeoutMs: this.leftMs}
    const hosts = await detectHosts(this.#nc, {...options, ...target})
    this.#known = new Map(hosts.map((host) => [host.id, host]))
    return hosts
  }

  /** What runs on one host; throws an UnsafeError for a host of another dialect. */
  async inventory(host: string): Promise<HostInventory> {
    refuseV1(this.#known.get(host))
    const subject = this.#subjects.inventory(host)
    return parseInventory(await requestJson(this.#nc, subject, undefined, {timeoutMs: this.leftMs, again: true}))
  }

  /** The ids of the components and providers that run on a v1 host. */
  async componentIds(host: string): Promise<string[]> {
    const {inventorySubject, parseComponentIds} = await import('./v1.js')
    const subject = inventorySubject(this.lattice, host)
    return parseComponentIds(await requestJson(this.#nc, subject, undefined, {timeoutMs: this.leftMs, again: true}))
  }

  /** What runs on all v0 hosts that answer, sorted by host id; throws when one of them falls silent in between. */
  async inventories(): Promise<HostInventory[]> {
    const hosts = await this.hosts()
    return Promise.all(hosts.filter(({dialect}) => dialect === 'v0').map(({id}) => this.inventory(id)))
  }

  async startActor(host: string, start: StartActor): Promise<void> {
    await this.#command(host, 'la', formatStartActor(host, start))
  }

  async stopActor(host: string, stop: StopActor): Promise<void> {
    await this.#command(host, 'sa', formatStopActor(host, stop))
  }

  async scaleActor(host: string, scale: ScaleActor): Promise<void> {
    await this.#command(host, 'scale', formatScaleActor(host, scale))
  }

  async startProvider(host: string, start: StartProvider): Promise<void> {
    await this.#command(host, 'lp', formatStartProvider(host, start))
  }

  async stopProvider(host: string, stop: StopProvider): Promise<void> {
    await this.#command(host, 'sp', formatStopProvider(host, stop))
  }

  async stopHost(host: string): Promise<void> {
    await this.#command(host, 'stop', formatStopHost(host, this.#timeoutMs))
  }

  /** Asks any one host to store a link; without a host, putting it into the bucket does the same. */
  async putLink(link: LinkRecord): Promise<void> {
    await this.#any(this.#subjects.putLink, link)
  }

  async deleteLink({actor_id, contract_id, link_name}: LinkKey): Promise<void> {
    await this.#any(this.#subjects.deleteLink, {actor_id, contract_id, link_name})
  }

  /** The claims that hosts know; our hosts tell those of each version. Empty when no host answers. */
  async claims(): Promise<ClaimsRecord[]> {
    const claims = parseClaims(await this.#query(this.#subjects.claims))
    return claims.sort((a, b) => byText(a.sub, b.sub) || byText(a.version, b.version))
  }

  /** The links that hosts know; empty when no host answers. */
  async links(): Promise<LinkRecord[]> {
    const links = parseLinks(await this.#query(this.#subjects.links))
    const order = ({actor_id, contract_id, link_name}: LinkRecord): string =>
      [actor_id, contract_id, link_name].join('\n')
    return links.sort((a, b) => byText(order(a), order(b)))
  }

  /** What happens from now on, each event once, until the signal aborts. It listens as soon as this returns. */
  watchEvents(signal: AbortSignal): AsyncIterableIterator<LatticeEvent> {
    return watchEvents(this.#nc, this.#subjects.events, signal)
  }

  async #command(host: string, command: HostCommand, body: object): Promise<void> {
    const known = this.#known.get(host) ?? (await this.hosts()).find(({id}) => id === host)
    if (known === undefined) {
      throw new NotFoundError(`No host '${host}' answers in lattice '${this.lattice}'.`, {
        suggestions: ['lattice host ls'],
        details: {host},
      })
    }
    refuseV1(known)
    refuseUnversioned(known, body)
    await this.#acknowledged(host, this.#subjects.command(host, command), body)
  }

  async #any(subject: string, body: object): Promise<void> {
    await this.#acknowledged('that answered', subject, body)
  }

  async #acknowledged(host: string, subject: string, body: object): Promise<void> {
    const ack = parseAck(await requestJson(this.#nc, subject, body, {timeoutMs: this.leftMs}))
    if (ack.accepted) return
    throw ack.candidates === undefined ? new RefusedError(host, ack) : new AmbiguousAckError(host, ack)
  }

  async #query(subject: string): Promise<unknown> {
    try {
      // One host answers; when that one hangs, there must be time for what is left to do.
      const reply = await request(this.#nc, subject, '', {timeoutMs: this.leftMs / 2, again: true})
      return parseReply(reply.string(), subject)
    } catch (error) {
      if (error instanceof NoRespondersError) return {}
      throw error
    }
  }
}

/** Hosts of the newer dialect are listed and nothing else. */
function refuseV1(host: HostPing | undefined): void {
  if (host?.dialect !== 'v1') return
  throw new UnsafeError(`Host ${host.id} speaks the wasmCloud 1.x protocol, which is not supported yet.`, {
    suggestions: ['lattice host ls'],
    details: {host: host.id, dialect: host.dialect},
  })
}

/** A host that does not know versions would ignore the field and act on whatever runs. */
function refuseUnversioned(host: HostPing, body: object): void {
  if (host.versioned || !('version' in body || 'dark' in body)) return
  throw new UnsafeError(`Host ${host.id} cannot act on one version among several: it does not speak versioned RPC.`, {
    suggestions: ['lattice host ls'],
    details: {host: host.id},
  })
}
