import type {RecordAddress, RecordKind} from '../records/registry.js'
import type {Change} from '../records/diff.js'
import type {BucketEntry} from './bucket-entry.js'
import {MissingBucketError} from './bucket-errors.js'
import {readBucketInfo} from './bucket-info.js'
import type {LatticeCache} from './cache.js'
import {hideChanges, recordChanges} from './compare.js'
import {readStoredRecord, withoutSecrets, type CacheEntry} from './entry.js'
import {addressName} from './key.js'

/** One stored revision of a record. */
export interface RecordRevision {
  readonly revision: number
  /** ISO time. */
  readonly created: string
  readonly operation: 'put' | 'del'
  /** Bytes. */
  readonly size: number
  readonly format?: CacheEntry['format']
  readonly value?: unknown
  readonly problem?: string
  /** What it changed of the revision before; absent for the oldest that is stored and for deletions. */
  readonly changes?: readonly Change[]
}

/** All that is stored of a record, the newest first; also the JSON of `cache history`. */
export interface RecordHistory {
  readonly lattice: string
  readonly context?: string
  readonly kind: RecordKind
  readonly name: string
  readonly bucket: string
  readonly key: string
  /** How many revisions of a key the bucket keeps; absent where there is no limit. */
  readonly keeps?: number
  readonly revisions: readonly RecordRevision[]
}

/** Stored revisions of a record, oldest first, as they were read. */
export interface StoredRevisions {
  readonly address: RecordAddress
  readonly bucket: string
  readonly key: string
  readonly keeps?: number
  /** `entry` is there for each but a deletion. */
  readonly revisions: readonly {readonly stored: BucketEntry; readonly entry?: CacheEntry}[]
}

export interface HistoryTarget {
  readonly kind: RecordKind
  readonly key: string
  /** Bucket of a raw key. */
  readonly bucket?: string | undefined
  /** Words of the command, for the lines it suggests. */
  readonly words: readonly string[]
}

/** Reads every stored revision of a record, deletions included; throws a NotFoundError when there is none. */
export async function readRevisions(
  cache: LatticeCache,
  {kind, key: text, bucket: named, words}: HistoryTarget,
): Promise<StoredRevisions> {
  const {address, bucket, key} = await cache.locate(kind, text, {bucket: named, words})
  const [info, stored] = await Promise.all([
    readBucketInfo(cache.jetStream(), bucket),
    cache
      .bucket(bucket)
      .history(key)
      .catch((error: unknown) => {
        if (named === undefined && error instanceof MissingBucketError) throw cache.missing(address)
        throw error
      }),
  ])
  if (stored.length === 0) throw cache.missing(address)
  const revisions = stored.map(async (one) =>
    one.operation === 'DEL'
      ? {stored: one}
      : {stored: one, entry: (await readStoredRecord(address, bucket, one)).entry},
  )
  const keeps = info?.history
  return {address, bucket, key, ...(keeps === undefined ? {} : {keeps}), revisions: await Promise.all(revisions)}
}

export interface HistoryOptions {
  /** Only so many of the newest. */
  readonly limit?: number | undefined
  /** Secrets are shown. */
  readonly raw: boolean
}

/** The history of a record as it may be shown. */
export async function readHistory(
  cache: LatticeCache,
  target: HistoryTarget,
  {limit = Infinity, raw}: HistoryOptions,
): Promise<RecordHistory> {
  const {address, bucket, key, keeps, revisions} = await readRevisions(cache, target)
  const {lattice, context} = cache
  const all = revisions.map(({stored: {revision, created}, entry}, index): RecordRevision => {
    if (entry === undefined) return {revision, created, operation: 'del', size: 0}
    const {size, format, problem} = entry
    const before = revisions[index - 1]
    const changes = before === undefined ? undefined : recordChanges(before.entry, entry)
    return {
      revision,
      created,
      operation: 'put',
      size,
      format,
      value: raw ? entry.value : withoutSecrets(entry).value,
      ...(problem === undefined ? {} : {problem}),
      ...(changes === undefined ? {} : {changes: raw ? changes : hideChanges([entry], changes)}),
    }
  })
  return {
    lattice,
    ...(context === undefined ? {} : {context}),
    kind: address.kind,
    name: revisions.at(-1)?.entry?.name ?? addressName(address),
    bucket,
    key,
    ...(keeps === undefined ? {} : {keeps}),
    revisions: all.slice(-Math.min(limit, all.length)).reverse(),
  }
}

/** The line after which a bucket keeps enough revisions to look back. */
export function keepMoreLine(cache: LatticeCache): string {
  return cache.line(['cache', 'init', '--update', '--history', '64'])
}
