import type {NatsConnection} from '@nats-io/transport-node'
import {z} from 'zod'

import type {BucketEntry} from '../../cache/bucket-entry.js'
import {MissingBucketError, RevisionConflictError} from '../../cache/bucket-errors.js'
import {Bucket, ensureBucket} from '../../cache/bucket.js'
import type {JetStreamSpec} from '../../cache/jetstream.js'
import {ConflictError, ServerError, UsageError} from '../../errors.js'
import {routeSchema, type RouteRecord} from '../../records/route.js'
import type {RouteState} from '../access.js'

/** A route record as it stands in the bucket. */
export interface StoredRoute {
  readonly key: string
  readonly record: RouteRecord
  readonly revision: number
}

/** The route records of one lattice, wherever they are kept. */
export interface RouteStore {
  /** All records, sorted by key; one that fits no schema is an UnreadableRouteError, or left out with `readable`. */
  list: (options?: {readonly readable?: boolean}) => Promise<StoredRoute[]>
  /** Keys whose records fit no schema, so that nobody knows what they say. */
  unreadable: () => Promise<readonly string[]>
  /** The record of one key (routeKey), undefined when there is none. */
  get: (key: string) => Promise<StoredRoute | undefined>
  /** One revision of a key's record, undefined when it is not stored. */
  at: (key: string, revision: number) => Promise<StoredRoute | undefined>
  /** The stored revisions of a key's record that can be read, oldest first. */
  history: (key: string) => Promise<StoredRoute[]>
  /** Writes a record if its revision is still the expected one (0: there is none) and returns the new one; else a ConflictError. */
  put: (key: string, record: RouteRecord, expected: number) => Promise<number>
}

/** Opens the records where they are kept. */
export async function openStore(
  nc: NatsConnection,
  spec: JetStreamSpec & {readonly lattice: string},
  state?: RouteState,
): Promise<RouteStore> {
  if (state === undefined) return new BucketRouteStore(nc, spec, spec.lattice)
  const {FileRouteStore, NoRouteStore} = await import('./file-store.js')
  return state.kind === 'file' ? new FileRouteStore(state.path, spec.lattice) : new NoRouteStore()
}

/** Throws a UsageError where no records are kept, for what is about nothing else. */
export function requireRecords(state: RouteState | undefined, what: string): void {
  if (state?.kind !== 'none') return
  throw new UsageError(`${what} is not known, because no records of routes are kept.`, {
    suggestions: ['--state file:routes.json', 'lattice route ab 70/30, to say what is to be'],
  })
}

/** Records in JetStream. Opening never makes the bucket; the first write does. */
class BucketRouteStore implements RouteStore {
  readonly #nc: NatsConnection
  readonly #spec: JetStreamSpec
  readonly #lattice: string
  readonly #bucket: Bucket

  constructor(nc: NatsConnection, spec: JetStreamSpec, lattice: string) {
    this.#nc = nc
    this.#spec = spec
    this.#lattice = lattice
    this.#bucket = Bucket.at(nc, `LATTICEROUTES_${lattice}`, spec)
  }

  async list({readable = false}: {readonly readable?: boolean} = {}): Promise<StoredRoute[]> {
    const entries = await orWithoutBucket(this.#bucket.list(), [])
    return readable ? entries.flatMap(readIfReadable) : entries.map(readRoute)
  }

  async unreadable(): Promise<readonly string[]> {
    const entries = await orWithoutBucket(this.#bucket.list(), [])
    return entries.filter((entry) => readIfReadable(entry).length === 0).map(({key}) => key)
  }

  async get(key: string): Promise<StoredRoute | undefined> {
    const entry = await orWithoutBucket(this.#bucket.get(key), undefined)
    return entry && readRoute(entry)
  }

  async at(key: string, revision: number): Promise<StoredRoute | undefined> {
    const entry = await orWithoutBucket(this.#bucket.at(key, revision), undefined)
    return entry?.operation === 'PUT' ? readRoute(entry) : undefined
  }

  async history(key: string): Promise<StoredRoute[]> {
    const entries = await orWithoutBucket(this.#bucket.history(key), [])
    return entries.filter(({operation}) => operation === 'PUT').flatMap(readIfReadable)
  }

  async put(key: string, record: RouteRecord, expected: number): Promise<number> {
    const value = Buffer.from(JSON.stringify(record))
    // Asked first, because a leaf node takes a write for another domain whether there is a bucket for it or not.
    if (expected === 0 && !(await this.#bucket.exists())) await this.#make()
    try {
      return await this.#bucket.put(key, value, {expected})
    } catch (error) {
      if (error instanceof RevisionConflictError) throw new RouteMovedError(record, error)
      throw error
    }
  }

  async #make(): Promise<void> {
    const like = `LATTICEDATA_${this.#lattice}`
    await ensureBucket(this.#nc, `LATTICEROUTES_${this.#lattice}`, this.#spec, {like})
  }
}

/** What is stored under a key fits no schema; only the user can say that it may be replaced. */
export class UnreadableRouteError extends ServerError {
  readonly revision: number

  constructor({key, revision}: BucketEntry, problem: z.ZodError) {
    super(`The route record '${key}' fits no known schema: '${problem.issues[0]?.path.join('.') ?? ''}'.`, {
      suggestions: ['--repair   (replace what is there)'],
      details: {key, revision, problem: z.prettifyError(problem)},
    })
    this.revision = revision
  }
}

/** Another command changed the same route in between. */
export class RouteMovedError extends ConflictError {
  constructor({name}: RouteRecord, cause: RevisionConflictError) {
    super(`The route of '${name}' was changed by someone else in the meantime.`, {
      suggestions: [`lattice route show ${name}`],
      details: {...cause.details},
      cause,
    })
  }
}

function readRoute(entry: BucketEntry): StoredRoute {
  const parsed = routeSchema.safeParse(parseJson(entry.value))
  if (!parsed.success) throw new UnreadableRouteError(entry, parsed.error)
  return {key: entry.key, record: parsed.data, revision: entry.revision}
}

function readIfReadable(entry: BucketEntry): StoredRoute[] {
  try {
    return [readRoute(entry)]
  } catch (error) {
    if (error instanceof UnreadableRouteError) return []
    throw error
  }
}

function parseJson(value: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(value).toString('utf8'))
  } catch {
    return undefined
  }
}

async function orWithoutBucket<T>(promise: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await promise
  } catch (error) {
    if (error instanceof MissingBucketError) return otherwise
    throw error
  }
}
