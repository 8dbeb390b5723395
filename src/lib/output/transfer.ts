import type {ExportResult} from '../transfer/export.js'
import {formatSize} from './size.js'
import {clean} from './text.js'

/** What was exported, in a sentence. */
export function exportView({lattice, context, records, bytes, redacted}: ExportResult, file?: string): string {
  const where = `lattice '${lattice}'${context === undefined ? '' : ` (context '${context}')`}`
  const what = `${records} ${records === 1 ? 'record' : 'records'} of ${where}`
  const into = file === undefined ? '' : ` to ${file}`
  return clean(`Exported ${what}${into}, ${formatSize(bytes)}${redacted ? ', without secrets' : ''}.`)
}
