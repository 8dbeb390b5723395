import type {CacheEntry} from '../cache/entry.js'
import type {CacheChange} from '../cache/write.js'
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
  const {kind, name, operation, changed, dryRun, revision, previous, undo, lattice, context, bucket, key} = change
  const where = `lattice '${lattice}'${context === undefined ? '' : ` (context '${context}')`}`
  const what = clean(`${kind} '${name}' in ${where}`)
  if (!changed) return `Unchanged: ${what} is so already, at revision ${revision ?? '?'}.`
  const replaced = previous === undefined ? '' : ` It replaces revision ${previous.revision}.`
  const stored = `${bucket} ${key}`
  if (operation === 'del') {
    const present = `revision ${previous?.revision ?? '?'}`
    return dryRun
      ? `Would delete ${what}, ${present}: ${stored}`
      : `Deleted ${what}, ${present}.\nUndo: ${clean(undo ?? '')}`
  }
  if (dryRun) return `Would write ${what}.${replaced}\n${stored}\n${valueText(change)}`
  return `Wrote ${what} at revision ${revision ?? '?'}.${replaced}\nUndo: ${clean(undo ?? '')}`
}

/** A value line by line, without control characters. */
function valueText({format, value}: {readonly format?: CacheEntry['format']; readonly value?: unknown}): string {
  if (format === 'json') return JSON.stringify(value, undefined, 2).split('\n').map(clean).join('\n')
  const text = String(value)
  return format === 'base64' ? `(base64) ${text}` : text.split('\n').map(clean).join('\n')
}
