import {createInbox, type Msg} from '@nats-io/transport-node'

import {ConnectionError, ServerError, TimeoutError} from '../errors.js'
import {onReconnect} from '../nats/again.js'
import {requestFailure} from '../nats/request.js'
import {deletion, expectation, Frames} from './frames.js'
import {jsCodes, readAnswer, type ApiError, type JetStream} from './jetstream.js'
import {digits, keptByClient, readRevision} from './message.js'

/** One message that a bucket is to store. */
export interface Write<T> {
  readonly bucket: string
  readonly key: string
  readonly value: Uint8Array
  /** The revision that must stand there; 0 for none. */
  readonly expected: number
  /** Leaves a marker of deletion. */
  readonly del?: boolean
  /** Whatever the caller wants back with the outcome. */
  readonly about: T
}

export type Outcome =
  {readonly kind: 'stored'; readonly revision: number} | {readonly kind: 'refused'; readonly error: ApiError}

export interface PipelineOptions<T> {
  /** Called once for each write, in the order of the answers. */
  readonly settle: (write: Write<T>, outcome: Outcome) => void
  /** How many writes may be without an answer; a power of two, default 512. */
  readonly window?: number
  /** How many bytes they may have; default 8 MiB. */
  readonly windowBytes?: number
}

interface Sent<T> {
  readonly write: Write<T>
  readonly number: number
  /** Where its answer goes, and in which round of sending again. */
  reply: string
  epoch: number
  /** When it was sent last. */
  tick: number
  /** Nobody took it: nothing was stored. */
  nobody: boolean
}

interface Waiter {
  readonly open: number
  readonly resolve: () => void
}

const tickMs = 250
/** What has no answer by then may be lost on the way: a server that died, a group that had no leader. */
const silenceTicks = 8
/** Nothing is wrong with the write; a moment later it may be taken. */
const busyCodes: readonly number[] = [
  jsCodes.clusterUnavailable,
  jsCodes.sameMessagePending,
  jsCodes.wrongLastSequencePending,
  jsCodes.tooManyRequests,
]

/**
 * Writes to buckets without waiting for each answer: all answers come to one inbox and name the write's place in the
 * window (few names, because a server remembers where 512 subjects lead and has to search for more). What may be lost
 * is sent again, and the expected revision keeps it from being stored twice. When no write is answered for as long as
 * the timeout, or the connection is gone, the next `room` or `drain` throws.
 */
export class Pipeline<T> implements Disposable {
  readonly #js: JetStream
  readonly #frames: Frames
  readonly #settleWrite: PipelineOptions<T>['settle']
  readonly #inbox: string
  readonly #inboxSize: number
  readonly #slots: (Sent<T> | undefined)[]
  #replies: string[] = []
  #epoch = 0
  readonly #mask: number
  readonly #windowBytes: number
  readonly #ends: (() => void)[]
  #waiters: Waiter[] = []
  #next = 0
  /** Every write before this one has its answer. */
  #base = 0
  #bytes = 0
  #tick = 0
  #settled = 0
  #seen = 0
  #answered = performance.now()
  #failure: Error | undefined

