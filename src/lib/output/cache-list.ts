import type {CacheEntry} from '../cache/entry.js'
import {formatSize} from './size.js'
import {table, type TableOptions} from './table.js'
import {jsonText} from './text.js'
import {formatAge} from './time.js'

export interface ListOptions extends TableOptions {
  readonly now: Date
  readonly columns?: readonly EntryColumn[] | undefined
}

type Cell = (entry: CacheEntry, options: ListOptions) => string

const cells = {
  kind: ({kind}) => kind,
  key: ({name}) => name,
  name: ({title}) => title ?? '',
  version: ({version}) => version ?? '',
  revision: ({revision}) => String(revision),
  age: ({created}, {terminal, now}) => (terminal ? formatAge(new Date(created), now) : created),
  time: ({created}) => created,
  size: ({size}, {terminal}) => (terminal ? formatSize(size) : String(size)),
  bucket: ({bucket}) => bucket,
  stored: ({key}) => key,
  format: ({format}) => format,
  value: ({format, value}) => valueLine(format, value),
  problem: ({problem}) => problem ?? '',
} as const satisfies Readonly<Record<string, Cell>>

export type EntryColumn = keyof typeof cells

/** The columns that a listing of records can have. */
export const entryColumns = Object.keys(cells) as readonly EntryColumn[]

const usual: readonly EntryColumn[] = ['kind', 'key', 'name', 'version', 'revision', 'age', 'bucket', 'problem']

/** A value on one line. */
export function valueLine(format: CacheEntry['format'] | undefined, value: unknown): string {
  if (value === undefined) return ''
  return format !== 'json' && typeof value === 'string' ? value : jsonText(value)
}

/** Records, a line each; what is malformed says so. */
export function cacheEntriesView(entries: readonly CacheEntry[], options: ListOptions): string {
  if (entries.length === 0 && options.terminal) return 'No records.'
  const columns = options.columns ?? usual
  const rows = entries.map((entry) => columns.map((column) => cells[column](entry, options)))
  return table(
    columns.map((column) => column.toUpperCase()),
    rows,
    options,
  )
}
