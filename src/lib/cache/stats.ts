import {NoPermissionError} from '../nats/request.js'
import {recordKinds, type RecordKind} from '../records/registry.js'
import {MissingBucketError} from './bucket-errors.js'
import {readBucketInfo, type BucketInfo} from './bucket-info.js'
import type {LatticeCache} from './cache.js'
import {askApi, unexpectedAnswer, type JetStream} from './jetstream.js'
import {addressAt, bucketNames} from './key.js'
import {readStream} from './read-stream.js'

/** How much of a kind is stored. */
export interface KindStats {
  readonly kind: RecordKind
  readonly keys: number
  /** Keys of which only the deletion is stored last. */
  readonly deleted: number
  /** Stored revisions of all of them, deletions included. */
  readonly revisions: number
  /** Of the present values. */
  readonly bytes: number
}

export type BucketStats = ({readonly present: true} & BucketInfo) | {readonly present: false; readonly name: string}

/** What is stored in a lattice and how; also the JSON of `cache stats`. */
export interface CacheStats {
  readonly lattice: string
  readonly context?: string
  /** Kinds of which anything is stored. */
  readonly kinds: readonly KindStats[]
  readonly buckets: readonly BucketStats[]
  /** Buckets that this user may not read, and which are not counted. */
  readonly unreadable?: readonly string[]
}

/** Counts the records of a lattice by kind, without reading their values, and looks at its buckets. */
export async function readStats(cache: LatticeCache): Promise<CacheStats> {
  const {lattice, context} = cache
  const js = cache.jetStream()
  const names = Object.values(bucketNames(lattice))
  const results = await Promise.all(names.map((name) => lookAt(js, name, lattice)))
  const denied = results.flatMap((result) => ('denied' in result ? [result] : []))
  if (denied[0] !== undefined && denied.length === names.length) throw denied[0].denied
  const found = results.flatMap((result) => ('denied' in result ? [] : [result]))
  return {
    lattice,
    ...(context === undefined ? {} : {context}),
    kinds: sum(found.map(({kinds}) => kinds)),
    buckets: found.map(({bucket}) => bucket),
    ...(denied.length === 0 ? {} : {unreadable: denied.map(({name}) => name)}),
  }
}

type Counts = {-readonly [K in keyof Omit<KindStats, 'kind'>]: number}
type KindCounts = Map<RecordKind, Counts>

interface BucketCounts {
  readonly bucket: BucketStats
  readonly kinds: KindCounts
}

interface Denied {
  readonly name: string
  readonly denied: NoPermissionError
}

async function lookAt(js: JetStream, name: string, lattice: string): Promise<BucketCounts | Denied> {
  const kinds: KindCounts = new Map()
  try {
    const info = await readBucketInfo(js, name)
    if (info === undefined) return {bucket: {present: false, name}, kinds}
    const countsOf = (key: string): Counts => countsFor(kinds, addressAt({bucket: name, key}, lattice).kind)
    await Promise.all([countValues(js, name, countsOf), countRevisions(js, name, countsOf)])
    return {bucket: {present: true, ...info}, kinds}
  } catch (error) {
    if (error instanceof NoPermissionError) return {name, denied: error}
    if (error instanceof MissingBucketError) return {bucket: {present: false, name}, kinds}
    throw error
  }
}

/** A key that is written meanwhile comes twice, so what came last counts. */
async function countValues(js: JetStream, bucket: string, countsOf: (key: string) => Counts): Promise<void> {
  const sizes = new Map<string, number | undefined>()
  await readStream(js, bucket, {
    keysOnly: true,
    take: (message) => void sizes.set(message.key, message.marker ? undefined : message.storedSize),
  })
  for (const [key, size] of sizes) {
    const counts = countsOf(key)
    if (size === undefined) counts.deleted++
    else counts.keys++
    counts.bytes += size ?? 0
  }
}

/** The server tells the number of revisions of at most 100,000 keys at a time. */
async function countRevisions(js: JetStream, bucket: string, countsOf: (key: string) => Counts): Promise<void> {
  const prefix = `$KV.${bucket}.`
  for (let offset = 0; ;) {
    const {error, fields} = await askApi(js, `STREAM.INFO.KV_${bucket}`, {subjects_filter: `${prefix}>`, offset})
    if (error !== undefined) throw unexpectedAnswer(error, `The keys of the bucket '${bucket}' cannot be counted`)
    const {state, total = 0} = fields as {state?: {subjects?: Readonly<Record<string, number>>}; total?: number}
    const page = Object.entries(state?.subjects ?? {})
    for (const [subject, revisions] of page) countsOf(subject.slice(prefix.length)).revisions += revisions
    offset += page.length
    if (page.length === 0 || offset >= total) return
  }
}

function countsFor(kinds: KindCounts, kind: RecordKind): Counts {
  const counts = kinds.get(kind) ?? {keys: 0, deleted: 0, revisions: 0, bytes: 0}
  kinds.set(kind, counts)
  return counts
}

function sum(lists: readonly KindCounts[]): KindStats[] {
  const all: KindCounts = new Map()
  for (const kinds of lists) {
    for (const [kind, counts] of kinds) {
      const into = countsFor(all, kind)
      for (const field of ['keys', 'deleted', 'revisions', 'bytes'] as const) into[field] += counts[field]
    }
  }
  return recordKinds.flatMap((kind) => {
    const counts = all.get(kind)
    return counts === undefined ? [] : [{kind, ...counts}]
  })
}
