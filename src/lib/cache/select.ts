import {compareVersions} from '../entity/version.js'
import {compareEntries, type CacheEntry} from './entry.js'

/** Orders of a listing; without one it is by kind, then name. */
export const entryOrders = ['name', 'revision', 'time', 'size'] as const

export type EntryOrder = (typeof entryOrders)[number]

export interface Selection {
  /** A pattern of `*` and `?` for the key or the name in its claims, with or without the version. */
  readonly name?: string | undefined
  /** Written at this time or later; milliseconds since 1970. */
  readonly sinceMs?: number | undefined
  readonly sort?: EntryOrder | undefined
}

/** The entries that are asked for, in order: names from a to z, all else with the newest or largest first. */
export function selectEntries(
  entries: readonly CacheEntry[],
  {name, sinceMs = -Infinity, sort}: Selection,
): CacheEntry[] {
  const fits = name === undefined ? () => true : matchName(name)
  return entries.filter((entry) => Date.parse(entry.created) >= sinceMs && fits(entry)).sort(order(sort))
}

/** Tells whether an entry's key or name fits a pattern of `*` and `?`. */
export function matchName(pattern: string): (entry: CacheEntry) => boolean {
  const source = pattern
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  const expression = new RegExp(`^${source}$`, 'su')
  return ({name, key, title, version}) => {
    const titles = title === undefined ? [] : [title, `${title}@${version ?? ''}`]
    const base = version === undefined ? [] : [name.slice(0, name.length - version.length - 1)]
    return [name, key, ...base, ...titles].some((text) => expression.test(text))
  }
}

function order(sort: EntryOrder | undefined): (a: CacheEntry, b: CacheEntry) => number {
  switch (sort) {
    case undefined:
      return compareEntries
    case 'name':
      return (a, b) => compareNames(a, b) || compareEntries(a, b)
    case 'revision':
      return (a, b) => b.revision - a.revision || compareEntries(a, b)
    case 'time':
      return (a, b) => Date.parse(b.created) - Date.parse(a.created) || b.revision - a.revision || compareEntries(a, b)
    case 'size':
      return (a, b) => b.size - a.size || compareEntries(a, b)
  }
}

function compareNames(a: CacheEntry, b: CacheEntry): number {
  const [left, right] = [a.title ?? a.name, b.title ?? b.name]
  return left === right ? compareVersions(a.version ?? '', b.version ?? '') : left < right ? -1 : 1
}
