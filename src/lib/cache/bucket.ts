import {setTimeout} from 'node:timers/promises'

import {headers, nuid, type MsgHdrs, type NatsConnection} from '@nats-io/transport-node'

import {ServerError, UsageError} from '../errors.js'
import {NoPermissionError, NoRespondersError, request} from '../nats/request.js'
import type {BucketEntry, WatchOptions} from './bucket-entry.js'
import {MissingBucketError, nobodyTakes, originApi, RevisionConflictError} from './bucket-errors.js'
import type {DeliveryOptions} from './delivery.js'
import {
  askApi,
  jetStream,
  jsCodes,
  readAnswer,
  unexpectedAnswer,
  type ApiAnswer,
  type ApiError,
  type JetStream,
  type JetStreamSpec,
} from './jetstream.js'

export interface BucketOptions {
  /** 1, 3 or 5; default 1. */
  readonly replicas?: number
  readonly storage?: 'file' | 'memory'
  /** Revisions kept of each key, 1 to 64; default 64. */
  readonly history?: number
}

/** `expected` is the revision that was read; 0 means the key must not exist; undefined writes whatever is there. */
export interface Expectation {
  readonly expected?: number
}

/** How long a bucket may be without anybody who takes its writes. */
const leaderMs = 2000

/** Opens a bucket that is there; undefined when it is not. */
export async function openBucket(nc: NatsConnection, name: string, spec: JetStreamSpec): Promise<Bucket | undefined> {
  const bucket = Bucket.at(nc, name, spec)
  return (await bucket.exists()) ? bucket : undefined
}

/** Opens a bucket, making it as hosts do (but with history 64) when it is missing; an existing one is never changed. */
export async function ensureBucket(
  nc: NatsConnection,
  name: string,
  spec: JetStreamSpec,
  options: BucketOptions = {},
): Promise<Bucket> {
  const bucket = Bucket.at(nc, name, spec)
  if (!(await bucket.exists())) await createBucket(jetStream(nc, spec), name, options)
  return bucket
}

/** A key-value bucket. Values are bytes; wire failures are LatticeErrors. */
export class Bucket {
  readonly name: string
  readonly #js: JetStream

  private constructor(js: JetStream, name: string) {
    this.#js = js
    this.name = name
  }

  /** The bucket of that name, without asking whether it exists: its methods throw a MissingBucketError. */
  static at(nc: NatsConnection, name: string, spec: JetStreamSpec): Bucket {
    if (!/^[A-Za-z0-9_-]+$/.test(name)) {
      throw new UsageError(`${JSON.stringify(name)} is not a bucket name: it may hold letters, digits, - and _ only.`)
    }
    return new Bucket(jetStream(nc, spec), name)
  }

