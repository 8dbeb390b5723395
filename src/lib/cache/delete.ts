import {NotFoundError} from '../errors.js'
import type {RecordAddress} from '../records/registry.js'
import {RevisionConflictError} from './bucket-errors.js'
import type {LatticeCache} from './cache.js'
import {describeChange, describePrevious, type CacheChange} from './change.js'
import {explainConflict, explainFailure} from './conflict.js'
import {readStoredRecord} from './entry.js'
import {findUses, InUseError, type RunningNow} from './in-use.js'
import {placeOf} from './key.js'
import {undoLine} from './undo.js'
import {lastOf, refuseRoutes, type Target, type WriteOptions} from './write.js'

export interface DeleteOptions extends WriteOptions {
  /** Delete it, whoever needs it. */
  readonly allowInUse?: boolean | undefined
  /** Asks the hosts what they run; without it none is asked. */
  readonly askHosts?: (() => Promise<RunningNow>) | undefined
}

/**
 * Deletes a record with the marker that every host acts on; one that was deleted already is no error. Throws an
 * InUseError for one that others need, unless that is allowed.
 */
export async function deleteRecord(
  cache: LatticeCache,
  {kind, key}: Target,
  options: DeleteOptions,
): Promise<CacheChange> {
  const {revision, dryRun = false, bucket, allowInUse = false} = options
  refuseRoutes(cache, kind, bucket)
  const found = await cache.read(kind, key, {bucket, words: ['cache', 'del']}).catch(async (error: unknown) => {
    const gone = error instanceof NotFoundError ? await deletedBefore(cache, {kind, key}, {bucket, dryRun}) : undefined
    if (gone === undefined) throw error
    return gone
  })
  if ('changed' in found) return found
  const {address, entry, bytes} = found
  if (revision !== undefined && revision !== entry.revision) {
    const error = new RevisionConflictError(entry.key, revision, entry.revision)
    throw await explainConflict(cache, address, {error, seen: entry})
  }
  if (!allowInUse) await refuseUsed(cache, address, options)
  const head = describeChange(cache, entry, {operation: 'del', dryRun, allowed: allowInUse ? ['in-use'] : []})
  const change = {...head, changed: true, previous: describePrevious(entry)}
  if (dryRun) return change
  const written = await cache
    .bucket(entry.bucket)
    .del(entry.key, {expected: entry.revision})
    .catch(async (error: unknown) => {
      throw await explainFailure(cache, address, {error, seen: entry})
    })
  const undo = await undoLine(cache, address, {written, previous: {revision: entry.revision, value: bytes}})
  return {...change, revision: written, ...(undo === undefined ? {} : {undo})}
}

/** The unchanged result for a record whose deletion is stored; undefined when there never was one. */
export async function deletedBefore(
  cache: LatticeCache,
  {kind, key}: Target,
  {bucket, dryRun = false}: WriteOptions,
): Promise<CacheChange | undefined> {
  const address = await cache.resolve(kind, key, {bucket})
  const place = placeOf(address, cache.lattice)
  const last = await lastOf(cache, place, true)
  if (last?.operation !== 'DEL') return undefined
  const {entry} = await readStoredRecord(address, place.bucket, last)
  return {...describeChange(cache, entry, {operation: 'del', dryRun}), changed: false, revision: last.revision}
}

async function refuseUsed(cache: LatticeCache, address: RecordAddress, {askHosts}: DeleteOptions): Promise<void> {
  const uses = await findUses(cache, address, askHosts ?? (() => Promise.resolve({running: [], silent: []})))
  if (uses.length > 0) throw new InUseError(cache, address, uses)
}
