import {changesWithoutSecrets, diffValues, type Change} from '../records/diff.js'
import {isSecretRecord, type CacheEntry} from './entry.js'

/** What a comparison needs of a record, so that a value that is not stored can take part. */
export type Comparable = Pick<CacheEntry, 'format' | 'value'>

/** What differs between two records; one that is not there has no value at all. */
export function recordChanges(before: Comparable | undefined, after: Comparable | undefined): Change[] {
  if (before !== undefined && after !== undefined && before.format !== after.format) {
    // The text "1" and the number 1 look the same once they are decoded.
    return diffValues(formatted(before), formatted(after))
  }
  return diffValues(before?.value, after?.value)
}

/** The changes of a record, or from one record to another, as they may be shown. */
export function hideChanges(
  records: readonly (Pick<CacheEntry, 'kind' | 'key'> | undefined)[],
  changes: readonly Change[],
): Change[] {
  const secret = records.some((record) => record !== undefined && isSecretRecord(record))
  return changesWithoutSecrets(changes, secret)
}

function formatted({format, value}: Comparable): unknown {
  return format === 'json' ? JSON.stringify(value) : value
}
