import {hideSecrets} from './secrets.js'
import {isJsonRecord, type JsonRecord} from './universal.js'

/** Where in a value: names of fields, and places in lists. */
export type ValuePath = readonly (string | number)[]

/** One difference. Without `before` something was added, without `after` it was taken away. */
export interface Change {
  /** In a list the place of what was taken away counts in the old list, any other in the new one. */
  readonly path: ValuePath
  readonly before?: unknown
  readonly after?: unknown
}

/**
 * What differs between two JSON values, as parseLossless gives them; undefined stands for no value at all. Fields come
 * by name, so their order in the values does not matter, and numbers are the same only when their texts are. In lists,
 * what both begin and end with is left out, and the rest is compared place by place.
 */
export function diffValues(before: unknown, after: unknown): Change[] {
  return changesAt([], before, after)
}

/** True when nothing differs. */
export function equalValues(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (isList(a) && isList(b)) return a.length === b.length && a.every((item, index) => equalValues(item, b[index]))
  const [left, right] = [rawNumber(a), rawNumber(b)]
  if (left !== undefined || right !== undefined) return left === right
  if (!isJsonRecord(a) || !isJsonRecord(b)) return false
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && equalValues(a[name], b[name]))
  )
}

/**
 * The changes as they may be shown: secrets are `set` on both sides, so that a new password is still seen to be new.
 * `secret` says that the whole value is one.
 */
export function changesWithoutSecrets(changes: readonly Change[], secret = false): Change[] {
  const hide = (path: ValuePath, value: unknown): unknown => (secret ? 'set' : hideAt(path, value))
  return changes.map(({path, before, after}) => ({
    path,
    ...(before === undefined ? {} : {before: hide(path, before)}),
    ...(after === undefined ? {} : {after: hide(path, after)}),
  }))
}

function changesAt(path: ValuePath, before: unknown, after: unknown): Change[] {
  if (equalValues(before, after)) return []
  if (isList(before) && isList(after)) return listChanges(path, before, after)
  if (isObject(before) && isObject(after)) return fieldChanges(path, before, after)
  return [{path, ...(before === undefined ? {} : {before}), ...(after === undefined ? {} : {after})}]
}

function fieldChanges(path: ValuePath, before: JsonRecord, after: JsonRecord): Change[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap((name) => changesAt([...path, name], own(before, name), own(after, name)))
}

function listChanges(path: ValuePath, before: readonly unknown[], after: readonly unknown[]): Change[] {
  const shorter = Math.min(before.length, after.length)
  let start = 0
  while (start < shorter && equalValues(before[start], after[start])) start++
  let end = 0
  while (end < shorter - start && equalValues(before.at(-1 - end), after.at(-1 - end))) end++
  const [old, fresh] = [before.slice(start, before.length - end), after.slice(start, after.length - end)]
  return Array.from({length: Math.max(old.length, fresh.length)}).flatMap((_, index) =>
    changesAt([...path, start + index], old[index], fresh[index]),
  )
}

/** Only a field of its own: `__proto__` is there for every object. */
function own(record: JsonRecord, name: string): unknown {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function isObject(value: unknown): value is JsonRecord {
  return isJsonRecord(value) && rawNumber(value) === undefined
}

/** The text of a number that a double cannot hold: such numbers have no prototype, unlike anything that JSON parses. */
export function rawNumber(value: unknown): string | undefined {
  if (!isJsonRecord(value) || Object.getPrototypeOf(value) !== null) return undefined
  const text = value['rawJSON']
  return typeof text === 'string' ? text : undefined
}

/** Names above a value decide as well whether it is a secret. */
function hideAt(path: ValuePath, value: unknown): unknown {
  const nested = path.reduceRight<unknown>(
    (inner, part) => (typeof part === 'number' ? [inner] : Object.fromEntries([[part, inner]])),
    value,
  )
  let hidden = hideSecrets(nested)
  for (const part of path) {
    if (isList(hidden)) hidden = hidden[0]
    else if (isObject(hidden)) hidden = hidden[part]
    else return hidden
  }
  return hidden
}
