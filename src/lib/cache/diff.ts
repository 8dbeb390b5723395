import {NotFoundError} from '../errors.js'
import type {Change} from '../records/diff.js'
import type {RecordAddress, RecordKind} from '../records/registry.js'
import {MissingBucketError} from './bucket-errors.js'
import type {LatticeCache} from './cache.js'
import {hideChanges, recordChanges} from './compare.js'
import {composeRecord} from './compose.js'
import {compareEntries, readStoredRecord, type CacheEntry, type StoredRecord} from './entry.js'
import {readGiven} from './given.js'
import {keepMoreLine, readRevisions, type StoredRevisions} from './history.js'
import {addressName, bucketNames, placeOf} from './key.js'

/** One of the two things that are compared. */
export interface DiffSide {
  readonly lattice?: string
  readonly context?: string
  /** Its key as a user types it; absent where many records are compared. */
  readonly name?: string
  /** Absent where nothing is stored and for a file. */
  readonly revision?: number
  /** ISO time. */
  readonly created?: string
  readonly file?: string
}

/** A record that is not the same on both sides. */
export interface RecordDiff {
  readonly kind: RecordKind
  readonly name: string
  readonly title?: string
  readonly state: 'changed' | 'added' | 'removed'
  readonly changes: readonly Change[]
}

/** What differs; also the JSON of `cache diff`. */
export interface CacheDiff {
  readonly before: DiffSide
  readonly after: DiffSide
  readonly differs: boolean
  /** How many records were compared. */
  readonly compared: number
  /** Those that differ. */
  readonly records: readonly RecordDiff[]
}

export interface DiffTarget {
  readonly kind: RecordKind
  readonly key: string
  /** Bucket of a raw key. */
  readonly bucket?: string | undefined
  /** Secrets are shown. */
  readonly raw: boolean
}

export interface RevisionPair {
  /** Default the revision before `to`. */
  readonly from?: number | undefined
  /** Default the present one. */
  readonly to?: number | undefined
}

const words = ['cache', 'diff'] as const

/** Compares two revisions of a record; throws a NotFoundError for one that is not stored. */
export async function diffRevisions(
  cache: LatticeCache,
  target: DiffTarget,
  {from, to}: RevisionPair,
): Promise<CacheDiff> {
  const stored = await readRevisions(cache, {...target, words})
  const {address, revisions} = stored
  const place = (revision: number): number => {
    const index = revisions.findIndex((one) => one.stored.revision === revision)
    if (index === -1) throw notKept(cache, stored, `Revision ${revision} of '${addressName(address)}' is not stored`)
    return index
  }
  const last = to === undefined ? revisions.length - 1 : place(to)
  const first = from === undefined ? last - 1 : place(from)
  if (first < 0 && stored.keeps === 1) {
    throw notKept(cache, stored, `No revision of '${addressName(address)}' before the present one is stored`)
  }
  const [before, after] = [revisions[first], revisions[last]]
  const side = (one: typeof before): DiffSide => ({
    ...sideOf(cache, addressName(address)),
    ...(one === undefined ? {} : {revision: one.stored.revision, created: one.stored.created}),
  })
  return oneRecord([side(before), before?.entry], [side(after), after?.entry], target.raw)
}

/** Compares two records of a kind as they are now. */
export async function diffKeys(cache: LatticeCache, target: DiffTarget, otherKey: string): Promise<CacheDiff> {
  const {kind, key, bucket} = target
  const [before, after] = await Promise.all([
    cache.read(kind, key, {bucket, words}),
    cache.read(kind, otherKey, {bucket, words}),
  ])
  return oneRecord(storedSide(cache, before), storedSide(cache, after), target.raw)
}

/** Compares a record with what `cache put` would make of a file. */
export async function diffFile(
  cache: LatticeCache,
  target: DiffTarget,
  {file, value}: {readonly file: string; readonly value: Uint8Array},
): Promise<CacheDiff> {
  const {kind, key, bucket} = target
  const stored = await readIfStored(cache, target)
  const address = stored?.address ?? (await cache.resolve(kind, key, {bucket, words}))
  const bytes = composeRecord(address, {value: await readGiven(address, value), set: [], present: stored?.bytes})
  const wanted = {operation: 'PUT', key: placeOf(address, cache.lattice).key, value: bytes, ...notStored} as const
  const {entry} = await readStoredRecord(address, placeOf(address, cache.lattice).bucket, wanted)
  const before = stored === undefined ? nothing(cache, address) : storedSide(cache, stored)
  return oneRecord(before, [{file}, entry], target.raw)
}

/** Compares one record as it is in two lattices. Throws a NotFoundError when neither has it. */
export async function diffRecord(here: LatticeCache, there: LatticeCache, target: DiffTarget): Promise<CacheDiff> {
  const mine = await readIfStored(here, target)
  const address = mine?.address ?? (await resolveInEither(here, there, target))
  const other = await readAddress(there, address)
  if (mine === undefined && other === undefined) throw here.missing(address)
  return oneRecord(
    mine === undefined ? nothing(here, address) : storedSide(here, mine),
    other === undefined ? nothing(there, address) : storedSide(there, other),
    target.raw,
  )
}

