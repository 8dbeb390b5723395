import {changesWithoutSecrets, diffValues, type Change} from '../records/diff.js'
import {isSecretName} from '../records/secrets.js'
import type {CacheEntry} from './entry.js'

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

/** The changes of a record as they may be shown. */
export function hideChanges({kind, key}: Pick<CacheEntry, 'kind' | 'key'>, changes: readonly Change[]): Change[] {
  return changesWithoutSecrets(changes, (kind === 'key' || kind === 'config') && isSecretName(key))
}

function formatted({format, value}: Comparable): unknown {
  return format === 'json' ? JSON.stringify(value) : value
}
