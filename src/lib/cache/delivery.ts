import {createInbox, nuid, type Msg} from '@nats-io/transport-node'

import {onReconnect, repeatUntilAnswered} from '../nats/again.js'
import type {BucketEntry} from './bucket-entry.js'
import {MissingBucketError} from './bucket-errors.js'
import {askApi, jsCodes, unexpectedAnswer, type JetStream} from './jetstream.js'

export interface DeliveryOptions {
  /** Key or keys below the bucket, such as `>`. */
  readonly filter: string
  readonly policy: 'last_per_subject' | 'all'
  /** How often the server says that it is alive. */
  readonly heartbeatMs?: number
}

/** A message in order, or the reason why no further one can be trusted. */
export type Delivered =
  | {readonly kind: 'entry'; readonly entry: BucketEntry; readonly pending: number}
  /** Nothing waits to be taken; the server has looked at everything up to and with this revision. */
  | {readonly kind: 'idle'; readonly upTo: number}
  | {readonly kind: 'lost'}

/**
 * Messages of a bucket through an ephemeral push consumer without acknowledgements, as the library's ordered consumer
 * has it; but a gap, a silence or a consumer that is gone is told and not repaired, because only the caller can tell
 * what a bucket that was made anew means.
 */
export class Delivery implements AsyncDisposable {
  readonly #js: JetStream
  readonly #bucket: string
  readonly #name = nuid.next()
  #queue: Delivered[] = []
  /** How many of the queue were taken; it is emptied at once, because to shift a long list is slow. */
  #taken = 0
  /** Where the server waits to be told that it may send more. */
  #held: string | undefined
  #upTo = 0
  readonly #unsubscribe: () => void
  readonly #inbox: string
  #wake: (() => void) | undefined
  #sequence = 0
  #lost = false
  #heard = performance.now()
  /** Messages that were waiting when it began. */
  pending = 0

