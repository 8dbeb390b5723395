import {setTimeout} from 'node:timers/promises'

import {createInbox, nuid, type Msg} from '@nats-io/transport-node'

import {ConnectionError, ServerError, TimeoutError} from '../errors.js'
import {onReconnect} from '../nats/again.js'
import {RequestTimeoutError} from '../nats/request.js'
import {isBehind, stillBehind} from './behind.js'
import {MissingBucketError} from './bucket-errors.js'
import {askApi, jsCodes, unexpectedAnswer, type JetStream} from './jetstream.js'
import {BucketMessage} from './message.js'

export interface ReadOptions {
  /** Called for each message in stream order; the message is good for this call only. Markers come too. */
  readonly take: (message: BucketMessage) => void
  /** Asked before the server is told to send more: reading goes on when it resolves. */
  readonly hold?: (() => Promise<void>) | undefined
  /** Leaves out the values. */
  readonly keysOnly?: boolean
  /** Called when it is known how many there are. */
  readonly begin?: (total: number) => void
  readonly signal?: AbortSignal | undefined
}

/** A bucket as it was when its reading began. */
export interface StreamState {
  /** ISO time; another one means another bucket of the same name. */
  readonly created: string
  readonly lastRevision: number
}

const heartbeatMs = 1000
const mostRounds = 10
/** Waits between looks at a server that is behind. */
const behindMs = 50

/**
 * Reads the latest revision of every key, in stream order, through an ordered consumer; what was lost on the way is asked
 * for again, and so is what the leader had when it began. A key that is written meanwhile may come twice, the later value
 * last. Memory does not grow with the bucket. Throws a MissingBucketError, and a TimeoutError when nothing comes any more.
 */
export async function readStream(js: JetStream, bucket: string, options: ReadOptions): Promise<StreamState> {
  const state = await streamState(js, bucket)
  const now = performance.now()
  const progress = {revision: 0, at: now, caughtUpAt: now, begun: false, patienceMs: 2000}
  for (;;) {
    options.signal?.throwIfAborted()
    const before = progress.revision
    if (await new Reading(js, bucket, progress, options).run()) {
      const reached = {revision: progress.revision, lastRevision: state.lastRevision}
      if (!(await isBehind(js, bucket, reached))) return state
      if (progress.revision > before) progress.caughtUpAt = performance.now()
      if (performance.now() - progress.caughtUpAt > js.timeoutMs) throw stillBehind(bucket, js.timeoutMs, reached)
      await setTimeout(behindMs, undefined, {signal: options.signal})
      continue
    }
    const leftMs = js.timeoutMs - (performance.now() - progress.at)
    if (leftMs <= 0) {
      throw new TimeoutError(`Nothing more came from the bucket '${bucket}' after revision ${progress.revision}.`, {
        details: {bucket, revision: progress.revision, waitedMs: js.timeoutMs},
      })
    }
    const {created} = await streamState({...js, timeoutMs: leftMs}, bucket)
    if (created !== state.created) throw new ServerError(`The bucket '${bucket}' was made anew while it was read.`)
  }
}

/** What tells a bucket from another one of its name, and how far it goes. */
export async function streamState(js: JetStream, bucket: string): Promise<StreamState> {
  const {error, fields} = await askApi(js, `STREAM.INFO.KV_${bucket}`)
  if (error?.code === jsCodes.streamMissing) throw new MissingBucketError(bucket)
  if (error !== undefined) throw unexpectedAnswer(error, `The bucket '${bucket}' cannot be read`)
  const {created, state} = fields as {created?: string; state?: {last_seq?: number}}
  return {created: created ?? '', lastRevision: state?.last_seq ?? 0}
}

interface Progress {
  /** Everything up to here was taken. */
  revision: number
  /** When something came last. */
  at: number
  /** When a server that is behind its leader came nearer to it. */
  caughtUpAt: number
  begun: boolean
  /** How long to wait for the next consumer; more each time. */
  patienceMs: number
}

/** One consumer, from its making to the last message or the first doubt. */
class Reading {
  readonly #js: JetStream
  readonly #bucket: string
  readonly #progress: Progress
  readonly #options: ReadOptions
  readonly #message: BucketMessage
  readonly #done = Promise.withResolvers<boolean>()
  // Short, because every message carries it.
  readonly #name = nuid.next().slice(-6)
  #sequence = 0
  #seen = 0
  #heard = performance.now()
  #held = false
  /** Where a bucket that never rests is left. */
  #limit = Infinity
  #rounds = 0

  constructor(js: JetStream, bucket: string, progress: Progress, options: ReadOptions) {
    this.#js = js
    this.#bucket = bucket
    this.#progress = progress
    this.#options = options
    this.#message = new BucketMessage(bucket)
    // Nobody waits yet when the connection is lost while the consumer is made.
    this.#done.promise.catch(() => undefined)
  }