  constructor(js: JetStream, {settle, window = 512, windowBytes = 8 << 20}: PipelineOptions<T>) {
    this.#js = js
    this.#settleWrite = settle
    this.#mask = window - 1
    this.#windowBytes = windowBytes
    this.#slots = new Array<Sent<T> | undefined>(window)
    const {nc, timeoutMs} = js
    this.#frames = new Frames(nc)
    this.#inbox = `${createInbox(js.inboxPrefix)}.`
    this.#inboxSize = Buffer.byteLength(this.#inbox)
    const subscription = nc.subscribe(`${this.#inbox}*`, {
      callback: (error, msg) => (error === null ? this.#receive(msg) : this.#fail(noInbox(this.#inbox, error))),
    })
    const events = nc.status()
    void this.#followErrors(events)
    void nc.closed().then((error) => this.#fail(requestFailure(error ?? closedError(), '$KV', timeoutMs)))
    const timer = setInterval(() => this.#onTick(), tickMs)
    this.#ends = [
      onReconnect(nc, () => this.#sendAgain(() => true)),
      () => subscription.unsubscribe(),
      () => clearInterval(timer),
      // The client ends it so itself, but its interface does not show it.
      () => (events as {stop?: () => void}).stop?.(),
    ]
  }

  /** True when a write has to wait for `room` first. */
  get full(): boolean {
    return this.#next - this.#base > this.#mask || this.#bytes >= this.#windowBytes || this.#failure !== undefined
  }

  /** The write that was sent first of those without an answer. */
  get oldest(): Write<T> | undefined {
    return this.#slots[this.#base & this.#mask]?.write
  }

  /** How many writes have no answer, and of how many it is certain that nobody took them. */
  get waiting(): {readonly open: number; readonly untaken: number} {
    const open = this.#slots.filter((sent) => sent !== undefined)
    return {open: open.length, untaken: open.filter(({nobody}) => nobody).length}
  }

  /** True while a write of this key has no answer. */
  awaits({bucket, key}: {readonly bucket: string; readonly key: string}): boolean {
    return this.#slots.some((sent) => sent?.write.key === key && sent.write.bucket === bucket)
  }

  /** Sends a write; only while it is not full. */
  send(write: Write<T>): void {
    if (this.#next - this.#base > this.#mask) throw new Error('A write was sent before there was room for it.')
    const slot = this.#next & this.#mask
    const reply = (this.#replies[slot] ??= `${this.#inbox}${this.#epoch}-${slot}`)
    const sent = {write, number: this.#next, reply, epoch: this.#epoch, tick: this.#tick, nobody: false}
    if (this.#next === this.#base) this.#answered = performance.now()
    this.#slots[slot] = sent
    this.#next++
    this.#bytes += write.value.length
    this.#publish(sent)
  }

  /** Resolves when there is room for a good number of writes. */
  async room(): Promise<void> {
    // Few enough that the server is not without work meanwhile, and many enough that they go out together.
    const open = (this.#mask + 1) * 0.75
    while (this.full) await this.#until(open)
  }

  /** Resolves when every write has its answer. */
  async drain(): Promise<void> {
    while (this.#next > this.#base) await this.#until(0)
    if (this.#failure !== undefined) throw this.#failure
  }

  [Symbol.dispose](): void {
    for (const end of this.#ends.splice(0)) end()
    this.#fail(new ConnectionError('The writing was ended.'))
  }

  async #until(open: number): Promise<void> {
    if (this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#waiters.push({open, resolve})
      })
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  #publish(sent: Sent<T>): void {
    const {bucket, key, value, expected, del} = sent.write
    sent.tick = this.#tick
    sent.nobody = false
    const subject = `${this.#js.writePrefix}$KV.${bucket}.${key}`
    try {
      const head = del === true ? deletion(expected) : expectation(expected)
      this.#frames.publish({subject, reply: sent.reply, head, value})
    } catch (error) {
      this.#fail(requestFailure(error, subject, this.#js.timeoutMs))
    }
  }

  #receive(msg: Msg): void {
    const {subject, data} = keptByClient(msg)
    const dash = subject.lastIndexOf(0x2d)
    const sent = this.#slots[digits(subject, dash + 1, subject.length)]
    // An answer to a write that was sent again.
    if (sent?.epoch !== digits(subject, this.#inboxSize, dash)) return
    const revision = readRevision(data)
    if (revision !== undefined) return this.#settle(sent, {kind: 'stored', revision})
    if (data.length === 0) {
      sent.nobody = msg.headers?.code === 503
      return
    }
    const {error, fields} = readAnswer(msg.string(), msg.subject)
    if (error === undefined) this.#settle(sent, {kind: 'stored', revision: Number(fields['seq'])})
    else if (busyCodes.includes(error.code)) sent.nobody = true
    else this.#settle(sent, {kind: 'refused', error})
  }

  #settle(sent: Sent<T>, outcome: Outcome): void {
    this.#slots[sent.number & this.#mask] = undefined
    this.#bytes -= sent.write.value.length
    this.#settled++
    while (this.#base < this.#next && this.#slots[this.#base & this.#mask] === undefined) this.#base++
    try {
      this.#settleWrite(sent.write, outcome)
    } catch (error) {
      this.#fail(error as Error)
    }
    if (this.#waiters.length > 0) this.#wake()
  }

  #wake(): void {
    const open = this.#next - this.#base
    const ready = (waiter: Waiter): boolean => this.#failure !== undefined || open <= waiter.open
    const woken = this.#waiters.filter(ready)
    if (woken.length === 0) return
    this.#waiters = this.#waiters.filter((waiter) => !ready(waiter))
    for (const {resolve} of woken) resolve()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#wake()
  }

  #onTick(): void {
    this.#tick++
    const now = performance.now()
    if (this.#settled !== this.#seen || this.#next === this.#base) this.#answered = now
    this.#seen = this.#settled
    if (now - this.#answered > this.#js.timeoutMs) return this.#fail(this.#stalled())
    this.#sendAgain(({nobody, tick}) => nobody || this.#tick - tick >= silenceTicks)
  }

  #sendAgain(wanted: (sent: Sent<T>) => boolean): void {
    const again = this.#slots.filter((sent) => sent !== undefined && wanted(sent)) as Sent<T>[]
    if (again.length === 0) return
    // Answers to what was sent before may still come, and must not be taken for those of later writes.
    this.#epoch++
    this.#replies = []
    for (const sent of again.sort((a, b) => a.number - b.number)) {
      if (this.#failure !== undefined) return
      sent.epoch = this.#epoch
      sent.reply = `${this.#inbox}${this.#epoch}-${sent.number & this.#mask}`
      this.#publish(sent)
    }
  }

  #stalled(): Error {
    const {open, untaken} = this.waiting
    const details = {waitedMs: this.#js.timeoutMs, open, untaken}
    return untaken === open
      ? new ServerError('Nobody takes writes: the bucket has no leader at the moment.', {details})
      : new TimeoutError(`No write was answered within ${this.#js.timeoutMs} ms.`, {details})
  }

  /** A publish that is not permitted has no answer but an error of the connection. */
  async #followErrors(events: ReturnType<JetStream['nc']['status']>): Promise<void> {
    for await (const event of events) {
      if (event.type !== 'error' || event.error.name !== 'PermissionViolationError') continue
      const {operation, subject} = event.error as Error & {operation?: string; subject?: string}
      if (operation === 'publish' && subject?.startsWith(`${this.#js.writePrefix}$KV.`) === true) {
        this.#fail(requestFailure(event.error, subject, this.#js.timeoutMs))
      }
    }
  }
}

function noInbox(inbox: string, cause: Error): Error {
  return new ConnectionError(`No permission to subscribe to '${inbox}*'.`, {details: {subject: inbox}, cause})
}

function closedError(): Error {
  return new Error('connection closed')
}
