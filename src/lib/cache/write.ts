import {isDeepStrictEqual} from 'node:util'

import {UsageError} from '../errors.js'
import type {RecordAddress, RecordKind} from '../records/registry.js'
import type {BucketEntry} from './bucket-entry.js'
import {MissingBucketError, RevisionConflictError} from './bucket-errors.js'
import type {LatticeCache} from './cache.js'
import {describeChange, describePrevious, type Allowance, type CacheChange} from './change.js'
import {composeRecord, type FieldEdit} from './compose.js'
import {explainConflict, explainFailure} from './conflict.js'
import {readStoredRecord, type StoredRecord} from './entry.js'
import {readGiven} from './given.js'
import {placeOf, type Place} from './key.js'
import {isTypedKey, undoLine} from './undo.js'

export interface WriteOptions {
  /** The revision that must stand there; default the present one, read first. */
  readonly revision?: number | undefined
  readonly dryRun?: boolean | undefined
  /** Bucket of a raw key. */
  readonly bucket?: string | undefined
}

export interface PutOptions extends WriteOptions {
  /** The record must not exist. */
  readonly create?: boolean | undefined
  /** Fields to change in the value, or in the present record when no value is given. */
  readonly set?: readonly FieldEdit[] | undefined
  /** The value is YAML, and JSON is stored; default for typed records. */
  readonly yaml?: boolean | undefined
  /** Replace whatever stands there by then, without a comparison. */
  readonly overwrite?: boolean | undefined
  /** False stores exactly the given bytes, whatever hosts make of them. */
  readonly validate?: boolean | undefined
}

export interface Target {
  readonly kind: RecordKind
  readonly key: string
}

interface Given {
  readonly value?: Uint8Array | undefined
}

/**
 * Writes a record in the form every host reads. The expected revision is the given one, none for `create`, else the
 * present one. A record that already is so is not written again. Throws a RevisionConflictError when the world moved.
 */
export async function putRecord(
  cache: LatticeCache,
  {kind, key, value}: Target & Given,
  options: PutOptions,
): Promise<CacheChange> {
  const {bucket} = options
  refuseRoutes(cache, kind, bucket)
  const address = await cache.resolve(kind, key, {bucket, words: ['cache', 'put']})
  return writeRecord(cache, address, {...options, value})
}

/** As putRecord, for an address that is known. */
export async function writeRecord(
  cache: LatticeCache,
  address: RecordAddress,
  options: PutOptions & Given,
): Promise<CacheChange> {
  const {dryRun = false, bucket, overwrite = false, validate = true} = options
  refuseTypedKeys(cache, address, validate)
  const place = placeOf(address, cache.lattice)
  const last = await lastOf(cache, place, bucket === undefined)
  const present = last?.operation === 'PUT' ? last : undefined
  const bytes = await composeGiven(address, present, options)
  const previous = present === undefined ? undefined : await readStoredRecord(address, place.bucket, present)
  const wanted = await readStoredRecord(address, place.bucket, {...unwritten, key: place.key, value: bytes})
  const head = describeChange(cache, wanted.entry, {operation: 'put', dryRun, allowed: allowances(options)})
  if (previous !== undefined && sameRecord(wanted, previous, validate)) {
    return {...head, changed: false, revision: previous.entry.revision}
  }
  const seen = previous?.entry
  const expected = expectedRevision(last, options)
  if (!overwrite && expected !== (last?.revision ?? 0)) {
    const error = new RevisionConflictError(place.key, expected, last?.revision)
    throw await explainConflict(cache, address, {error, seen})
  }
  const change = {...head, changed: true, ...(seen === undefined ? {} : {previous: describePrevious(seen)})}
  if (dryRun) {
    await cache.bucket(place.bucket).checkSize(place.key, bytes)
    return change
  }
  const target =
    last === undefined && bucket === undefined ? await cache.ensure(place.bucket) : cache.bucket(place.bucket)
  const written = await target.put(place.key, bytes, overwrite ? {} : {expected}).catch(async (error: unknown) => {
    throw await explainFailure(cache, address, {error, seen})
  })
  const undo = await undoLine(cache, address, {written, previous: present})
  return {...change, revision: written, ...(undo === undefined ? {} : {undo})}
}

/** The latest revision, deletions included. A bucket of the lattice is made by the first write, so it may be missing. */
export async function lastOf(
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

/** Throws a UsageError for a record of a route. */
export function refuseRoutes(cache: LatticeCache, kind: RecordKind, bucket: string | undefined): void {
  if (kind !== 'route' && !/^LATTICE(ROUTES_|ACCOUNT$)/.test(bucket ?? '')) return
  throw new UsageError('A route record says what is live, so only a route command writes it.', {
    suggestions: [cache.line(['route', 'ls']), 'lattice route --help'],
  })
}

const unwritten = {operation: 'PUT', revision: 0, created: ''} as const

async function composeGiven(
  address: RecordAddress,
  present: BucketEntry | undefined,
  {value: given, set = [], yaml, validate = true}: PutOptions & Given,
): Promise<Uint8Array> {
  // As a raw key it is taken as it is.
  const target = validate ? address : ({kind: 'key', key: ''} as const)
  const value = await readGiven(target, given, {yaml})
  return composeRecord(target, {value, set, present: present?.value})
}

function allowances({overwrite = false, validate = true}: PutOptions): Allowance[] {
  return [...(overwrite ? (['overwrite'] as const) : []), ...(validate ? [] : (['no-validate'] as const))]
}

/** Hosts write their fields in another order; that is no difference, except for who wants certain bytes. */
function sameRecord(wanted: StoredRecord, present: StoredRecord, validate: boolean): boolean {
  if (!validate) return Buffer.compare(wanted.bytes, present.bytes) === 0
  const [a, b] = [wanted.entry, present.entry]
  return a.format === b.format && isDeepStrictEqual(a.value, b.value)
}

/** A deletion has a revision too, and whoever wants to create may write over it. */
function expectedRevision(last: BucketEntry | undefined, {create = false, revision}: PutOptions): number {
  const present = last?.revision ?? 0
  if (create) return last?.operation === 'PUT' ? 0 : present
  return revision ?? present
}

/** A raw write to the key of a typed record would leave out its checks; a dot before a kind crashes old hosts. */
function refuseTypedKeys(cache: LatticeCache, address: RecordAddress, validate: boolean): void {
  if (!isTypedKey(cache, address)) return
  const {key} = placeOf(address, cache.lattice)
  if (!validate && !key.includes('.')) return
  throw new UsageError(`The key '${key}' is one that hosts read as a typed record, so it is not written raw.`, {
    suggestions: ['claims', 'link', 'ref', 'component', 'config'].map(
      (kind) => `${cache.line(['cache', 'put', kind])} --help`,
    ),
  })
}
