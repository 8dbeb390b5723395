import type {HostReport} from '../host/report.js'
import {clean} from './text.js'

/** What a running host tells, as one line. */
export function hostReportLine(report: HostReport): string {
  return clean(lineOf(report))
}

function lineOf(report: HostReport): string {
  switch (report.kind) {
    case 'ready':
      return `ready: host ${report.host} (${report.name}) in lattice '${report.lattice}' on ${report.server}`
    case 'event':
      return `${report.name} ${detailsOf(report.data)}`
    case 'log':
      return `${report.actor}${report.version === undefined ? '' : `@${report.version}`}: ${report.line}`
    case 'warning':
      return `Warning: ${report.message}`
    case 'connection':
      return `connection ${report.state}`
    case 'draining':
      return `draining: ${report.reason}`
    case 'stopped':
      return `stopped: host ${report.host}`
  }
}

/** The fields of an event that tell one from another. */
const shown = ['public_key', 'version', 'link_name', 'actor_id', 'count', 'max_instances', 'address', 'error'] as const

function detailsOf(data: Readonly<Record<string, unknown>>): string {
  return shown
    .flatMap((field) => {
      const value = data[field]
      return typeof value === 'string' || typeof value === 'number' ? [`${field}=${value}`] : []
    })
    .join(' ')
}
