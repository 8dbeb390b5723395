import type {CacheEntry} from '../cache/entry.js'
import type {CacheChange} from '../cache/change.js'
import {fields} from './fields.js'
import {clean} from './text.js'
import {formatAge} from './time.js'

/** One record: where it lies, since when, and its value. */
export function cacheEntryView(entry: CacheEntry, now: Date): string {
  const {kind, name, title, version, bucket, key, revision, created, problem} = entry
  const head = fields([
    ['kind', kind],
    ['key', name],
    ['name', title],
    ['version', version],
    ['bucket', bucket],
    ['stored as', key === name ? undefined : key],
    ['revision', String(revision)],
    ['written', `${created} (${formatAge(new Date(created), now)})`],
    ['problem', problem],
  ])
  return `${head}\n\n${valueText(entry)}`
}

/** What a write did or would do, what it replaced, and how to take it back. */
export function cacheChangeView(change: CacheChange): string {
  const {kind, name, operation, changed, dryRun, revision, restored, previous, lattice, context, bucket, key} = change
  const where = `lattice '${lattice}'${context === undefined ? '' : ` (context '${context}')`}`
  const what = clean(`${kind} '${name}' in ${where}`)
  const value = restored === undefined ? '' : ` with the value of revision ${restored}`
  if (!changed) return `Unchanged: ${what} is so already, at revision ${revision ?? '?'}.`
  const replaced = previous === undefined ? '' : ` It replaces revision ${previous.revision}.`
  const stored = `${bucket} ${key}`
  if (operation === 'del') {
    const present = `revision ${previous?.revision ?? '?'}`
    if (dryRun) return `Would delete ${what}, ${present}: ${stored}`
    return `Deleted ${what}, ${present}.\n${undoText(change)}`
  }
  if (dryRun) return `Would write ${what}${value}.${replaced}\n${stored}\n${valueText(change)}`
  return `Wrote ${what} at revision ${revision ?? '?'}${value}.${replaced}\n${undoText(change)}`
}

/** What was not done that else protects a record: said whatever the output is. */
export function changeWarnings({changed, dryRun, allowed = [], kind, name}: CacheChange): string[] {
  if (!changed) return []
  const was = dryRun === true ? 'would be' : 'was'
  return [
    ...(allowed.includes('overwrite')
      ? [`Warning: ${kind} '${name}' ${was} replaced without a comparison. Changes by others are lost.`]
      : []),
    ...(allowed.includes('no-validate')
      ? [`Warning: ${kind} '${name}' ${was} written without a check. Hosts may fail over what they cannot read.`]
      : []),
  ].map(clean)
}

function undoText({undo}: CacheChange): string {
  return undo === undefined
    ? 'It cannot be taken back, because the bucket keeps no older revision.'
    : `Undo: ${clean(undo)}`
}

/** A value line by line, without control characters. */
function valueText({format, value}: {readonly format?: CacheEntry['format']; readonly value?: unknown}): string {
  if (format === 'json') return JSON.stringify(value, undefined, 2).split('\n').map(clean).join('\n')
  const text = String(value)
  return format === 'base64' ? `(base64) ${text}` : text.split('\n').map(clean).join('\n')
}
