import type {Msg} from '@nats-io/transport-node'

import {controlSubjects, hostCommands, type HostCommand} from '../control/subjects.js'
import {
  formatAck,
  formatInventory,
  formatPing,
  readDeleteLink,
  readPutLink,
  readScaleActor,
  readStartActor,
  readStartProvider,
  readStopActor,
  readStopProvider,
  type HostIdentity,
} from '../control/v0-requests.js'
import {LatticeError, UsageError} from '../errors.js'
import {isPublicKey} from '../keys/nkey.js'
import type {LinkRecord} from '../records/link.js'
import {SeveralVersionsError} from './choose.js'
import type {HostContext} from './context.js'
import type {Operations} from './operations.js'
import {Serving} from './serving.js'

export interface ControlServerOptions {
  readonly identity: () => HostIdentity
  readonly operations: Operations
  /** Somebody asked the host to stop; it is told after the acknowledgement was sent. */
  readonly onStop: () => void
}

/** Answers the control requests of one host (§2). */
export class ControlServer {
  readonly #context: HostContext
  readonly #options: ControlServerOptions
  readonly #servings: Serving[]

  /** Listens as soon as it returns. */
  constructor(context: HostContext, options: ControlServerOptions) {
    this.#context = context
    this.#options = options
    const {id, lattice, records} = context
    const subjects = controlSubjects(lattice)
    // One host of the lattice answers these; the names are those of newer v0 hosts.
    const [queries, links] = [`wasmbus.ctl.${lattice}.get`, `wasmbus.ctl.${lattice}.linkdefs`]
    this.#servings = [
      this.#serve(subjects.ping, (msg) => this.#reply(msg, formatPing(options.identity()))),
      this.#serve(subjects.inventory(id), (msg) => this.#reply(msg, this.#inventory())),
      this.#serve(subjects.claims, (msg) => this.#reply(msg, {claims: records.claims()}), queries),
      this.#serve(subjects.links, (msg) => this.#reply(msg, {links: records.links()}), queries),
      this.#serve(subjects.putLink, (msg) => this.#acknowledge(msg, (body) => this.#putLink(body)), links),
      this.#serve(subjects.deleteLink, (msg) => this.#acknowledge(msg, (body) => this.#deleteLink(body)), links),
      this.#serve(subjects.command(id, '*' as HostCommand), (msg) => this.#onCommand(msg)),
    ]
  }

  /** Resolves when the requests that came in are answered and no further one can arrive. */
  async stop(): Promise<void> {
    await Promise.all(this.#servings.map((serving) => serving.unsubscribe()))
    await Promise.all(this.#servings.map((serving) => serving.finished()))
  }

  #serve(subject: string, answer: (msg: Msg) => Promise<void> | void, queue?: string): Serving {
    return new Serving(this.#context, {subject, ...(queue === undefined ? {} : {queue})}, answer)
  }

  #inventory(): object {
    const identity = this.#options.identity()
    return formatInventory({host: identity, ...this.#options.operations.inventory}, identity.clusterKey)
  }

  async #onCommand(msg: Msg): Promise<void> {
    const name = msg.subject.slice(msg.subject.lastIndexOf('.') + 1)
    const command = hostCommands.find((known) => known === name)
    if (command === undefined) {
      const refusal = new UsageError(`This host does not know the command '${name}'.`)
      return this.#acknowledge(msg, () => Promise.reject(refusal))
    }
    await this.#acknowledge(msg, (body) => this.#run(command, body))
    if (command === 'stop' && this.#stopping) this.#options.onStop()
  }

  #stopping = false

  #run(command: HostCommand, body: Readonly<Record<string, unknown>>): Promise<void> {
    const host = body['host_id']
    if (typeof host === 'string' && host !== '' && host !== this.#context.id) {
      throw new UsageError(`The request is for host '${host}', and this is '${this.#context.id}'.`)
    }
    const {operations} = this.#options
    switch (command) {
      case 'la':
        return operations.startActor(readStartActor(body))
      case 'sa':
        return operations.stopActor(readStopActor(body))
      case 'scale':
        return operations.scaleActor(readScaleActor(body))
      case 'upd':
        return operations.updateActor()
      case 'lp':
        return operations.startProvider(readStartProvider(body))
      case 'sp':
        return operations.stopProvider(readStopProvider(body))
      case 'stop':
        this.#stopping = true
        return Promise.resolve()
    }
  }

  async #putLink(body: unknown): Promise<void> {
    await this.#context.records.putLink(checkedLink(readPutLink(body)))
  }

  async #deleteLink(body: unknown): Promise<void> {
    await this.#context.records.deleteLink(readDeleteLink(body))
  }

  async #acknowledge(msg: Msg, act: (body: Readonly<Record<string, unknown>>) => Promise<void>): Promise<void> {
    try {
      await act(readBody(msg))
      this.#reply(msg, formatAck({accepted: true, error: ''}))
    } catch (error) {
      this.#reply(msg, this.#refusal(error))
    }
  }

  /** A failure that nobody expected must not end the host; its operator sees it. */
  #refusal(error: unknown): object {
    if (error instanceof SeveralVersionsError) {
      return formatAck({accepted: false, error: error.message, candidates: error.candidates})
    }
    if (error instanceof LatticeError) return formatAck({accepted: false, error: error.message})
    this.#context.report({kind: 'warning', message: `A request failed in the host: ${String(error)}`})
    return formatAck({accepted: false, error: 'The host failed.'})
  }

  #reply(msg: Msg, answer: object): void {
    const {nc} = this.#context
    if (nc.isClosed()) return
    const data = Buffer.from(JSON.stringify(answer))
    const limit = nc.info?.max_payload ?? Infinity
    // A message above the limit would cost the host its connection.
    const tooLarge = {accepted: false, error: `The answer has ${data.length} bytes and fits into no message.`}
    msg.respond(data.length <= limit ? data : JSON.stringify(tooLarge))
  }
}

function readBody(msg: Msg): Readonly<Record<string, unknown>> {
  let body: unknown
  try {
    body = JSON.parse(msg.string())
  } catch (cause) {
    throw new UsageError('The request is not JSON.', {cause})
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>
  throw new UsageError('The request is not a JSON object.')
}

function checkedLink(link: LinkRecord): LinkRecord {
  if (!isPublicKey(link.actor_id, 'M')) throw new UsageError('The link names no actor key.')
  if (!isPublicKey(link.provider_id, 'V')) throw new UsageError('The link names no provider key.')
  if (link.contract_id === '') throw new UsageError('The link names no contract.')
  if (!/^[A-Za-z0-9_-]+$/.test(link.link_name)) {
    throw new UsageError('A link name may hold letters, digits, - and _ only.')
  }
  return link
}
