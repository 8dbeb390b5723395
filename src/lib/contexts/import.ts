import {shellWord} from '../entity/require.js'
import {NotFoundError, UsageError} from '../errors.js'
import {hideUserInfo} from '../nats/addresses.js'
import {contextSource} from '../nats/settings.js'
import {contextExists, selectContext, selectedContext} from '../nats/context-files.js'
import type {ContextDraft, Drafts} from './draft.js'
import {missingFiles, planSave, refuseReplacing, save, type SavePlan, type SaveState} from './save.js'

/** What a tool has that can become contexts; `folder` is where, if not at its usual place. */
export async function readDrafts(tool: 'wash' | 'nsc', folder: string | undefined): Promise<Drafts> {
  switch (tool) {
    case 'wash':
      return (await import('./wash.js')).readWash(folder)
    case 'nsc':
      return (await import('./nsc.js')).readNsc(folder)
  }
}

export interface ImportOptions {
  /** Only these, by the other tool's names for them; all when empty. */
  readonly only: readonly string[]
  /** Goes before every name. */
  readonly prefix: string
  /** Change contexts that are there. */
  readonly replace: boolean
  /** Select what the other tool has selected; it is selected anyway when nothing is. */
  readonly select: boolean
  readonly dryRun: boolean
  /** Called with the name of a protected context before it is replaced; rejects when the person does not agree. */
  readonly agree: (context: string) => Promise<void>
}

/** One context of the other tool and what became of it. */
export interface ImportedContext {
  readonly from: string
  readonly context: string
  readonly state: SaveState | 'skipped'
  readonly url?: string
  readonly lattice?: string
  /** Why it was skipped. */
  readonly reason?: string
  /** What was left out, and which files are missing. */
  readonly notes: readonly string[]
}

export interface ContextImport {
  readonly folder: string
  readonly contexts: readonly ImportedContext[]
  /** The context that is selected now. */
  readonly selected?: string
  readonly changed: boolean
  readonly dryRun: boolean
}

/**
 * Writes the contexts of another tool as ours. Nothing is written when one of them would change a context that is there:
 * a ConflictError, unless `replace` is set. One that cannot be used is skipped, or refused where it was asked for.
 */
export async function importContexts(source: Drafts, options: ImportOptions): Promise<ContextImport> {
  const {prefix, replace, dryRun, agree} = options
  const drafts = choose(source, options.only).map((draft) => checked({...draft, name: `${prefix}${draft.name}`}))
  const broken = drafts.find(({problem}) => problem !== undefined)
  if (options.only.length > 0 && broken !== undefined) throw new UnusableError(broken)
  const usable = drafts.filter(({problem}) => problem === undefined)
  const plans = await Promise.all(usable.map(planSave))
  if (!replace) refuseReplacing(plans, ['--replace', `--prefix ${prefix === '' ? 'imported-' : `${prefix}2-`}`])
  const toSelect = await selection(source, plans, options.select)
  if (!dryRun) {
    for (const plan of plans) if (plan.state === 'replaced' && plan.protected) await agree(plan.draft.name)
    for (const plan of plans) await save(plan)
    if (toSelect !== undefined) await selectContext(toSelect)
  }
  const selected = toSelect ?? (await selectedContext())
  const skipped = drafts.filter(({problem}) => problem !== undefined).map(describeSkipped)
  return {
    folder: source.folder,
    contexts: [...(await Promise.all(plans.map(describe))), ...skipped].sort((a, b) =>
      a.context < b.context ? -1 : 1,
    ),
    ...(selected === undefined ? {} : {selected}),
    changed: toSelect !== undefined || plans.some(({state}) => state !== 'unchanged'),
    dryRun,
  }
}

function choose({drafts, folder}: Drafts, only: readonly string[]): readonly ContextDraft[] {
  const unknown = only.find((name) => !drafts.some(({from}) => matches(from, name)))
  if (unknown !== undefined) {
    throw new NotFoundError(`There is no context '${unknown}' in '${folder}'.`, {
      suggestions: drafts.slice(0, 10).map(({from}) => from),
      details: {context: unknown, folder},
    })
  }
  return only.length === 0 ? drafts : drafts.filter(({from}) => only.some((name) => matches(from, name)))
}

/** `operator` and `operator/account` mean all that is below. */
function matches(from: string, name: string): boolean {
  return from === name || from.startsWith(`${name}/`)
}

/** What could never connect is not worth a file. */
function checked(draft: ContextDraft): ContextDraft {
  if (draft.problem !== undefined) return draft
  try {
    contextExists(draft.name)
    contextSource({name: draft.name, nats: draft.nats, lattice: draft.lattice})
    return draft
  } catch (error) {
    const problem = error instanceof Error ? error.message.replace(/\.$/, '') : 'it cannot be used'
    return {...draft, problem}
  }
}

class UnusableError extends UsageError {
  constructor({from, problem = 'it cannot be used'}: ContextDraft) {
    super(`The context '${from}' cannot be imported: ${problem}.`, {details: {context: from}})
  }
}

async function selection(
  {preferred}: Drafts,
  plans: readonly SavePlan[],
  wanted: boolean,
): Promise<string | undefined> {
  const selected = await selectedContext()
  if (!wanted && selected !== undefined) return undefined
  const chosen = plans.find(({draft}) => draft.from === preferred)?.draft.name
  if (chosen === undefined && wanted) {
    throw new UsageError('What the other tool has selected is not among the imported contexts.', {
      suggestions: plans.slice(0, 5).map(({draft}) => `lattice context use ${shellWord(draft.name)}`),
    })
  }
  return chosen === selected ? undefined : chosen
}

async function describe({draft, state}: SavePlan): Promise<ImportedContext> {
  const {from, name, nats, lattice} = draft
  return {
    from,
    context: name,
    state,
    ...(nats.url === undefined ? {} : {url: hideUserInfo(nats.url)}),
    lattice: lattice.lattice ?? 'default',
    notes: [...draft.notes, ...(await missingFiles(draft))],
  }
}

function describeSkipped({from, name, problem = ''}: ContextDraft): ImportedContext {
  return {from, context: name, state: 'skipped', reason: problem, notes: []}
}
