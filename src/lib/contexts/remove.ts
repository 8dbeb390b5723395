import {rm} from 'node:fs/promises'

import {shellWord} from '../entity/require.js'
import {NotFoundError, UnsafeError, UsageError} from '../errors.js'
import {
  contextExists,
  listContexts,
  readNamedContext,
  removeContext,
  selectContext,
  selectedContext,
} from '../nats/context-files.js'
import {isImportedSeed} from './save.js'

export interface RemoveOptions {
  /** Context to select instead. */
  readonly select?: string | undefined
  readonly dryRun: boolean
  /** Called with the name of a protected context before it is removed; rejects when the person does not agree. */
  readonly agree: (context: string) => Promise<void>
}

/** What was removed, and what is selected now. */
export interface ContextRemoval {
  readonly context: string
  /** False when there was no such context. */
  readonly changed: boolean
  readonly selected?: string
  /** Contexts that took their system user from it. */
  readonly orphans: readonly string[]
  readonly dryRun: boolean
}

/**
 * Removes a context from both tools. The selected one goes only when another is selected instead, or when it is the
 * last: an UnsafeError otherwise.
 */
export async function dropContext(name: string, {select, dryRun, agree}: RemoveOptions): Promise<ContextRemoval> {
  if (select === name) throw new UsageError(`The context '${name}' cannot be removed and selected.`)
  if (select !== undefined && !contextExists(select)) {
    throw new NotFoundError(`No context '${select}'.`, {
      suggestions: ['lattice context ls'],
      details: {context: select},
    })
  }
  const selected = await selectedContext()
  const there = contextExists(name)
  const others = (await listContexts()).filter((other) => other !== name)
  if (there && selected === name && select === undefined && others.length > 0) throw new SelectedError(name, others)
  const related = await contextsBut(others)
  if (there && (await isProtected(name)) && !dryRun) await agree(name)
  if (!dryRun) {
    const seed = there ? await importedSeed(name) : undefined
    if (select !== undefined) await selectContext(select)
    await removeContext(name)
    const shared = related.some(({lattice}) => lattice.clusterSeedFile === seed)
    if (seed !== undefined && !shared) await rm(seed, {force: true})
  }
  const now = select ?? (selected === name ? undefined : selected)
  return {
    context: name,
    changed: there || (select !== undefined && select !== selected),
    ...(now === undefined ? {} : {selected: now}),
    orphans: related.flatMap(({name: other, lattice}) => (there && lattice.sysContext === name ? [other] : [])),
    dryRun,
  }
}

class SelectedError extends UnsafeError {
  constructor(name: string, others: readonly string[]) {
    super(`The context '${name}' is selected.`, {
      suggestions: others
        .slice(0, 5)
        .map((other) => `lattice context rm ${shellWord(name)} --select ${shellWord(other)}`),
      details: {context: name},
    })
  }
}

type Related = Pick<Awaited<ReturnType<typeof readNamedContext>>, 'name' | 'lattice'>

/** The others, as far as they can be read: a broken file must not keep a context from being removed. */
async function contextsBut(others: readonly string[]): Promise<Related[]> {
  const read = await Promise.allSettled(others.map((other) => readNamedContext(other)))
  return read.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
}

async function isProtected(name: string): Promise<boolean> {
  return readNamedContext(name).then(
    ({lattice}) => lattice.protected === true,
    () => false,
  )
}

/** The cluster seed that an import wrote into a file of ours; undefined when the context has another or none. */
async function importedSeed(name: string): Promise<string | undefined> {
  const file = await readNamedContext(name).then(
    ({lattice}) => lattice.clusterSeedFile,
    () => undefined,
  )
  return file !== undefined && isImportedSeed(file) ? file : undefined
}