/** Compares all records of two lattices, or those of a kind. */
export async function diffLattices(
  here: LatticeCache,
  there: LatticeCache,
  {kind, raw}: {readonly kind?: RecordKind | undefined; readonly raw: boolean},
): Promise<CacheDiff> {
  const [mine, others] = await Promise.all([here, there].map((cache) => byPlace(cache, kind)))
  const places = new Set([...mine!.keys(), ...others!.keys()])
  const records = [...places].flatMap((place) => {
    const [before, after] = [mine!.get(place), others!.get(place)]
    const diff = recordDiff(before, after, raw)
    return diff === undefined ? [] : [{entry: (after ?? before)!, diff}]
  })
  return {
    before: sideOf(here),
    after: sideOf(there),
    differs: records.length > 0,
    compared: places.size,
    records: records.sort((a, b) => compareEntries(a.entry, b.entry)).map(({diff}) => diff),
  }
}

type Side = readonly [DiffSide, CacheEntry | undefined]

const notStored = {revision: 0, created: ''} as const

function oneRecord([before, old]: Side, [after, fresh]: Side, raw: boolean): CacheDiff {
  const diff = recordDiff(old, fresh, raw)
  return {before, after, differs: diff !== undefined, compared: 1, records: diff === undefined ? [] : [diff]}
}

function recordDiff(
  before: CacheEntry | undefined,
  after: CacheEntry | undefined,
  raw: boolean,
): RecordDiff | undefined {
  const entry = after ?? before
  const all = recordChanges(before, after)
  if (entry === undefined || all.length === 0) return undefined
  const {kind, name, title} = entry
  const changes = raw ? all : hideChanges([before, after], all)
  const state = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed'
  return {kind, name, ...(title === undefined ? {} : {title}), state, changes}
}

function sideOf({lattice, context}: LatticeCache, name?: string): DiffSide {
  return {lattice, ...(context === undefined ? {} : {context}), ...(name === undefined ? {} : {name})}
}

function storedSide(cache: LatticeCache, {address, entry}: StoredRecord): Side {
  const {revision, created} = entry
  return [{...sideOf(cache, addressName(address)), revision, created}, entry]
}

function nothing(cache: LatticeCache, address: RecordAddress): Side {
  return [sideOf(cache, addressName(address)), undefined]
}

function readIfStored(cache: LatticeCache, {kind, key, bucket}: DiffTarget): Promise<StoredRecord | undefined> {
  return cache.read(kind, key, {bucket, words}).catch((error: unknown) => {
    if (error instanceof NotFoundError) return undefined
    throw error
  })
}

/** A name that is known in one lattice only still names a record. */
async function resolveInEither(
  here: LatticeCache,
  there: LatticeCache,
  {kind, key, bucket}: DiffTarget,
): Promise<RecordAddress> {
  try {
    return await here.resolve(kind, key, {bucket, words})
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error
    const other = await there.read(kind, key, {bucket, words}).catch(() => undefined)
    if (other === undefined) throw error
    return other.address
  }
}

/** The record of an address; claims of a version also where a host without versions keeps them. */
async function readAddress(cache: LatticeCache, address: RecordAddress): Promise<StoredRecord | undefined> {
  if (address.kind === 'claims') return readIfStored(cache, {kind: 'claims', key: addressName(address), raw: true})
  const {bucket, key} = placeOf(address, cache.lattice)
  const stored = await cache
    .bucket(bucket)
    .get(key)
    .catch((error: unknown) => {
      if (error instanceof MissingBucketError) return undefined
      throw error
    })
  return stored === undefined ? undefined : readStoredRecord(address, bucket, stored)
}

/** Records by where they lie, which is the same in every lattice but for its name. */
async function byPlace(cache: LatticeCache, kind: RecordKind | undefined): Promise<Map<string, CacheEntry>> {
  const roles = new Map(Object.entries(bucketNames(cache.lattice)).map(([role, bucket]) => [bucket, role]))
  const entries = await cache.list(kind)
  return new Map(entries.map((entry) => [`${roles.get(entry.bucket) ?? entry.bucket} ${entry.key}`, entry]))
}

function notKept(
  cache: LatticeCache,
  {address, bucket, keeps, revisions}: StoredRevisions,
  what: string,
): NotFoundError {
  const much = keeps === undefined ? '' : `, which keeps ${keeps} ${keeps === 1 ? 'revision' : 'revisions'} of a key`
  return new NotFoundError(`${what} in the bucket '${bucket}'${much}.`, {
    suggestions: [
      cache.line(['cache', 'history', address.kind, addressName(address)]),
      ...(keeps === undefined || keeps >= 64 ? [] : [keepMoreLine(cache)]),
    ],
    details: {bucket, stored: revisions.map(({stored}) => stored.revision), ...(keeps === undefined ? {} : {keeps})},
  })
}
