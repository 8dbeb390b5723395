import type {MigratedMessage, MigrateOutcome, MigrateResult} from '../cache/migrate.js'
import {table, type TableOptions} from './table.js'
import {clean} from './text.js'

/** Each message of the old stream and what became of it. */
export function migrateView({messages}: MigrateResult, options: TableOptions): string {
  const rows = messages.map(({subject, outcome, kind, name, problem}) => [
    outcome,
    kind ?? '',
    name ?? '',
    problem ?? '',
    subject,
  ])
  return rows.length === 0 ? '' : table(['OUTCOME', 'KIND', 'KEY', 'PROBLEM', 'SUBJECT'], rows, options)
}

/** What was done, in a few lines. */
export function migrateSummary(result: MigrateResult): string {
  const {lattice, context, stream, bucket, messages, dryRun = false, backup, streamDeleted, changed} = result
  const where = `lattice '${lattice}'${context === undefined ? '' : ` (context '${context}')`}`
  if (messages.length === 0 && !changed) return clean(`Nothing to do: there is no stream '${stream}' in ${where}.`)
  const lines = [
    `${dryRun ? 'Would migrate' : 'Migrated'} '${stream}' to bucket '${bucket}' in ${where}: ${countsText(messages)}.`,
    ...(backup === undefined ? [] : [`Backup: ${backup}`]),
    `The stream ${streamDeleted ? (dryRun ? 'would be deleted' : 'is deleted') : 'stays'}.`,
  ]
  return lines.map(clean).join('\n')
}

const outcomes: Readonly<Record<MigrateOutcome, string>> = {
  written: 'written',
  present: 'there already',
  kept: 'newer in the bucket',
  replaced: 'replaced later',
  deleted: 'deleted long ago',
  unreadable: 'unreadable',
}

function countsText(messages: readonly MigratedMessage[]): string {
  const counts = Object.entries(outcomes).flatMap(([outcome, text]) => {
    const count = messages.filter((message) => message.outcome === outcome).length
    return count === 0 ? [] : [`${count} ${text}`]
  })
  return counts.length === 0 ? 'it is empty' : counts.join(', ')
}
