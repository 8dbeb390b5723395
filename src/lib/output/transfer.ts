import type {ExportResult} from '../transfer/export.js'
import type {ImportResult} from '../transfer/import.js'
import type {PreviewedChange} from '../transfer/preview.js'
import type {Surplus} from '../transfer/prune.js'
import {diffView} from './diff.js'
import {formatSize} from './size.js'
import {clean} from './text.js'

/** What was exported, in a sentence. */
export function exportView(result: ExportResult, file?: string): string {
  const {records, bytes, redacted} = result
  const into = file === undefined ? '' : ` to ${file}`
  return clean(
    `Exported ${counted(records)} of ${place(result)}${into}, ${formatSize(bytes)}${redacted ? ', without secrets' : ''}.`,
  )
}

/** What an import did or would do, in numbers. */
export function importView(result: ImportResult): string {
  const {created, replaced, unchanged, kept, leftOut, deleted, dryRun = false} = result
  const parts = [
    [created, dryRun ? 'would be created' : 'created'],
    [replaced, dryRun ? 'would be replaced' : 'replaced'],
    [deleted, dryRun ? 'would be deleted' : 'deleted'],
    [unchanged, 'unchanged'],
    [kept, 'kept as they are'],
    [leftOut, 'left out'],
  ] as const
  const told = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
  const what = told.length === 0 ? 'nothing to do' : told.join(', ')
  return clean(`${dryRun ? 'Would import' : 'Imported'} ${counted(result.records)} into ${place(result)}: ${what}.`)
}

/** What an import would do with one record: a line, and what differs below it. */
export function previewView({operation, kind, name, revision, changes = []}: PreviewedChange): string {
  const there = revision === undefined ? '' : `, now revision ${revision}`
  const line = clean(`${operation} ${kind} '${name}'${there}`)
  return changes.length === 0 ? line : `${line}\n${diffView(changes).replace(/^/gm, '  ')}`
}

/** Records that would be deleted, a line each, as many as a person may read. */
export function surplusView(surplus: readonly Surplus[], most = 50): string {
  const lines = surplus
    .slice(0, most)
    .map(({kind, name, revision}) => clean(`delete ${kind} '${name}', revision ${revision}`))
  const more = surplus.length - lines.length
  return [...lines, ...(more > 0 ? [`and ${counted(more)} more`] : [])].join('\n')
}

function place({lattice, context}: {readonly lattice: string; readonly context?: string}): string {
  return `lattice '${lattice}'${context === undefined ? '' : ` (context '${context}')`}`
}

function counted(records: number): string {
  return records === 1 ? '1 record' : `${records} records`
}
