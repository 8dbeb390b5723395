import {isDeepStrictEqual} from 'node:util'

import {NotFoundError, TimeoutError, UsageError} from '../errors.js'
import type {RecordAddress, RecordKind} from '../records/registry.js'
import {MissingBucketError, RevisionConflictError} from './bucket-errors.js'
import type {BucketEntry} from './bucket-entry.js'
import type {LatticeCache} from './cache.js'
import {composeRecord, type FieldEdit} from './compose.js'
import {readStoredRecord, withoutSecrets, type CacheEntry} from './entry.js'
import {addressName, bucketNames, placeOf, type Place} from './key.js'

export interface DeleteOptions {
  /** The revision that must stand there; default the present one, read first. */
  readonly revision?: number | undefined
  readonly dryRun?: boolean | undefined
  /** Bucket of a raw key. */
  readonly bucket?: string | undefined
}

export interface PutOptions extends DeleteOptions {
  /** The record must not exist. */
  readonly create?: boolean | undefined
  /** Fields to change in the value, or in the present record when no value is given. */
  readonly set?: readonly FieldEdit[] | undefined
}

/** What a write did, or under `dryRun` would do. */
export interface CacheChange {
  readonly lattice: string
  readonly context?: string
  readonly kind: RecordKind
  readonly name: string
  readonly bucket: string
  readonly key: string
  readonly operation: 'put' | 'del'
  /** False when the record already was so; then nothing was written. */
  readonly changed: boolean
  readonly dryRun?: true
  /** Of the record as it stands now; absent under `dryRun` when something would be written. */
  readonly revision?: number
  /** What stands there now; absent for `del`. */
  readonly format?: CacheEntry['format']
  readonly value?: unknown
  /** What it replaced. */
  readonly previous?: Pick<CacheEntry, 'revision' | 'created' | 'format' | 'value'>
  /** The line that takes it back. */
  readonly undo?: string
}

interface Target {
  readonly kind: RecordKind
  readonly key: string
}

/**
 * Writes a record in the form every host reads. The expected revision is the given one, none for `create`, else the
 * present one. A record that already is so is not written again. Throws a RevisionConflictError when the world moved.
 */
export async function putRecord(
  cache: LatticeCache,
  {kind, key, value}: Target & {readonly value?: Uint8Array | undefined},
  {revision, create = false, dryRun = false, bucket, set = []}: PutOptions,
): Promise<CacheChange> {
  refuseRoutes(cache, kind, bucket)
  const address = await cache.resolve(kind, key, {bucket, words: ['cache', 'put']})
  const place = placeOf(address, cache.lattice)
  refuseTypedKeys(cache, address)
  const last = await lastOf(cache, place, bucket === undefined)
  const present = last?.operation === 'PUT' ? last : undefined
  const bytes = composeRecord(address, {value, set, present: present?.value})
  const previous = present === undefined ? undefined : await readStoredRecord(address, place.bucket, present)
  const wanted = await readStoredRecord(address, place.bucket, {...emptyEntry, key: place.key, value: bytes})
  const head = describe(cache, wanted.entry, {operation: 'put', dryRun})
  if (previous !== undefined && sameRecord(wanted.entry, previous.entry)) {
    return {...head, changed: false, revision: previous.entry.revision}
  }
  const expected = create ? expectNothing(present, last) : (revision ?? last?.revision ?? 0)
  if (expected !== (last?.revision ?? 0))
    throw conflict(cache, address, new RevisionConflictError(place.key, expected, last?.revision))
  const replaced = previous === undefined ? {} : {previous: pickPrevious(previous.entry)}
  if (dryRun) return {...head, changed: true, ...replaced}
  const target =
    last === undefined && bucket === undefined ? await cache.ensure(place.bucket) : cache.bucket(place.bucket)
  const written = await target.put(place.key, bytes, {expected}).catch(explainFailure(cache, address))
  return {
    ...head,
    changed: true,
    revision: written,
    ...replaced,
    undo: undoLine(cache, address, {written, previous: previous?.entry}),
  }
}

/** Deletes a record with the marker that every host acts on; one that was deleted already is no error. */
export async function deleteRecord(
  cache: LatticeCache,
  {kind, key}: Target,
  {revision, dryRun = false, bucket}: DeleteOptions,
): Promise<CacheChange> {
  refuseRoutes(cache, kind, bucket)
  const found = await cache.read(kind, key, {bucket, words: ['cache', 'del']}).catch(async (error: unknown) => {
    const gone = error instanceof NotFoundError ? await deletedBefore(cache, {kind, key}, {bucket, dryRun}) : undefined
    if (gone === undefined) throw error
    return gone
  })
  if ('changed' in found) return found
  const {address, entry} = found
  if (revision !== undefined && revision !== entry.revision) {
    throw conflict(cache, address, new RevisionConflictError(entry.key, revision, entry.revision))
  }
  const {format: _format, value: _value, ...head} = describe(cache, entry, {operation: 'del', dryRun})
  const change = {...head, changed: true, previous: pickPrevious(entry)}
  if (dryRun) return change
  const written = await cache
    .bucket(entry.bucket)
    .del(entry.key, {expected: entry.revision})
    .catch(explainFailure(cache, address))
  return {...change, revision: written, undo: undoLine(cache, address, {written, previous: entry})}
}

