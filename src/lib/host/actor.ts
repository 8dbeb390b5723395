import {randomUUID} from 'node:crypto'

import type {Msg} from '@nats-io/transport-node'

import type {ActorInstance} from '../control/dialect.js'
import type {Version} from '../entity/version.js'
import {LatticeError} from '../errors.js'
import {queueGroup} from '../routing/source.js'
import {actorEntity, isActorKey, rpcSubject} from '../rpc/address.js'
import {refusalOf} from '../rpc/antiforgery.js'
import {decodeInvocation, type Invocation} from '../rpc/invocation.js'
import {deadlineText, encodeResponseWithin} from '../rpc/response.js'
import {callOut} from './actor-calls.js'
import type {ActorArtifact} from './artifact.js'
import type {HostContext} from './context.js'
import {type WorkerBudget} from '../wasm/budget.js'
import {DeadlineError} from '../wasm/guest-errors.js'
import {ActorPool} from '../wasm/pool.js'
import {Serving} from './serving.js'

export interface ActorOptions {
  readonly count: number
  readonly dark: boolean
  readonly annotations: Readonly<Record<string, string>>
  readonly budget: WorkerBudget
}

/** One version of an actor that runs on this host: its subscriptions and its workers. */
export class RunningActor {
  readonly artifact: ActorArtifact
  readonly annotations: Readonly<Record<string, string>>
  readonly instanceId = randomUUID()
  readonly #context: HostContext
  readonly #pool: ActorPool
  #shared: Serving | undefined
  #versioned: Serving | undefined
  #ending: Promise<void> | undefined

  private constructor(context: HostContext, artifact: ActorArtifact, {count, annotations, budget}: ActorOptions) {
    this.#context = context
    this.artifact = artifact
    this.annotations = annotations
    const {key, name, version, caps} = artifact.claims
    this.#pool = ActorPool.open(artifact.bytes, {
      count,
      budget,
      hostCall: (call) => callOut(context, {key, caps}, call),
      log: (line) => context.report({kind: 'log', actor: name, ...(version === undefined ? {} : {version}), line}),
    })
  }

  /** Listens as soon as it returns; throws a ModuleError when the module is no actor. */
  static start(context: HostContext, artifact: ActorArtifact, options: ActorOptions): RunningActor {
    const actor = new RunningActor(context, artifact, options)
    if (actor.version !== undefined) actor.#versioned = actor.#serve(actor.version)
    if (!options.dark) actor.#shared = actor.#serve()
    return actor
  }

  get key(): string {
    return this.artifact.claims.key
  }

  get name(): string {
    return this.artifact.claims.name
  }

  get version(): Version | undefined {
    return this.artifact.claims.version
  }

  get count(): number {
    return this.#pool.stats.count
  }

  get dark(): boolean {
    return this.#shared === undefined
  }

  get inventory(): ActorInstance {
    const {count, workers} = this.#pool.stats
    return {
      ...(this.version === undefined ? {} : {version: this.version}),
      imageRef: this.artifact.ref,
      count,
      workers,
      dark: this.dark,
      annotations: this.annotations,
      instanceId: this.instanceId,
    }
  }

  resize(count: number): void {
    this.#pool.resize(count)
  }

  /** Joins or leaves the unversioned subject; the versioned one stays. */
  async setDark(dark: boolean): Promise<void> {
    if (dark === this.dark) return
    const shared = this.#shared
    this.#shared = dark ? undefined : this.#serve()
    await shared?.unsubscribe()
  }

  /** Resolves when no further call can arrive; the running ones go on until `ended`. */
  async stop(): Promise<void> {
    const servings = [this.#shared, this.#versioned].filter((serving) => serving !== undefined)
    await Promise.all(servings.map((serving) => serving.unsubscribe()))
    this.#ending ??= Promise.all(servings.map((serving) => serving.finished())).then(() => this.#pool.drain())
  }

  /** Resolves when, after a stop, all calls are answered and the workers have ended. */
  async ended(): Promise<void> {
    await this.#ending
  }

  #serve(version?: Version): Serving {
    const {lattice} = this.#context
    const subject = rpcSubject(lattice, actorEntity(this.key), version)
    const queue = queueGroup(lattice, {kind: 'actor', key: this.key})
    return new Serving(this.#context, {subject, queue}, (msg) => this.#answer(msg))
  }

  async #answer(msg: Msg): Promise<void> {
    const deadline = Date.now() + this.#context.rpcTimeoutMs
    let id = ''
    try {
      const invocation = decodeInvocation(msg.data)
      id = invocation.id
      const refusal = this.#refusal(invocation)
      if (refusal !== undefined) {
        this.#respond(msg, id, {error: refusal})
        return
      }
      const payload = await this.#pool.call(invocation.operation, invocation.msg, deadline)
      this.#respond(msg, id, {payload})
    } catch (error) {
      this.#respond(msg, id, {error: this.#errorText(error)})
    }
  }

  #refusal(invocation: Invocation): string | undefined {
    const {clusterIssuers} = this.#context
    const refusal = refusalOf(invocation, {clusterIssuers, targetKey: this.key, now: Date.now() / 1000})
    if (refusal !== undefined) return refusal
    const {publicKey, contractId} = invocation.origin
    if (isActorKey(publicKey) || this.artifact.claims.caps.includes(contractId)) return undefined
    return `The actor does not claim the capability '${contractId}'.`
  }

  #respond(msg: Msg, invocationId: string, {payload, error}: {payload?: Uint8Array; error?: string}): void {
    if (this.#context.nc.isClosed()) return
    const answer = payload ?? new Uint8Array()
    const response = {
      invocationId,
      msg: answer,
      contentLength: answer.length,
      instanceId: this.instanceId,
      ...(error === undefined ? {} : {error}),
    }
    msg.respond(encodeResponseWithin(response, this.#context.nc.info?.max_payload ?? Infinity))
  }

  /** What a caller is told; a bug of ours is no business of theirs, and must not end the host. */
  #errorText(error: unknown): string {
    if (error instanceof DeadlineError) return deadlineText
    if (error instanceof LatticeError) return error.message
    this.#context.report({kind: 'warning', message: `A call of '${this.name}' failed in the host: ${String(error)}`})
    return 'The host failed.'
  }
}