  /** True when all was read, false when it has to begin anew. */
  async run(): Promise<boolean> {
    const {nc} = this.#js
    const {signal} = this.#options
    const abort = (): void => this.#done.reject(signal?.reason as Error)
    const stopFollowing = onReconnect(nc, () => this.#done.resolve(false))
    signal?.addEventListener('abort', abort, {once: true})
    const watch = setInterval(() => this.#watch(), heartbeatMs / 4)
    const inbox = createInbox(this.#js.inboxPrefix)
    const subscription = nc.subscribe(inbox, {
      callback: (error, msg) => (error === null ? this.#receive(msg) : this.#done.reject(noInbox(inbox, error))),
    })
    try {
      const created = this.#create(inbox)
      // All messages may be there before the answer is.
      const total = await Promise.race([created, this.#done.promise.then((all) => (all ? created : undefined))])
      if (total === undefined) return false
      if (!this.#progress.begun) this.#options.begin?.(total)
      this.#progress.begun = true
      if (total === 0) return true
      void this.#moveLimit()
      return await this.#done.promise
    } catch (error) {
      // A server that has just died is still given consumers for a while.
      if (error instanceof RequestTimeoutError) return false
      throw error
    } finally {
      clearInterval(watch)
      stopFollowing()
      signal?.removeEventListener('abort', abort)
      subscription.unsubscribe()
      this.#forget()
    }
  }

  /** How many messages there are, sent already or not. */
  async #create(inbox: string): Promise<number> {
    const [stream, subject] = [`KV_${this.#bucket}`, `$KV.${this.#bucket}.>`]
    const config = {
      name: this.#name,
      deliver_subject: inbox,
      deliver_policy: 'last_per_subject',
      filter_subject: subject,
      ack_policy: 'none',
      max_deliver: 1,
      replay_policy: 'instant',
      flow_control: true,
      idle_heartbeat: heartbeatMs * 1_000_000,
      inactive_threshold: 10_000_000_000,
      mem_storage: true,
      num_replicas: 1,
      ...(this.#options.keysOnly === true ? {headers_only: true} : {}),
    }
    const operation = `CONSUMER.CREATE.${stream}.${this.#name}.${subject}`
    const timeoutMs = Math.min(this.#js.timeoutMs, this.#progress.patienceMs)
    this.#progress.patienceMs *= 2
    const body = {stream_name: stream, config}
    const {error, fields} = await askApi({...this.#js, timeoutMs}, operation, body, {again: false})
    if (error?.code === jsCodes.streamMissing) throw new MissingBucketError(this.#bucket)
    if (error !== undefined) throw unexpectedAnswer(error, `The bucket '${this.#bucket}' cannot be read`)
    const {num_pending: pending = 0, delivered} = fields as {
      num_pending?: number
      delivered?: {consumer_seq?: number}
    }
    return pending + (delivered?.consumer_seq ?? 0)
  }

  /** Without waiting for the answer: the server forgets the consumer after ten seconds anyway. */
  #forget(): void {
    if (this.#js.nc.isClosed()) return
    askApi(this.#js, `CONSUMER.DELETE.KV_${this.#bucket}.${this.#name}`).catch(() => undefined)
  }

  #receive(msg: Msg): void {
    const message = this.#message
    if (!message.read(msg)) return this.#receiveStatus(msg)
    if (message.sequence !== this.#sequence + 1) return this.#done.resolve(false)
    this.#sequence++
    const progress = this.#progress
    if (message.revision > progress.revision) {
      progress.revision = message.revision
      try {
        this.#options.take(message)
      } catch (error) {
        this.#done.reject(error)
      }
    }
    if (message.pending === 0) this.#done.resolve(true)
    else if (message.revision >= this.#limit) void this.#moveLimit()
  }

  /**
   * Somebody may write faster than anybody reads. Where a bucket keeps one revision of a key, a key that was written
   * before it came is found further on; so the end is moved, but not for ever.
   */
  async #moveLimit(): Promise<void> {
    this.#limit = Infinity
    if (++this.#rounds > mostRounds) {
      this.#done.resolve(true)
      return
    }
    const {lastRevision} = await streamState(this.#js, this.#bucket).catch(() => ({lastRevision: Infinity}))
    this.#limit = lastRevision
    if (this.#message.revision >= lastRevision) await this.#moveLimit()
  }

  /** Heartbeats and flow control: both name the last message that was sent, which shows a lost end. */
  #receiveStatus(msg: Msg): void {
    this.#heard = performance.now()
    if (msg.headers !== undefined && msg.headers.code >= 400) return this.#done.resolve(false)
    const last = msg.headers?.get('Nats-Last-Consumer')
    if (last && Number(last) !== this.#sequence) return this.#done.resolve(false)
    const flow = msg.reply || msg.headers?.get('Nats-Consumer-Stalled')
    if (flow && !this.#held) void this.#goOn(flow)
  }

  /** Lets the server send more as soon as what came was taken. */
  async #goOn(subject: string): Promise<void> {
    this.#held = true
    try {
      await this.#options.hold?.()
      this.#js.nc.publish(subject)
    } catch (error) {
      this.#done.reject(error)
    } finally {
      this.#held = false
    }
  }

  /** Three heartbeats without a word mean that nothing arrives any more, whatever the connection says. */
  #watch(): void {
    const now = performance.now()
    if (this.#js.nc.isClosed()) {
      this.#done.reject(new ConnectionError(`The connection was closed while the bucket '${this.#bucket}' was read.`))
    }
    if (this.#sequence !== this.#seen) this.#heard = now
    if (this.#sequence !== this.#seen || this.#held) this.#progress.at = now
    this.#seen = this.#sequence
    if (now - this.#heard >= Math.min(3 * heartbeatMs, this.#js.timeoutMs)) this.#done.resolve(false)
  }
}

function noInbox(inbox: string, cause: Error): Error {
  return new ConnectionError(`No permission to subscribe to '${inbox}'.`, {details: {subject: inbox}, cause})
}
