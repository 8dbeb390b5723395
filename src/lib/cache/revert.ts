import {NotFoundError} from '../errors.js'
import type {RecordAddress} from '../records/registry.js'
import type {BucketEntry} from './bucket-entry.js'
import {MissingBucketError} from './bucket-errors.js'
import {readBucketInfo} from './bucket-info.js'
import type {LatticeCache} from './cache.js'
import type {CacheChange} from './change.js'
import {recordWords} from './conflict.js'
import {keepMoreLine} from './history.js'
import {addressName, placeOf} from './key.js'
import {refuseRoutes, writeRecord, type Target, type WriteOptions} from './write.js'

export interface RevertOptions extends WriteOptions {
  /** The revision whose value is to stand there again. */
  readonly to: number
  /** False stores exactly its bytes, whatever hosts make of them. */
  readonly validate?: boolean | undefined
}

/**
 * Writes the value of an older revision again, also after the record was deleted; it becomes a new revision. Throws a
 * NotFoundError when that revision is a deletion or not stored any more.
 */
export async function revertRecord(
  cache: LatticeCache,
  {kind, key}: Target,
  {to, validate = true, ...options}: RevertOptions,
): Promise<CacheChange> {
  refuseRoutes(cache, kind, options.bucket)
  const {address, stored} = await findRevision(cache, {kind, key}, {to, bucket: options.bucket})
  const {value} = stored
  return {...(await writeRecord(cache, address, {...options, value, validate, yaml: false})), restored: to}
}

async function findRevision(
  cache: LatticeCache,
  {kind, key}: Target,
  {to, bucket}: {readonly to: number; readonly bucket: string | undefined},
): Promise<{readonly address: RecordAddress; readonly stored: BucketEntry}> {
  const options = {bucket, words: ['cache', 'revert']}
  const address = await cache.resolve(kind, key, options)
  const stored = await revisionAt(cache, address, to)
  if (stored !== undefined) return {address, stored: requireValue(cache, address, stored)}
  // Hosts that know no versions have the claims of the last one under the key alone.
  const other = await cache.locate(kind, key, options)
  const there = await revisionAt(cache, other.address, to)
  if (there !== undefined) return {address: other.address, stored: requireValue(cache, other.address, there)}
  throw await notKept(cache, address, to)
}

async function revisionAt(cache: LatticeCache, address: RecordAddress, to: number): Promise<BucketEntry | undefined> {
  const {bucket, key} = placeOf(address, cache.lattice)
  try {
    return await cache.bucket(bucket).at(key, to)
  } catch (error) {
    if (address.kind === 'claims' && error instanceof MissingBucketError) return undefined
    throw error
  }
}

function requireValue(cache: LatticeCache, address: RecordAddress, stored: BucketEntry): BucketEntry {
  if (stored.operation === 'PUT') return stored
  throw new NotFoundError(`Revision ${stored.revision} of '${addressName(address)}' is its deletion.`, {
    suggestions: [cache.line(['cache', 'del', ...recordWords(address)])],
    details: {revision: stored.revision, deletion: true},
  })
}

async function notKept(cache: LatticeCache, address: RecordAddress, to: number): Promise<NotFoundError> {
  const {bucket, key} = placeOf(address, cache.lattice)
  const {history} = (await readBucketInfo(cache.jetStream(), bucket)) ?? {}
  const few = history === 1 ? ', which keeps one revision of a key' : ''
  return new NotFoundError(`Revision ${to} of '${addressName(address)}' is not stored in bucket '${bucket}'${few}.`, {
    suggestions: [history === 1 ? keepMoreLine(cache) : cache.line(['cache', 'history', ...recordWords(address)])],
    details: {bucket, key, revision: to, ...(history === undefined ? {} : {keeps: history})},
  })
}
