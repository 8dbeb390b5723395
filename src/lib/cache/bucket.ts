import {nuid, type NatsConnection} from '@nats-io/transport-node'

import {UsageError} from '../errors.js'
import {NoPermissionError} from '../nats/request.js'
import type {BucketEntry, WatchOptions} from './bucket-entry.js'
import {MissingBucketError} from './bucket-errors.js'
import {BucketWriter, writeHeaders, type KeyWrite} from './bucket-write.js'
import type {DeliveryOptions} from './delivery.js'
import {askApi, jetStream, jsCodes, unexpectedAnswer, type JetStream, type JetStreamSpec} from './jetstream.js'
import {readStoredMessage, type StoredMessage} from './stored-message.js'

export interface BucketOptions {
  /** 1, 3 or 5; default 1. */
  readonly replicas?: number
  /** Bucket whose number of copies a new one gets, where none is given: what belongs together is worth as many. */
  readonly like?: string
  readonly storage?: 'file' | 'memory'
  /** Revisions kept of each key, 1 to 64; default 64. */
  readonly history?: number
}

/** `expected` is the revision that was read; 0 means the key must not exist; undefined writes whatever is there. */
export interface Expectation {
  readonly expected?: number
}

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
  if (!(await bucket.exists())) await createBucket(jetStream(nc, spec), name, await withReplicas(nc, spec, options))
  return bucket
}

async function withReplicas(nc: NatsConnection, spec: JetStreamSpec, options: BucketOptions): Promise<BucketOptions> {
  if (options.replicas !== undefined || options.like === undefined) return options
  return {...options, replicas: await replicasOf(nc, options.like, spec)}
}

/** How many copies a bucket has; 1 where there is no such bucket. */
async function replicasOf(nc: NatsConnection, name: string, spec: JetStreamSpec): Promise<number> {
  const {fields} = await askApi(jetStream(nc, spec), `STREAM.INFO.KV_${name}`)
  return (fields['config'] as {num_replicas?: number} | undefined)?.num_replicas ?? 1
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
    return (await this.#read({last_by_subj: this.#subject(key)}))?.entry
  }

  /** One revision of a key, deletions included; undefined when it is not stored or is another key's. */
  async at(key: string, revision: number): Promise<BucketEntry | undefined> {
    const entry = (await this.#read({seq: revision}))?.entry
    return entry?.key === parseBucketKey(key) ? entry : undefined
  }

  /** Writes a value and returns its revision. Throws a RevisionConflictError when the expectation is not met. */
  put(key: string, value: Uint8Array, {expected}: Expectation = {}): Promise<number> {
    return this.#write({key, value, expected})
  }

  /** Throws the UsageError that a write of this value would end with, and writes nothing. */
  async checkSize(key: string, value: Uint8Array): Promise<void> {
    const {refuseLarge} = await import('./size-limits.js')
    await refuseLarge(this.#js, this.name, {
      key,
      value,
      head: writeHeaders({expected: Number.MAX_SAFE_INTEGER, id: nuid.next()}),
    })
  }

  /** Leaves a DEL marker, the only deletion every host acts on, and returns its revision. */
  del(key: string, {expected}: Expectation = {}): Promise<number> {
    return this.#write({key, value: new Uint8Array(), operation: 'DEL', expected})
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
    const last = async (key: string): Promise<BucketEntry | undefined> =>
      (await this.#read({last_by_subj: `$KV.${this.name}.${key}`}))?.entry
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
      return last?.entry.revision ?? 0
    }
    return readWhole(this.#js, this.name, {...options, lastRevision})
  }

  async #read(query: {last_by_subj: string} | {seq: number}): Promise<StoredMessage | undefined> {
    const {error, fields} = await askApi(this.#js, `STREAM.MSG.GET.KV_${this.name}`, query)
    if (error === undefined) return readStoredMessage(fields['message'], this.name)
    if (error.code === jsCodes.noMessage) return undefined
    if (error.code === jsCodes.streamMissing) throw new MissingBucketError(this.name)
    throw unexpectedAnswer(error, `The bucket '${this.name}' cannot be read`)
  }

  async #write(write: KeyWrite): Promise<number> {
    const {key, value} = write
    parseBucketKey(key)
    const {max_payload: limit = Infinity} = this.#js.nc.info ?? {}
    // A server hangs up on whoever sends it more than this; 512 is more than these headers ever have.
    if (value.length > limit - 512) await this.checkSize(key, value)
    const last = (wanted: string): Promise<StoredMessage | undefined> =>
      this.#read({last_by_subj: this.#subject(wanted)})
    const checkSize = (...about: [string, Uint8Array]): Promise<void> => this.checkSize(...about)
    return new BucketWriter({js: this.#js, bucket: this.name, last, checkSize}, write).run()
  }
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
