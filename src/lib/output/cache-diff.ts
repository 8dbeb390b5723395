import type {CacheDiff, DiffSide, RecordDiff} from '../cache/diff.js'
import {diffView} from './diff.js'
import {clean} from './text.js'

/** What is compared and how it differs; nothing when nothing does. */
export function cacheDiffView({before, after, differs, compared, records}: CacheDiff): string {
  if (!differs) return ''
  const head = [`- ${sideText(before)}`, `+ ${sideText(after)}`]
  const single = before.name !== undefined
  const parts = records.map((record) => (single ? diffView(record.changes) : recordText(record)))
  const foot = single ? [] : [`${records.length} of ${compared} records differ.`]
  return [head.join('\n'), parts.join('\n'), ...foot].join('\n\n')
}

/** That nothing differs, for a person. */
export function sameView({before, after, compared}: CacheDiff): string {
  const what = compared === 1 ? 'The record is' : `All ${compared} records are`
  return `${what} the same: ${sideText(before)}; ${sideText(after)}.`
}

function sideText({lattice, context, name, revision, created, file}: DiffSide): string {
  if (file !== undefined) return clean(file === '-' ? 'stdin' : `file '${file}'`)
  const where = `lattice '${lattice ?? ''}'${context === undefined ? '' : ` (context '${context}')`}`
  if (name === undefined) return clean(where)
  const state = revision === undefined ? 'nothing stored' : `revision ${revision}, ${created ?? ''}`
  return clean(`'${name}' in ${where}: ${state}`)
}

/** Of many records, those that are on one side only are named, and not shown. */
function recordText({kind, name, title, state, changes}: RecordDiff): string {
  const mark = {changed: '~', added: '+', removed: '-'}[state]
  const head = clean(`${mark} ${kind} ${name}${title === undefined ? '' : ` (${title})`}`)
  if (state !== 'changed') return head
  const lines = diffView(changes).split('\n')
  return [head, ...lines.map((line) => `  ${line}`)].join('\n')
}
