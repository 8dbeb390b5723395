import type {BucketStats, CacheStats, KindStats} from '../cache/stats.js'
import {formatSize} from './size.js'
import {table, type TableOptions} from './table.js'
import {formatDuration} from './time.js'

/** What is stored, by kind and by bucket; in a pipe each line says first which of the two it is. */
export function cacheStatsView({kinds, buckets}: CacheStats, options: TableOptions): string {
  if (!options.terminal) {
    const rows = [
      ...kinds.map((kind) => ['kind', ...kindRow(kind, String)]),
      ...buckets.map((bucket) => ['bucket', ...bucketRow(bucket, String)]),
    ]
    return table([], rows, options)
  }
  const total = kinds.length < 2 ? [] : [kindRow(totalOf(kinds), formatSize)]
  const kindRows = [...kinds.map((kind) => kindRow(kind, formatSize)), ...total]
  const tables = [
    ...(kinds.length === 0 ? [] : [table(['KIND', 'KEYS', 'DELETED', 'REVISIONS', 'SIZE'], kindRows, options)]),
    table(
      ['BUCKET', 'REVISIONS', 'SIZE', 'STORAGE', 'HISTORY', 'LIMIT', 'REPLICAS', 'LEADER', 'LAG'],
      buckets.map((bucket) => bucketRow(bucket, formatSize)),
      options,
    ),
  ]
  return tables.join('\n\n')
}

type Size = (bytes: number) => string

function kindRow(
  {kind, keys, deleted, revisions, bytes}: Omit<KindStats, 'kind'> & {kind: string},
  size: Size,
): string[] {
  return [kind, String(keys), String(deleted), String(revisions), size(bytes)]
}

function totalOf(kinds: readonly KindStats[]): Omit<KindStats, 'kind'> & {kind: string} {
  const sum = (field: 'keys' | 'deleted' | 'revisions' | 'bytes'): number =>
    kinds.reduce((total, kind) => total + kind[field], 0)
  return {kind: 'all', keys: sum('keys'), deleted: sum('deleted'), revisions: sum('revisions'), bytes: sum('bytes')}
}

function bucketRow(bucket: BucketStats, size: Size): string[] {
  if (!bucket.present) return [bucket.name, '', '', 'not there']
  const {name, revisions, bytes, storage, history, maxBytes, replicas, leader} = bucket
  return [
    name,
    String(revisions),
    size(bytes),
    storage,
    history === undefined ? 'all' : String(history),
    maxBytes === undefined ? '' : size(maxBytes),
    String(replicas),
    leader ?? 'none',
    lagText(bucket),
  ]
}

/** What is not as it should be of the copies. */
function lagText({mirrorOf, followers}: BucketStats & {present: true}): string {
  const mirror = mirrorOf === undefined ? [] : [`mirror of ${mirrorOf.bucket}: ${mirrorOf.lag}`]
  const copies = followers.map(({name, current, offline, lag, silentMs}) => {
    if (offline) return `${name}: offline`
    return current ? `${name}: ${lag}` : `${name}: ${lag}, not current for ${formatDuration(silentMs)}`
  })
  return [...mirror, ...copies].join('; ')
}
