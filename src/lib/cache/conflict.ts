import {TimeoutError} from '../errors.js'
import type {RecordAddress} from '../records/registry.js'
import {RevisionConflictError} from './bucket-errors.js'
import type {LatticeCache} from './cache.js'
import {hideChanges, recordChanges} from './compare.js'
import {readStoredRecord, type CacheEntry} from './entry.js'
import {addressName, placeOf} from './key.js'

/** What was there when the writer looked; undefined when nothing was. */
type Seen = CacheEntry | undefined

/** The words of a command that name the record. */
export function recordWords(address: RecordAddress): string[] {
  const bucket = address.kind === 'key' && address.bucket !== undefined ? ['--bucket', address.bucket] : []
  return [address.kind, addressName(address), ...bucket]
}

/** The line that shows what stands there now. */
export function lookLine(cache: LatticeCache, address: RecordAddress): string {
  return cache.line(['cache', 'get', ...recordWords(address)])
}

/** Says what is known after a write that failed: what the others wrote in between, or that the outcome is not known. */
export async function explainFailure(
  cache: LatticeCache,
  address: RecordAddress,
  {error, seen}: {readonly error: unknown; readonly seen: Seen},
): Promise<unknown> {
  if (error instanceof RevisionConflictError) return explainConflict(cache, address, {error, seen})
  if (!(error instanceof TimeoutError)) return error
  return new TimeoutError(`Whether '${addressName(address)}' was written is not known: ${error.message}`, {
    suggestions: [lookLine(cache, address)],
    details: error.details,
    cause: error,
  })
}

/** The conflict with what the others changed since the revision that was expected, as a diff. */
export async function explainConflict(
  cache: LatticeCache,
  address: RecordAddress,
  {error: {key, expected, current}, seen}: {readonly error: RevisionConflictError; readonly seen: Seen},
): Promise<RevisionConflictError> {
  const suggestions = [
    lookLine(cache, address),
    ...(current === undefined ? [] : [`Write again with --revision ${current} if that is to be replaced.`]),
  ]
  const after = current === undefined ? undefined : await entryAt(cache, address, current)
  const before =
    expected === 0 ? undefined : seen?.revision === expected ? seen : await entryAt(cache, address, expected)
  // A bucket that keeps one revision of a key has forgotten what was expected.
  if (expected !== 0 && before === undefined) return new RevisionConflictError(key, expected, current, {suggestions})
  const diff = hideChanges([before, after], recordChanges(before, after))
  const {diffView} = await import('../output/diff.js')
  const lines = diff.length === 0 ? ['It was written again as it was before.'] : diffView(diff).split('\n')
  return new RevisionConflictError(key, expected, current, {suggestions, diff, lines})
}

/** A revision of the record; undefined when it is a deletion or no longer stored. */
async function entryAt(cache: LatticeCache, address: RecordAddress, revision: number): Promise<Seen> {
  const {bucket, key} = placeOf(address, cache.lattice)
  const stored = await cache.bucket(bucket).at(key, revision)
  return stored?.operation === 'PUT' ? (await readStoredRecord(address, bucket, stored)).entry : undefined
}
