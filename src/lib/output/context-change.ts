import {fields} from './fields.js'
import {table, type TableOptions} from './table.js'

/** A removal as its view takes it. */
interface ContextRemoval {
  readonly context: string
  readonly changed: boolean
  readonly selected?: string
  readonly dryRun: boolean
}

/** What became of a context that was to be removed. */
export function contextRemovalView({context, changed, selected, dryRun}: ContextRemoval): string {
  if (!changed) return `There is no context '${context}'.`
  const done = `${dryRun ? 'Would remove' : 'Removed'} context '${context}'.`
  return selected === undefined ? `${done} None is selected.` : `${done} Selected: '${selected}'.`
}

interface AddedContext {
  readonly context: string
  readonly state: string
  readonly selected?: string
  readonly fields: Readonly<Record<string, string>>
  readonly latticeFields: Readonly<Record<string, string>>
  readonly dryRun: boolean
}

/** A context that was written, field by field. */
export function addedContextView({context, state, selected, ...added}: AddedContext): string {
  const done = state === 'unchanged' || !added.dryRun ? state : `would be ${state}`
  return fields([
    ['context', `${context} (${[done, ...(selected === context ? ['selected'] : [])].join(', ')})`],
    ...Object.entries(added.fields),
    ...Object.entries(added.latticeFields),
  ])
}

interface ContextImport {
  readonly folder: string
  readonly contexts: readonly {
    readonly from: string
    readonly context: string
    readonly state: string
    readonly url?: string
    readonly lattice?: string
    readonly reason?: string
  }[]
  readonly selected?: string
  readonly dryRun: boolean
}

/** Imported contexts as a table, and on a terminal what is selected now. */
export function contextImportView({contexts, folder, selected, dryRun}: ContextImport, options: TableOptions): string {
  if (contexts.length === 0) return options.terminal ? `There are no contexts in '${folder}'.` : ''
  const rows = contexts.map(({from, context, state, url, lattice, reason}) => [
    from,
    context,
    dryRun && (state === 'added' || state === 'replaced') ? `would be ${state}` : state,
    lattice ?? '',
    url ?? reason ?? '',
  ])
  const lines = [table(['FROM', 'CONTEXT', 'STATE', 'LATTICE', 'URL'], rows, options)]
  if (options.terminal && selected !== undefined) lines.push(`Selected: '${selected}'.`)
  return lines.join('\n')
}
