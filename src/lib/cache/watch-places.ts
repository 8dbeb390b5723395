import type {Version} from '../entity/version.js'
import {UsageError} from '../errors.js'
import type {RecordKind} from '../records/registry.js'
import type {LatticeCache} from './cache.js'
import type {CacheEntry} from './entry.js'
import {bucketNames, placeOf} from './key.js'
import {matchName} from './select.js'

/** What of a lattice is watched; everything without a kind and a bucket. */
export interface WatchSelection {
  readonly kind?: RecordKind | undefined
  /** One record, as `cache get` names it; needs a kind. Claims without a version are those of all versions. */
  readonly key?: string | undefined
  /** A pattern of `*` and `?` for the key or the name in its claims. */
  readonly name?: string | undefined
  /** Bucket of raw keys. */
  readonly bucket?: string | undefined
}

/** A bucket, or what of it is watched. */
export interface WatchPlace {
  readonly bucket: string
  readonly key?: string
  readonly prefix?: string
}

export interface Watched {
  readonly places: readonly WatchPlace[]
  readonly wanted: (entry: CacheEntry) => boolean
}

export interface SelectionWords {
  readonly kind?: RecordKind | undefined
  readonly key?: string | undefined
}

/** What arguments, which name one record, and flags, which are filters, come to; throws a UsageError for both at once. */
export function watchSelection(
  args: SelectionWords,
  flags: SelectionWords & {readonly bucket?: string | undefined},
): WatchSelection {
  const {bucket} = flags
  if (args.kind !== undefined && flags.kind !== undefined) throw new UsageError('The kind is given twice.')
  if (args.key !== undefined && flags.key !== undefined) {
    throw new UsageError('A key names one record, and --key is a pattern for several: give one of them.')
  }
  const kind = args.kind ?? flags.kind
  if (bucket !== undefined && kind !== undefined && kind !== 'key') {
    throw new UsageError('Only records of kind key can be in another bucket.')
  }
  return {kind, key: args.key, name: flags.key, bucket}
}

/** Where a selection lies; names are resolved as they are now. Throws what `cache.resolve` throws. */
export async function findPlaces(cache: LatticeCache, selection: WatchSelection): Promise<Watched> {
  const {kind, key, name, bucket} = selection
  if (kind !== undefined && key !== undefined) return onePlace(cache, {kind, key, bucket})
  const fits = name === undefined ? () => true : matchName(name)
  if (bucket !== undefined) return {places: [{bucket: cache.bucket(bucket).name}], wanted: fits}
  return {
    places: bucketsOf(kind, cache.lattice).map((each) => ({bucket: each})),
    wanted: (entry) => (kind === undefined || entry.kind === kind) && fits(entry),
  }
}

function bucketsOf(kind: RecordKind | undefined, lattice: string): readonly string[] {
  const {data, versions, config, routes} = bucketNames(lattice)
  switch (kind) {
    case undefined:
      return [data, versions, config, routes]
    case 'claims':
      return [data, versions]
    case 'link':
    case 'ref':
    case 'component':
      return [data]
    case 'config':
      return [config]
    case 'route':
      return [routes]
    case 'key':
      return [data, versions, routes]
  }
}

async function onePlace(
  cache: LatticeCache,
  {kind, key, bucket}: {readonly kind: RecordKind; readonly key: string; readonly bucket: string | undefined},
): Promise<Watched> {
  const address = await cache.resolve(kind, key, {bucket, words: ['cache', 'watch']})
  const place = placeOf(address, cache.lattice)
  if (address.kind !== 'claims') return {places: [place], wanted: () => true}
  // Hosts that know no versions write the base record only.
  const {publicKey, version} = address
  const base = placeOf({kind: 'claims', publicKey}, cache.lattice)
  const {versions} = bucketNames(cache.lattice)
  const versioned = version === undefined ? {bucket: versions, prefix: `${publicKey}.`} : place
  return {places: [base, versioned], wanted: (entry) => isVersion(entry, version)}
}

function isVersion(entry: CacheEntry, version: Version | undefined): boolean {
  return version === undefined || entry.version === version
}
