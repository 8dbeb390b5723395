import type {AuditReport} from '../audit/audit.js'
import type {Finding} from '../audit/finding.js'
import {table, type TableOptions} from './table.js'
import {clean} from './text.js'

/** Every finding with the lines that repair it; a line each where no person reads it. */
export function auditView({findings}: AuditReport, {terminal}: TableOptions): string {
  if (!terminal) {
    const rows = findings.map((finding) => [
      ...[finding.severity, finding.rule, finding.kind ?? 'bucket', finding.name ?? finding.bucket],
      ...[finding.message, finding.repair.join(' && ')],
    ])
    return table([], rows, {terminal})
  }
  return findings.map(findingText).join('\n')
}

/** What was looked at, and what could not be. */
export function auditSummary({lattice, context, records, findings, notChecked}: AuditReport): string {
  const where = `lattice '${lattice}'${context === undefined ? '' : ` (context '${context}')`}`
  const errors = findings.filter(({severity}) => severity === 'error').length
  const counts = [countOf(errors, 'error'), countOf(findings.length - errors, 'warning')].join(', ')
  const all = countOf(records, 'record')
  const summary = findings.length === 0 ? `${all} of ${where}, nothing found.` : `${all} of ${where}: ${counts}.`
  return [summary, ...notChecked.map(({rule, reason}) => `Not checked: ${rule}, because ${reason}.`)]
    .map(clean)
    .join('\n')
}

function findingText({severity, rule, kind, name, title, bucket, message, repair}: Finding): string {
  const what = kind === undefined ? `bucket '${bucket}'` : `${kind} '${name ?? ''}'`
  const head = `${severity} ${rule}: ${what}${title === undefined ? '' : ` (${title})`}`
  return [head, `  ${message}`, ...repair.map((line) => `  ${line}`)].map(clean).join('\n')
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