  async exists(): Promise<boolean> {
    const {error} = await askApi(this.#js, `STREAM.INFO.KV_${this.name}`)
    if (error === undefined) return true
    if (error.code === jsCodes.streamMissing) return false
    throw unexpectedAnswer(error, `The bucket '${this.name}' cannot be opened`)
  }

  /** The present value as the leader knows it; undefined when the key is absent or deleted. */
  async get(key: string): Promise<BucketEntry | undefined> {
    const entry = await this.last(key)
    return entry?.operation === 'PUT' ? entry : undefined
  }

  /** The latest revision as the leader knows it, deletions included; undefined when the key never was. */
  async last(key: string): Promise<BucketEntry | undefined> {
    return this.#read({last_by_subj: this.#subject(key)})
  }

  /** One revision of a key, deletions included; undefined when it is not stored or is another key's. */
  async at(key: string, revision: number): Promise<BucketEntry | undefined> {
    const entry = await this.#read({seq: revision})
    return entry?.key === parseBucketKey(key) ? entry : undefined
  }

  /** Writes a value and returns its revision. Throws a RevisionConflictError when the expectation is not met. */
  put(key: string, value: Uint8Array, {expected}: Expectation = {}): Promise<number> {
    return this.#write(key, value, expected === undefined ? {} : {expected})
  }

  /** Throws the UsageError that a write of this value would end with, and writes nothing. */
  async checkSize(key: string, value: Uint8Array): Promise<void> {
    const {refuseLarge} = await import('./size-limits.js')
    await refuseLarge(this.#js, this.name, {key, value, head: writeHeaders({expected: Number.MAX_SAFE_INTEGER})})
  }

  /** Leaves a DEL marker, the only deletion every host acts on, and returns its revision. */
  del(key: string, {expected}: Expectation = {}): Promise<number> {
    return this.#write(key, new Uint8Array(), {operation: 'DEL', ...(expected === undefined ? {} : {expected})})
  }

  /** The present values of all keys, or of those with a prefix that ends at a dot; sorted by key. */
  async list(prefix = ''): Promise<BucketEntry[]> {
    const entries = await this.#readWhole({filter: `${prefix}>`, policy: 'last_per_subject'})
    return entries.filter(({operation}) => operation === 'PUT').sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  /** The stored revisions of one key, oldest first, deletions included. */
  async history(key: string): Promise<BucketEntry[]> {
    return this.#readWhole({filter: parseBucketKey(key), policy: 'all'})
  }

  /**
   * The present values and then every change until the signal aborts. It never ends on its own account: after
   * trouble it reads everything again and yields what differs, so that the last word on each key always arrives.
   */
  async *watch(options: WatchOptions): AsyncGenerator<BucketEntry> {
    const {watchBucket} = await import('./watch.js')
    const last = (key: string): Promise<BucketEntry | undefined> =>
      this.#read({last_by_subj: `$KV.${this.name}.${key}`})
    yield* watchBucket({js: this.#js, bucket: this.name, last}, options)
  }

  #subject(key: string): string {
    return `$KV.${this.name}.${parseBucketKey(key)}`
  }

  async #readWhole(options: DeliveryOptions): Promise<BucketEntry[]> {
    const {readWhole} = await import('./read-whole.js')
    // Who may only list is told what the server that lists knows.
    const lastRevision = async (): Promise<number> => {
      const last = await this.#read({last_by_subj: `$KV.${this.name}.${options.filter}`}).catch(leaveToReader)
      return last?.revision ?? 0
    }
    return readWhole(this.#js, this.name, {...options, lastRevision})
  }

  async #read(query: {last_by_subj: string} | {seq: number}): Promise<BucketEntry | undefined> {
    const {error, fields} = await askApi(this.#js, `STREAM.MSG.GET.KV_${this.name}`, query)
    if (error === undefined) return readStored(fields['message'], this.name)
    if (error.code === jsCodes.noMessage) return undefined
    if (error.code === jsCodes.streamMissing) throw new MissingBucketError(this.name)
    throw unexpectedAnswer(error, `The bucket '${this.name}' cannot be read`)
  }

  async #write(
    key: string,
    value: Uint8Array,
    {operation, expected}: Expectation & {operation?: 'DEL'},
  ): Promise<number> {
    const subject = this.#subject(key)
    const head = writeHeaders({operation, expected})
    const {max_payload: limit = Infinity} = this.#js.nc.info ?? {}
    // A server hangs up on whoever sends it more than this; 512 is more than these headers ever have.
    if (value.length > limit - 512) await this.checkSize(key, value)
    const {error, fields} = await this.#publish(subject, value, head)
    if (error === undefined && typeof fields['seq'] === 'number') return fields['seq']
    if (error === undefined) throw new ServerError(`The answer on '${subject}' is not an acknowledgement.`)
    return this.#afterRefusal(error, {key, value, expected, operation})
  }

  /**
   * Nobody answers in a cluster for a moment after the bucket was made; nothing was stored then, so it is sent again. Nor
   * does anybody for a bucket that follows one of another domain, which is where writes go.
   */
  async #publish(subject: string, value: Uint8Array, head: MsgHdrs): Promise<ApiAnswer> {
    const {nc, timeoutMs, writePrefix} = this.#js
    const deadline = performance.now() + timeoutMs
    let until = performance.now() + Math.min(timeoutMs, leaderMs)
    let target = `${writePrefix}${subject}`
    for (;;) {
      try {
        const reply = await request(nc, target, value, {timeoutMs, headers: head, again: true})
        const answer = readAnswer(reply.string(), target)
        if (answer.error?.code !== jsCodes.sameMessagePending || performance.now() > until) return answer
      } catch (failure) {
        if (!(failure instanceof NoRespondersError)) throw failure
        const asked = performance.now()
        const {error, fields} = await askApi(this.#js, `STREAM.INFO.KV_${this.name}`)
        if (error?.code === jsCodes.streamMissing) throw new MissingBucketError(this.name)
        if (error !== undefined) throw unexpectedAnswer(error, `The bucket '${this.name}' cannot be written`)
        // Whoever leads it answers; the time until somebody did so is no reason to give up on a write.
        until = Math.min(deadline, until + performance.now() - asked)
        if (performance.now() > until) throw nobodyTakes(this.name, fields, failure)
        const origin = originApi(fields)
        if (origin !== undefined) target = `${origin}.${subject}`
      }
      await setTimeout(25)
    }
  }

  async #afterRefusal(
    error: ApiError,
    {
      key,
      value,
      expected,
      operation,
    }: {key: string; value: Uint8Array; expected: number | undefined; operation: 'DEL' | undefined},
  ): Promise<number> {
    const wrongSequence: readonly number[] = [
      jsCodes.wrongLastSequence,
      jsCodes.wrongLastSequenceUnknown,
      jsCodes.wrongLastSequencePending,
    ]
    if (error.code === jsCodes.messageTooLarge) await this.checkSize(key, value)
    if (expected === undefined || !wrongSequence.includes(error.code)) {
      throw unexpectedAnswer(error, `The bucket '${this.name}' refused the write of '${key}'`)
    }
    const present = await this.last(key)
    // A deleted key does not exist, but its marker has a revision that the server compares with 0.
    if (expected === 0 && operation === undefined && present?.operation === 'DEL') {
      return this.#write(key, value, {expected: present.revision})
    }
    throw new RevisionConflictError(key, expected, present?.revision)
  }
}

function writeHeaders({operation, expected}: {operation?: 'DEL' | undefined; expected?: number | undefined}): MsgHdrs {
  const head = headers()
  if (operation !== undefined) head.set('KV-Operation', operation)
  if (expected !== undefined) head.set('Nats-Expected-Last-Subject-Sequence', String(expected))
  // By its id the server knows a write that it has already, when it is sent again.
  head.set('Nats-Msg-Id', nuid.next())
  return head
}

/** Checks a key of a bucket and returns it; throws a UsageError. */
export function parseBucketKey(key: string): string {
  if (/^[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*$/.test(key) && key.length <= 1024) return key
  throw new UsageError(
    `${JSON.stringify(key)} is not a key of a bucket: it may hold letters, digits and - / _ = . only.`,
  )
}

/** Whether a bucket may be read is for the reading to find out, and whether there is one as well. */
function leaveToReader(error: unknown): undefined {
  if (!(error instanceof NoPermissionError) && !(error instanceof MissingBucketError)) throw error
}

async function createBucket(
  js: JetStream,
  name: string,
  {replicas = 1, storage = 'file', history}: BucketOptions,
): Promise<void> {
  const {newBucketConfig} = await import('./bucket-config.js')
  const {error} = await askApi(js, `STREAM.CREATE.KV_${name}`, newBucketConfig(name, {replicas, storage, history}))
  // Another process may have made it in between, with its own configuration.
  if (error !== undefined && error.code !== jsCodes.streamDifferent) {
    throw unexpectedAnswer(error, `The bucket '${name}' cannot be made`)
  }
}

function readStored(message: unknown, bucket: string): BucketEntry {
  const {subject, seq, hdrs, data, time} = (message ?? {}) as {
    subject?: string
    seq?: number
    hdrs?: string
    data?: string
    time?: string
  }
  if (typeof subject !== 'string' || typeof seq !== 'number')
    throw new ServerError(`The bucket '${bucket}' gave an unreadable message.`)
  const operation = hdrs !== undefined && isMarker(Buffer.from(hdrs, 'base64').toString('latin1')) ? 'DEL' : 'PUT'
  return {
    key: subject.slice(`$KV.${bucket}.`.length),
    operation,
    value: operation === 'DEL' ? new Uint8Array() : Uint8Array.from(Buffer.from(data ?? '', 'base64')),
    revision: seq,
    created: new Date(time ?? 0).toISOString(),
  }
}

/** True for headers of a message that says the key is gone: deleted, purged or expired. */
function isMarker(headerText: string): boolean {
  return /^(KV-Operation: *(DEL|PURGE)|Nats-Marker-Reason: *\S+) *$/im.test(headerText)
}