  private constructor(js: JetStream, bucket: string) {
    this.#js = js
    this.#bucket = bucket
    this.#inbox = createInbox(js.inboxPrefix)
    const subscription = js.nc.subscribe(this.#inbox, {
      callback: (error, msg) => (error === null ? this.#receive(msg) : this.lose()),
    })
    // What was under way is gone, and the server tells only with its next heartbeat.
    const stopFollowing = onReconnect(js.nc, () => this.lose())
    this.#unsubscribe = () => {
      stopFollowing()
      subscription.unsubscribe()
    }
  }

  /** Starts delivery; throws a MissingBucketError, a ServerError or a TimeoutError. */
  static async open(js: JetStream, bucket: string, options: DeliveryOptions): Promise<Delivery> {
    let chosen: Delivery | undefined
    // A server that has just died is still given consumers for a while, so every attempt is for a new one.
    return repeatUntilAnswered(
      js.nc,
      js.timeoutMs,
      async (leftMs) => {
        const delivery = new Delivery(js, bucket)
        try {
          await delivery.#create(leftMs, options)
        } catch (error) {
          delivery.#unsubscribe()
          throw error
        }
        if (chosen === undefined) chosen = delivery
        else await delivery[Symbol.asyncDispose]()
        return chosen
      },
      {silenceMs: 1000},
    )
  }

  /** Milliseconds since anything was heard from the server, heartbeats included. */
  get silentMs(): number {
    return performance.now() - this.#heard
  }

  /** The next message; `idle` after a heartbeat or when none came within the time; `lost` for good once order or liveness is in doubt. */
  async next(waitMs: number, signal?: AbortSignal): Promise<Delivered> {
    if (this.#queue.length === 0 && !this.#lost) await this.#wait(waitMs, signal)
    const delivered = this.#queue[this.#taken++]
    if (this.#taken >= this.#queue.length) this.#drained()
    return delivered ?? (this.#lost ? {kind: 'lost'} : {kind: 'idle', upTo: this.#upTo})
  }

  /** Ends the present wait for the next message, which is `idle` then when there is none. */
  nudge(): void {
    this.#wake?.()
  }

  /** Makes what comes after the messages that arrived already `lost`. */
  lose(): void {
    this.#lost = true
    this.#wake?.()
  }

  /** Tells the server without waiting for its answer: it forgets the consumer after ten seconds anyway. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe()
    if (!this.#js.nc.isClosed()) {
      askApi(this.#js, `CONSUMER.DELETE.KV_${this.#bucket}.${this.#name}`).catch(() => undefined)
    }
    return Promise.resolve()
  }

  async #create(timeoutMs: number, {filter, policy, heartbeatMs = 5000}: DeliveryOptions): Promise<void> {
    const [stream, subject] = [`KV_${this.#bucket}`, `$KV.${this.#bucket}.${filter}`]
    const operation = `CONSUMER.CREATE.${stream}.${this.#name}.${subject}`
    const config = {
      name: this.#name,
      deliver_subject: this.#inbox,
      deliver_policy: policy,
      filter_subject: subject,
      ack_policy: 'none',
      max_deliver: 1,
      replay_policy: 'instant',
      flow_control: true,
      idle_heartbeat: heartbeatMs * 1_000_000,
      inactive_threshold: 10_000_000_000,
      mem_storage: true,
      num_replicas: 1,
    }
    const js = {...this.#js, timeoutMs}
    const {error, fields} = await askApi(js, operation, {stream_name: stream, config}, {again: false})
    if (error?.code === jsCodes.streamMissing) throw new MissingBucketError(this.#bucket)
    if (error !== undefined) throw unexpectedAnswer(error, `The bucket '${this.#bucket}' cannot be listed`)
    this.pending = typeof fields['num_pending'] === 'number' ? fields['num_pending'] : 0
  }

  #wait(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        this.#wake = undefined
        resolve()
      }
      const timer = setTimeout(done, waitMs)
      signal?.addEventListener('abort', done, {once: true})
      this.#wake = done
    })
  }

  /** Who takes slowly gets no more than what is on the way already. */
  #drained(): void {
    this.#queue = []
    this.#taken = 0
    if (this.#held !== undefined && !this.#js.nc.isClosed()) this.#js.nc.publish(this.#held)
    this.#held = undefined
  }

  #receive(msg: Msg): void {
    if (this.#lost) return
    this.#heard = performance.now()
    if (msg.data.length === 0 && msg.headers?.code === 100) return this.#receiveStatus(msg)
    if (msg.headers !== undefined && msg.headers.code >= 400) return this.lose()
    const position = readPosition(msg.reply ?? '')
    if (position?.sequence !== this.#sequence + 1) return this.lose()
    this.#sequence = position.sequence
    this.#upTo = position.revision
    this.#queue.push({kind: 'entry', entry: readEntry(msg, this.#bucket, position), pending: position.pending})
    this.#wake?.()
  }

  /** Heartbeats and flow control: both name the last message that was sent, which shows a lost end. */
  #receiveStatus(msg: Msg): void {
    const last = msg.headers?.get('Nats-Last-Consumer')
    if (last && Number(last) !== this.#sequence) return this.lose()
    this.#upTo = Math.max(this.#upTo, Number(msg.headers?.get('Nats-Last-Stream') ?? 0))
    this.#held = msg.reply || msg.headers?.get('Nats-Consumer-Stalled') || undefined
    if (this.#queue.length === 0) this.#drained()
    this.#wake?.()
  }
}

interface Position {
  readonly sequence: number
  readonly revision: number
  readonly createdMs: number
  readonly pending: number
}

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<revision>.<sequence>.<ns>.<pending>`; newer servers may add a
 * domain and account hash before the stream and a token at the end.
 */
function readPosition(reply: string): Position | undefined {
  const tokens = reply.split('.')
  if (tokens.length < 9 || tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined
  const start = tokens.length >= 11 ? 7 : 5
  const [revision, sequence, nanoseconds, pending] = tokens.slice(start, start + 4)
  return {
    revision: Number(revision),
    sequence: Number(sequence),
    createdMs: Number(BigInt(nanoseconds ?? '0') / 1_000_000n),
    pending: Number(pending),
  }
}

function readEntry(msg: Msg, bucket: string, {revision, createdMs}: Position): BucketEntry {
  const operation = isGone(msg) ? 'DEL' : 'PUT'
  return {
    key: msg.subject.slice(`$KV.${bucket}.`.length),
    operation,
    // A copy: the client's bytes are a window on a whole chunk of the socket.
    value: operation === 'DEL' ? new Uint8Array() : Uint8Array.from(msg.data),
    revision,
    created: new Date(createdMs).toISOString(),
  }
}

function isGone(msg: Msg): boolean {
  const operation = msg.headers?.get('KV-Operation')
  return operation === 'DEL' || operation === 'PURGE' || Boolean(msg.headers?.get('Nats-Marker-Reason'))
}
