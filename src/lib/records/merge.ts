import {equalValues, rawNumber, type ValuePath} from './diff.js'
import {isJsonRecord, type JsonRecord} from './universal.js'

/** A place that both sides changed, each in its own way; undefined stands for no value there. */
export interface Clash {
  readonly path: ValuePath
  readonly base: unknown
  readonly mine: unknown
  readonly theirs: unknown
}

export interface Merged {
  /** With the changes of both sides, and mine where they clash. */
  readonly value: unknown
  readonly clashes: readonly Clash[]
}

/** Joins what two sides made of one JSON value, field by field. A list is one thing: its places mean nothing alone. */
export function mergeValues(base: unknown, mine: unknown, theirs: unknown): Merged {
  return mergeAt([], {base, mine, theirs})
}

interface Sides {
  readonly base: unknown
  readonly mine: unknown
  readonly theirs: unknown
}

function mergeAt(path: ValuePath, {base, mine, theirs}: Sides): Merged {
  if (same(mine, theirs) || same(base, theirs)) return {value: mine, clashes: []}
  if (same(base, mine)) return {value: theirs, clashes: []}
  if (isObject(mine) && isObject(theirs)) return mergeFields(path, {base: isObject(base) ? base : {}, mine, theirs})
  return {value: mine, clashes: [{path, base, mine, theirs}]}
}

/** In my order, and what only they have behind it. */
function mergeFields(path: ValuePath, sides: {readonly [K in keyof Sides]: JsonRecord}): Merged {
  const names = [...new Set([...Object.keys(sides.mine), ...Object.keys(sides.theirs)])]
  const merged = names.map((name) => {
    const {base, mine, theirs} = sides
    return [
      name,
      mergeAt([...path, name], {base: own(base, name), mine: own(mine, name), theirs: own(theirs, name)}),
    ] as const
  })
  const fields = merged.filter(([, {value}]) => value !== undefined).map(([name, {value}]) => [name, value] as const)
  return {value: Object.fromEntries(fields), clashes: merged.flatMap(([, {clashes}]) => clashes)}
}

function same(a: unknown, b: unknown): boolean {
  return a === undefined || b === undefined ? a === b : equalValues(a, b)
}

/** Only a field of its own: `__proto__` is there for every object. */
function own(record: JsonRecord, name: string): unknown {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

function isObject(value: unknown): value is JsonRecord {
  return isJsonRecord(value) && rawNumber(value) === undefined
}
