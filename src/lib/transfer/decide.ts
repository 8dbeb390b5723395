import type {BucketEntry} from '../cache/bucket-entry.js'
import {decodeValue} from '../cache/entry.js'
import {addressAt} from '../cache/key.js'
import {UsageError} from '../errors.js'
import {formatLossless} from '../keys/token.js'
import {equalValues} from '../records/diff.js'
import {typedKindOf} from '../records/registry.js'
import {isJsonRecord, type JsonRecord} from '../records/universal.js'
import {inUniversalForm, type Planned} from './plan.js'

export const importModes = ['create', 'replace', 'merge'] as const

/** `create` writes what is not there, `replace` also over what is, `merge` puts its fields into what is there. */
export type ImportMode = (typeof importModes)[number]

export type Decision =
  | {readonly type: 'write'; readonly value: Uint8Array; readonly expected: number; readonly replaces: boolean}
  | {readonly type: 'same'}
  /** Something else is there, and the mode lets it stand. */
  | {readonly type: 'keep'}
  /** Somebody else wrote it meanwhile. */
  | {readonly type: 'conflict'}
  | {readonly type: 'refuse'; readonly reason: string}

export interface Situation {
  readonly lattice: string
  readonly mode: ImportMode
  readonly validate: boolean
  /** What stands there now, deletions included. */
  readonly present: BucketEntry | undefined
  /** True for what was written after the import began, and not by it. */
  readonly foreign: (revision: number) => boolean
  /** True for what this import wrote itself: the later line of two with one key counts. */
  readonly own: (revision: number) => boolean
}

/** What is to be done with a record whose key was there already; pure. */
export function decide(planned: Planned, {lattice, mode, validate, present, foreign, own}: Situation): Decision {
  const {bucket, key, value} = planned
  if (present === undefined) return {type: 'write', value, expected: 0, replaces: false}
  const {operation, revision} = present
  const mayBeReplaced = !foreign(revision)
  if (operation === 'DEL') {
    return mayBeReplaced ? {type: 'write', value, expected: revision, replaces: false} : {type: 'conflict'}
  }
  const address = addressAt({bucket, key}, lattice)
  const typed = typedKindOf(address) !== undefined
  if (isSame(present.value, value, typed)) return {type: 'same'}
  if (mode === 'create')
    return own(revision) ? overwrite(value, revision) : mayBeReplaced ? {type: 'keep'} : {type: 'conflict'}
  if (mode === 'replace') return mayBeReplaced ? overwrite(value, revision) : {type: 'conflict'}
  const merged = mergeValues(present.value, value)
  try {
    const wanted = typed && validate ? inUniversalForm(address, merged) : merged
    if (isSame(present.value, wanted, typed)) return {type: 'same'}
    return mayBeReplaced ? overwrite(wanted, revision) : {type: 'conflict'}
  } catch (error) {
    if (error instanceof UsageError) return {type: 'refuse', reason: error.message.replace(/\.$/, '')}
    throw error
  }
}

function overwrite(value: Uint8Array, expected: number): Decision {
  return {type: 'write', value, expected, replaces: true}
}

/** The order of fields and white space make no difference in a record that hosts parse. */
function isSame(present: Uint8Array, wanted: Uint8Array, typed: boolean): boolean {
  if (Buffer.compare(present, wanted) === 0) return true
  if (!typed) return false
  const [a, b] = [decodeValue(present), decodeValue(wanted)]
  return a.format === 'json' && b.format === 'json' && equalValues(a.value, b.value)
}

/** The fields of the one put into the other, objects in objects; what is no object is replaced. */
function mergeValues(present: Uint8Array, wanted: Uint8Array): Uint8Array {
  const [a, b] = [decodeValue(present), decodeValue(wanted)]
  if (a.format !== 'json' || b.format !== 'json' || !isObject(a.value) || !isObject(b.value)) return wanted
  return new TextEncoder().encode(formatLossless(mergeObjects(a.value, b.value)))
}

function mergeObjects(present: JsonRecord, wanted: JsonRecord): JsonRecord {
  const merged = new Map(Object.entries(present))
  for (const [name, value] of Object.entries(wanted)) {
    const before = merged.get(name)
    merged.set(name, isObject(before) && isObject(value) ? mergeObjects(before, value) : value)
  }
  return Object.fromEntries(merged)
}

/** A number that keeps its digits is an object too, with a null prototype. */
function isObject(value: unknown): value is JsonRecord {
  return isJsonRecord(value) && Object.getPrototypeOf(value) !== null
}
