import type {NatsConnection} from '@nats-io/transport-node'
import {z} from 'zod'

import type {BucketEntry} from '../../cache/bucket-entry.js'
import {MissingBucketError, RevisionConflictError} from '../../cache/bucket-errors.js'
import {Bucket, ensureBucket} from '../../cache/bucket.js'
import type {JetStreamSpec} from '../../cache/jetstream.js'
import type {Clock} from '../../clock.js'
import {ConflictError} from '../../errors.js'

const bucketName = 'LATTICEACCOUNT'
const key = 'mappings'
const longestMs = 60_000
/** Short, because a command that dies keeps others waiting for so long. */
const lengthMs = 15_000
const renewMs = 5000

const leaseSchema = z.looseObject({
  /** Who holds it and what for, as a person reads it. */
  holder: z.string(),
  what: z.string().optional(),
  /** Server time. */
  deadline: z.iso.datetime(),
  released: z.boolean().default(false),
})

type LeaseRecord = z.infer<typeof leaseSchema>

/** Who asks for the lease, and what for. */
export interface LeaseHolder {
  readonly holder: string
  readonly what: string
}

export interface LeaseOptions {
  readonly nc: NatsConnection
  readonly spec: JetStreamSpec
  readonly clock: Clock
  /** Server time minus ours, in milliseconds. */
  readonly clockOffsetMs: number
  /** How long to wait for another holder. */
  readonly timeoutMs: number
  /** Bucket whose number of copies the lease's gets, when it has to be made. */
  readonly like?: string
}

/**
 * The right to change the account's token, which is one for all routes and has no compare-and-set of its own. Held for
 * at most a minute of server time, renewed while it is held; dispose it to let it go.
 */
export class AccountLease implements AsyncDisposable {
  readonly #bucket: Bucket
  readonly #options: LeaseOptions
  readonly #holder: LeaseHolder
  readonly #ended = new AbortController()
  #revision: number
  #deadline: number
  #lost = false
  #renewing: Promise<void> = Promise.resolve()

  private constructor(bucket: Bucket, holder: LeaseHolder, options: LeaseOptions, {revision, deadline}: Held) {
    this.#bucket = bucket
    this.#holder = holder
    this.#options = options
    this.#revision = revision
    this.#deadline = deadline
    this.#renewing = this.#renew()
  }

  /** Takes the lease when it is free or expired; throws a LeaseHeldError after `timeoutMs` of waiting. */
  static async acquire(holder: LeaseHolder, options: LeaseOptions): Promise<AccountLease> {
    const bucket = Bucket.at(options.nc, bucketName, options.spec)
    const {clock} = options
    const until = clock.now() + options.timeoutMs
    for (;;) {
      const present = await readLease(bucket, options)
      if (present === undefined || isFree(present, serverNow(options))) {
        const held = await tryTake(bucket, holder, present?.revision ?? 0, options)
        if (held !== undefined) return new AccountLease(bucket, holder, options, held)
      } else if (clock.now() >= until) throw new LeaseHeldError(present)
      else await clock.sleep(Math.min(50, until - clock.now() + 1))
    }
  }

  /** Fencing number: grows with every holder and every renewal. */
  get revision(): number {
    return this.#revision
  }

  /** Throws a LeaseLostError when somebody else may hold it by now. */
  check(): void {
    if (this.#lost || serverNow(this.#options) >= this.#deadline) throw new LeaseLostError()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    await this.#renewing
    const record = {...this.#holder, deadline: iso(serverNow(this.#options)), released: true}
    // Whoever took it over has it now; and what cannot be released expires.
    await this.#bucket.put(key, encode(record), {expected: this.#revision}).catch(() => undefined)
  }

  async #renew(): Promise<void> {
    const {clock} = this.#options
    const {signal} = this.#ended
    while (!signal.aborted) {
      await clock.sleep(renewMs, signal).catch(() => undefined)
      if (this.#ended.signal.aborted) return
      const deadline = serverNow(this.#options) + lengthMs
      try {
        const record = {...this.#holder, deadline: iso(deadline), released: false}
        this.#revision = await this.#bucket.put(key, encode(record), {expected: this.#revision})
        this.#deadline = deadline
      } catch (error) {
        this.#lost = error instanceof RevisionConflictError
        if (this.#lost) return
      }
    }
  }
}

interface Held {
  readonly revision: number
  readonly deadline: number
}

interface Present {
  readonly record: LeaseRecord | undefined
  readonly revision: number
  /** Never later than a minute after it was written, whatever it says. */
  readonly deadline: number
}

async function readLease(bucket: Bucket, {nc, spec, like}: LeaseOptions): Promise<Present | undefined> {
  try {
    const entry = await bucket.get(key)
    return entry && parseLease(entry)
  } catch (error) {
    if (!(error instanceof MissingBucketError)) throw error
    await ensureBucket(nc, bucketName, spec, like === undefined ? {} : {like})
    return undefined
  }
}

/** A record that nobody can read is a holder without a name for the longest time that one may have. */
function parseLease({value, revision, created}: BucketEntry): Present {
  const longest = Date.parse(created) + longestMs
  try {
    const record = leaseSchema.parse(JSON.parse(Buffer.from(value).toString('utf8')))
    return {record, revision, deadline: Math.min(longest, Date.parse(record.deadline))}
  } catch {
    return {record: undefined, revision, deadline: longest}
  }
}

function isFree({record, deadline}: Present, now: number): boolean {
  return record?.released === true || now > deadline
}

async function tryTake(
  bucket: Bucket,
  holder: LeaseHolder,
  expected: number,
  options: LeaseOptions,
): Promise<Held | undefined> {
  const deadline = serverNow(options) + lengthMs
  try {
    const revision = await bucket.put(key, encode({...holder, deadline: iso(deadline), released: false}), {expected})
    return {revision, deadline}
  } catch (error) {
    if (error instanceof RevisionConflictError) return undefined
    throw error
  }
}

function serverNow({clock, clockOffsetMs}: LeaseOptions): number {
  return clock.now() + clockOffsetMs
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

function encode(record: LeaseRecord): Uint8Array {
  return Buffer.from(JSON.stringify(record))
}

/** Somebody else is changing the account's token. */
export class LeaseHeldError extends ConflictError {
  constructor({record, deadline}: Present) {
    const holder = record?.holder ?? 'someone unknown'
    const what = record?.what === undefined ? '' : ` for '${record.what}'`
    super(`The account's mappings are being changed by ${holder}${what}, and nothing was changed here.`, {
      suggestions: ['Run the same command again.', '--timeout 60s waits longer for the other one to end.'],
      details: {holder, ...(record?.what === undefined ? {} : {what: record.what}), deadline: iso(deadline)},
    })
  }
}

/** The lease ran out in the middle of a change, so another command may have begun one. */
export class LeaseLostError extends ConflictError {
  constructor() {
    super("The lease on the account's mappings ran out before the change was complete.", {
      suggestions: ['lattice route ls', 'Run the same command again.'],
    })
  }
}
