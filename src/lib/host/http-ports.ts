import type {LinkState} from '../control/dialect.js'
import {byText} from '../control/order.js'
import {LatticeError, ServerError} from '../errors.js'
import {builtinHttpserver} from '../records/builtin.js'
import type {LinkRecord} from '../records/link.js'
import type {HostContext} from './context.js'
import {listenAddress} from '../records/http-address.js'
import {httpHandler} from './http-handler.js'
import {HttpListener} from './http-listener.js'

/** Nobody answers between the host that goes and the one that takes its place. */
const retryMs = 250

interface LinkedActor {
  readonly link: LinkRecord
  listener?: HttpListener
  error?: string
}

/** The HTTP ports of the actors that are linked to one instance of the HTTP server provider, one each. */
export class HttpPorts {
  readonly #context: HostContext
  readonly #linkName: string
  readonly #actors = new Map<string, LinkedActor>()
  readonly #closing = new Set<Promise<void>>()
  #work: Promise<void> = Promise.resolve()
  #retry: NodeJS.Timeout | undefined
  #closed = false

  constructor(context: HostContext, linkName: string) {
    this.#context = context
    this.#linkName = linkName
  }

  get states(): LinkState[] {
    return [...this.#actors.values()]
      .map(({link, listener, error}) => ({
        actor: link.actor_id,
        ...(listener === undefined ? {} : {address: listener.address}),
        ...(error === undefined ? {} : {error}),
      }))
      .sort((a, b) => byText(a.actor, b.actor))
  }

  /** Opens the port of a link, or moves it; what fails stands in `states` and is tried again. */
  put(link: LinkRecord): Promise<void> {
    return this.#inTurn(async () => {
      const present = this.#actors.get(link.actor_id)
      if (this.#closed || (present?.error === undefined && sameValues(present?.link, link))) return
      this.#close(link.actor_id)
      await this.#open(link)
    })
  }

  /** Closes the port of an actor; requests that came in are answered. */
  delete(actor: string): Promise<void> {
    return this.#inTurn(() => {
      this.#close(actor)
      return Promise.resolve()
    })
  }

  /** Frees all ports; resolves when that is done, while requests that came in are still being answered. */
  close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    return this.#inTurn(() => {
      for (const actor of this.#actors.keys()) this.#close(actor)
      return Promise.resolve()
    })
  }

  /** Resolves when, after a close, all requests are answered. */
  async finished(): Promise<void> {
    while (this.#closing.size > 0) await Promise.all(this.#closing)
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(step)
    return this.#work
  }

  async #open(link: LinkRecord, errorBefore?: string): Promise<void> {
    const {key: publicKey, contract: contractId} = builtinHttpserver
    const {actor_id: actor} = link
    const provider = {publicKey, contractId, linkName: this.#linkName}
    const told = {public_key: publicKey, link_name: this.#linkName, contract_id: contractId, actor_id: actor}
    const entry: LinkedActor = {link}
    this.#actors.set(actor, entry)
    try {
      entry.listener = await HttpListener.open(listenAddress(link.values), {
        handle: httpHandler(this.#context, {provider, actor}),
        maxBody: () => this.#context.nc.info?.max_payload ?? Infinity,
      })
      this.#context.events.publish('link_listening', {...told, address: entry.listener.address})
    } catch (error) {
      if (!(error instanceof LatticeError)) throw error
      entry.error = error.message
      if (error.message !== errorBefore) this.#context.events.publish('link_failed', {...told, error: error.message})
      if (error instanceof ServerError) this.#tryAgainLater()
    }
  }

  #close(actor: string): void {
    const listener = this.#actors.get(actor)?.listener
    this.#actors.delete(actor)
    if (listener === undefined) return
    const closing = listener.close().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  /** A port that is in use may be free later, such as when one host takes the place of another. */
  #tryAgainLater(): void {
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => {
      for (const [actor, entry] of this.#actors) {
        if (entry.error === undefined) continue
        void this.#inTurn(async () => {
          if (!this.#closed && this.#actors.get(actor) === entry) await this.#open(entry.link, entry.error)
        })
      }
    }, retryMs).unref()
  }
}

function sameValues(left: LinkRecord | undefined, right: LinkRecord): boolean {
  if (left === undefined) return false
  const texts = [left, right].map(({values}) => JSON.stringify(Object.entries(values).sort(([a], [b]) => byText(a, b))))
  return texts[0] === texts[1]
}
