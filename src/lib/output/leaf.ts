import type {LeafReport} from '../leaf-server/report.js'
import {clean} from './text.js'

/** What a running leaf node tells, as one line. */
export function leafReportLine(report: LeafReport): string {
  return clean(lineOf(report))
}

function lineOf(report: LeafReport): string {
  switch (report.kind) {
    case 'ready':
      return `ready: leaf node '${report.name}' (${report.id}) of lattice '${report.lattice}': callers connect to ${report.url}`
    case 'note':
      return report.message
    case 'warning':
      return `Warning: ${report.message}`
    case 'changed':
      return `changed: ${report.sources.join(', ')} by ${report.by}`
    case 'change-refused':
      return `change refused${report.by === undefined ? '' : ` of ${report.by}`}: ${report.message}`
    case 'problem':
      return `problem ${report.problem}: ${report.sentence}`
    case 'solved':
      return `solved ${report.problem}: ${report.sentence}`
    case 'draining':
      return `draining: ${report.reason}`
    case 'stopped':
      return `stopped: leaf node ${report.id}`
  }
}
