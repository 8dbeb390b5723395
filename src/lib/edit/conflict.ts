import {RevisionConflictError} from '../cache/bucket-errors.js'
import type {LatticeCache} from '../cache/cache.js'
import {hideChanges, recordChanges, type Comparable} from '../cache/compare.js'
import {lookLine} from '../cache/conflict.js'
import {readStoredRecord, type CacheEntry} from '../cache/entry.js'
import {placeOf} from '../cache/key.js'
import {diffView, pathText} from '../output/diff.js'
import type {Change} from '../records/diff.js'
import {mergeValues, type Merged} from '../records/merge.js'
import type {RecordAddress} from '../records/registry.js'

/** What an edit starts from: a revision, and what it holds; nothing when it is a deletion. */
export interface Base {
  /** 0 when nothing was ever stored. */
  readonly revision: number
  readonly entry?: CacheEntry
}

/** The present state of a record. */
export async function readBase(cache: LatticeCache, address: RecordAddress): Promise<Base> {
  const {bucket, key} = placeOf(address, cache.lattice)
  const last = await cache.bucket(bucket).last(key)
  if (last?.operation !== 'PUT') return {revision: last?.revision ?? 0}
  return {revision: last.revision, entry: (await readStoredRecord(address, bucket, last)).entry}
}

export interface ThreeSides {
  readonly base: Base
  readonly mine: Comparable
  readonly theirs: Base
}

/** The changes of both sides; a value that is not JSON, or that they deleted, is not joined with mine. */
export function mergeSides({base, mine, theirs}: ThreeSides): Merged {
  if (mine.format !== 'json' || theirs.entry?.format !== 'json') return {value: mine.value, clashes: []}
  const before = base.entry?.format === 'json' ? base.entry.value : undefined
  return mergeValues(before, mine.value, theirs.entry.value)
}

/** The conflict as a three-way diff, without secrets. */
export function threeWayConflict(
  cache: LatticeCache,
  address: RecordAddress,
  sides: ThreeSides,
): RevisionConflictError {
  const {base, mine, theirs} = sides
  const {key} = placeOf(address, cache.lattice)
  const hide = (changes: readonly Change[]): Change[] => hideChanges([{kind: address.kind, key}], changes)
  const diff = hide(recordChanges(base.entry, theirs.entry))
  const yours = hide(recordChanges(base.entry, mine))
  const both = mergeSides(sides).clashes.map(({path}) => (path.length === 0 ? 'the whole value' : pathText(path)))
  const lines = [
    theirs.entry === undefined
      ? 'They deleted it:'
      : `Their change, from revision ${base.revision} to ${theirs.revision}:`,
    ...indented(diff),
    'Yours:',
    ...indented(yours),
    ...(both.length === 0 ? [] : [`Both changed: ${both.join(', ')}`]),
  ]
  const current = theirs.revision === 0 ? undefined : theirs.revision
  return new RevisionConflictError(key, base.revision, current, {
    suggestions: [lookLine(cache, address)],
    lines,
    diff,
    more: {yours, both},
  })
}

function indented(changes: readonly Change[]): string[] {
  return (changes.length === 0 ? ['nothing'] : diffView(changes).split('\n')).map((line) => `  ${line}`)
}
