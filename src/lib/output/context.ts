import {fields} from './fields.js'
import {table, type TableOptions} from './table.js'

/** One context as `context ls` tells it. */
export interface ContextSummary {
  readonly name: string
  readonly selected: boolean
  readonly url: string
  readonly lattice: string
  readonly description?: string
  readonly fault?: string
}

/** One context as `context show` tells it; secrets appear as `set` only. */
export interface ContextDetails extends ContextSummary {
  readonly fields: Readonly<Record<string, string>>
  readonly latticeFields: Readonly<Record<string, string>>
}

/** Contexts as a table; the selected one carries a star. */
export function contextsView(contexts: readonly ContextSummary[], options: TableOptions): string {
  if (contexts.length === 0 && options.terminal) return 'There are no contexts.'
  return table(
    ['', 'NAME', 'LATTICE', 'URL', 'DESCRIPTION'],
    contexts.map(({name, selected, url, lattice, description, fault}) => [
      selected ? '*' : '',
      name,
      lattice,
      url,
      fault ?? description ?? '',
    ]),
    options,
  )
}

/** One context, field by field. */
export function contextView({name, selected, fields: nats, latticeFields}: ContextDetails): string {
  return fields([
    ['context', `${name}${selected ? ' (selected)' : ''}`],
    ...Object.entries(nats),
    ...Object.entries(latticeFields),
  ])
}

/** All that decides the connection, as `context show --effective` tells it. */
export interface EffectiveConnection {
  readonly context?: string
  readonly settings: Readonly<Record<string, {readonly value: string; readonly from: string}>>
}

/** Each value and where it came from, in two columns. */
export function effectiveView({settings}: EffectiveConnection): string {
  const rows = Object.entries(settings)
  const width = Math.max(...rows.map(([, {value}]) => value.length))
  return fields(rows.map(([name, {value, from}]) => [name, `${value.padEnd(width)}  ${from}`]))
}