/** The unchanged result for a record whose deletion is stored; undefined when there never was one. */
export async function deletedBefore(
  cache: LatticeCache,
  {kind, key}: Target,
  {bucket, dryRun = false}: DeleteOptions,
): Promise<CacheChange | undefined> {
  const address = await cache.resolve(kind, key, {bucket})
  const place = placeOf(address, cache.lattice)
  const last = await lastOf(cache, place, true)
  if (last?.operation !== 'DEL') return undefined
  const {entry} = await readStoredRecord(address, place.bucket, last)
  const {format: _format, value: _value, ...head} = describe(cache, entry, {operation: 'del', dryRun})
  return {...head, changed: false, revision: last.revision}
}

/** The change as it may be shown. */
export function changeWithoutSecrets(change: CacheChange): CacheChange {
  const {kind, key, value, previous} = change
  return {
    ...change,
    ...(value === undefined ? {} : {value: withoutSecrets({kind, key, value}).value}),
    ...(previous === undefined
      ? {}
      : {previous: {...previous, value: withoutSecrets({kind, key, value: previous.value}).value}}),
  }
}

const emptyEntry = {operation: 'PUT', revision: 0, created: ''} as const

function describe(
  {lattice, context}: LatticeCache,
  {kind, name, bucket, key, format, value}: CacheEntry,
  {operation, dryRun}: {operation: CacheChange['operation']; dryRun: boolean},
): Omit<CacheChange, 'changed'> {
  return {
    lattice,
    ...(context === undefined ? {} : {context}),
    kind,
    name,
    bucket,
    key,
    operation,
    ...(dryRun ? {dryRun} : {}),
    format,
    value,
  }
}

function pickPrevious({revision, created, format, value}: CacheEntry): NonNullable<CacheChange['previous']> {
  return {revision, created, format, value}
}

/** Hosts write their fields in another order; that is no difference. */
function sameRecord(a: CacheEntry, b: CacheEntry): boolean {
  return a.format === b.format && isDeepStrictEqual(a.value, b.value)
}

/** The revision to expect so that nothing is overwritten: a deletion has one as well. */
function expectNothing(present: BucketEntry | undefined, last: BucketEntry | undefined): number {
  return present === undefined ? (last?.revision ?? 0) : 0
}

/** A bucket of the lattice is made by the first write; a bucket that was named must be there. */
async function lastOf(
  cache: LatticeCache,
  {bucket, key}: Place,
  mayBeMissing: boolean,
): Promise<BucketEntry | undefined> {
  try {
    return await cache.bucket(bucket).last(key)
  } catch (error) {
    if (mayBeMissing && error instanceof MissingBucketError) return undefined
    throw error
  }
}

function refuseRoutes(cache: LatticeCache, kind: RecordKind, bucket: string | undefined): void {
  if (kind !== 'route' && !/^LATTICE(ROUTES_|ACCOUNT$)/.test(bucket ?? '')) return
  throw new UsageError('A route record says what is live, so only a route command writes it.', {
    suggestions: [cache.line(['route', 'ls']), 'lattice route --help'],
  })
}

/** A raw write to the key of a typed record would leave out its checks; a dot before a kind crashes old hosts. */
function refuseTypedKeys(cache: LatticeCache, address: RecordAddress): void {
  if (address.kind !== 'key') return
  const {bucket, key} = placeOf(address, cache.lattice)
  const {data, config} = bucketNames(cache.lattice)
  const typed = bucket === data && /^([^.]+\.)?(CLAIMS|LINKDEF|REFMAP|COMPONENT)_/.test(key)
  if (!typed && bucket !== config) return
  throw new UsageError(`The key '${key}' is one that hosts read as a typed record, so it is not written raw.`, {
    suggestions: ['claims', 'link', 'ref', 'component', 'config'].map(
      (kind) => `${cache.line(['cache', 'put', kind])} --help`,
    ),
  })
}

/** Adds what only the cache knows: the line that shows what stands there now. */
function explainFailure(cache: LatticeCache, address: RecordAddress): (error: unknown) => never {
  return (error) => {
    if (error instanceof RevisionConflictError) throw conflict(cache, address, error)
    if (!(error instanceof TimeoutError)) throw error
    throw new TimeoutError(`Whether '${addressName(address)}' was written is not known: ${error.message}`, {
      suggestions: [lookLine(cache, address)],
      details: error.details,
      cause: error,
    })
  }
}

function conflict(
  cache: LatticeCache,
  address: RecordAddress,
  {key, expected, current}: RevisionConflictError,
): RevisionConflictError {
  return new RevisionConflictError(key, expected, current, [
    lookLine(cache, address),
    ...(current === undefined ? [] : [`Write again with --revision ${current} if that is to be replaced.`]),
  ])
}

function lookLine(cache: LatticeCache, address: RecordAddress): string {
  return cache.line(['cache', 'get', address.kind, addressName(address), ...bucketWords(address)])
}

function undoLine(
  cache: LatticeCache,
  address: RecordAddress,
  {written, previous}: {written: number; previous: CacheEntry | undefined},
): string {
  const target = [address.kind, addressName(address), ...bucketWords(address)]
  if (previous === undefined) return cache.line(['cache', 'del', ...target, '--revision', String(written)])
  const show = cache.line(['cache', 'get', ...target, '--revision', String(previous.revision), '--raw'])
  return `${show} | ${cache.line(['cache', 'put', ...target, '--revision', String(written)])}`
}

function bucketWords(address: RecordAddress): string[] {
  return address.kind === 'key' && address.bucket !== undefined ? ['--bucket', address.bucket] : []
}
