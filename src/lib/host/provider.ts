import {randomUUID} from 'node:crypto'

import {decode, encode} from '@msgpack/msgpack'
import type {Msg} from '@nats-io/transport-node'
import {z} from 'zod'

import type {ProviderInventory} from '../control/dialect.js'
import type {Version} from '../entity/version.js'
import {encodeVersion} from '../entity/version.js'
import {builtinHttpserver} from '../records/builtin.js'
import {linkSchema, type LinkRecord} from '../records/link.js'
import {queueGroup} from '../routing/source.js'
import {rpcSubject} from '../rpc/address.js'
import {refusalOf} from '../rpc/antiforgery.js'
import {decodeInvocation} from '../rpc/invocation.js'
import {encodeResponseWithin} from '../rpc/response.js'
import type {HostContext} from './context.js'
import {HttpPorts} from './http-ports.js'
import {Serving} from './serving.js'

export interface ProviderOptions {
  /** Link name. */
  readonly link: string
  readonly dark: boolean
  readonly config?: string
  readonly annotations: Readonly<Record<string, string>>
  /** Another program asks this instance to stop. */
  readonly onShutdown: () => void
}

const shutdownSchema = z.looseObject({host_id: z.string(), version: z.string().nullish()})
const nothing = new Uint8Array()

/** One instance of the HTTP server provider: its subscriptions (§5, §8.2 #5) and its ports. */
export class RunningProvider {
  readonly key = builtinHttpserver.key
  readonly name = builtinHttpserver.name
  readonly contract = builtinHttpserver.contract
  readonly version = builtinHttpserver.version as Version
  readonly ref = builtinHttpserver.ref
  readonly options: ProviderOptions
  /** A provider runs once for each link name. */
  readonly count = 1
  readonly #context: HostContext
  readonly #ports: HttpPorts
  readonly #instanceId = randomUUID()
  readonly #servings: Serving[] = []

  private constructor(context: HostContext, options: ProviderOptions) {
    this.#context = context
    this.options = options
    this.#ports = new HttpPorts(context, options.link)
  }

  /** Listens as soon as it returns; the ports of its links open one after the other. */
  static start(context: HostContext, options: ProviderOptions): RunningProvider {
    const provider = new RunningProvider(context, options)
    provider.#subscribe()
    for (const link of context.records.links()) if (provider.owns(link)) provider.putLink(link)
    return provider
  }

  get inventory(): ProviderInventory {
    const {link, dark, annotations} = this.options
    return {
      key: this.key,
      link,
      contract: this.contract,
      name: this.name,
      version: this.version,
      imageRef: this.ref,
      dark,
      annotations,
      instanceId: this.#instanceId,
      links: this.#ports.states,
    }
  }

  /** True when a link ties an actor to this instance. */
  owns({provider_id, link_name, contract_id}: LinkRecord): boolean {
    return provider_id === this.key && link_name === this.options.link && contract_id === this.contract
  }

  putLink(link: LinkRecord): void {
    void this.#ports.put(link)
  }

  deleteLink(link: LinkRecord): void {
    void this.#ports.delete(link.actor_id)
  }

  /** Resolves when its ports are free and no further message can arrive. */
  async stop(): Promise<void> {
    await Promise.all([this.#ports.close(), ...this.#servings.map((serving) => serving.unsubscribe())])
  }

  /** Resolves when, after a stop, all that came in is answered. */
  async ended(): Promise<void> {
    await Promise.all([this.#ports.finished(), ...this.#servings.map((serving) => serving.finished())])
  }

  #subscribe(): void {
    const {lattice} = this.#context
    const address = {publicKey: this.key, linkName: this.options.link}
    const shared = rpcSubject(lattice, address)
    const versioned = rpcSubject(lattice, address, this.version)
    const queue = queueGroup(lattice, {kind: 'provider', key: this.key, link: this.options.link})
    for (const subject of this.options.dark ? [versioned] : [shared, versioned]) {
      this.#serve(subject, (msg) => this.#refuse(msg), queue)
    }
    this.#serve(`${shared}.linkdefs.put`, (msg) => this.#onLink(msg, (link) => this.putLink(link)))
    this.#serve(`${shared}.linkdefs.del`, (msg) => this.#onLink(msg, (link) => this.deleteLink(link)))
    for (const subject of [shared, `${shared}.${encodeVersion(this.version)}`]) {
      this.#serve(`${subject}.health`, (msg) => void msg.respond(encode({healthy: true})))
      this.#serve(`${subject}.shutdown`, (msg) => this.#onShutdown(msg))
    }
  }

  #serve(subject: string, answer: (msg: Msg) => void, queue?: string): void {
    this.#servings.push(new Serving(this.#context, {subject, ...(queue === undefined ? {} : {queue})}, answer))
  }

  /** Actors are called by this provider and have nothing to ask of it. */
  #refuse(msg: Msg): void {
    const {clusterIssuers, nc} = this.#context
    const invocation = readOr(() => decodeInvocation(msg.data))
    const policy = {clusterIssuers, targetKey: this.key, now: Date.now() / 1000}
    const error =
      invocation === undefined
        ? 'The message is no invocation.'
        : (refusalOf(invocation, policy) ?? `The provider has no operation '${invocation.operation}'.`)
    const response = {invocationId: invocation?.id ?? '', msg: nothing, contentLength: 0, error}
    msg.respond(encodeResponseWithin(response, nc.info?.max_payload ?? Infinity))
  }

  #onLink(msg: Msg, apply: (link: LinkRecord) => void): void {
    const link = readOr(() => linkSchema.parse(decode(msg.data)))
    if (link !== undefined && this.owns(link)) apply(link)
  }

  /** Only its own host may end it, and of several versions only the one that is meant. */
  #onShutdown(msg: Msg): void {
    const request = readOr(() => shutdownSchema.parse(JSON.parse(msg.string())))
    if (request?.host_id !== this.#context.id) return
    if (typeof request.version === 'string' && request.version !== this.version) return
    msg.respond('shutting down')
    this.options.onShutdown()
  }
}

/** What does not parse is nobody's message; undefined. */
function readOr<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
