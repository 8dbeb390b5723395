import {rm} from 'node:fs/promises'

import {UnsafeError, UsageError} from '../errors.js'
import {
  contextExists,
  listContexts,
  readContext,
  removeContext,
  selectContext,
  selectedContext,
} from '../nats/context-files.js'
import {clusterSeedFile} from './save.js'

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
  if (select !== undefined) await readContext(select)
  const selected = await selectedContext()
  const there = contextExists(name)
  const others = (await listContexts()).filter((other) => other !== name)
  if (there && selected === name && select === undefined && others.length > 0) throw new SelectedError(name, others)
  const related = await contextsBut(name, others)
  if (there && (await isProtected(name)) && !dryRun) await agree(name)
  if (!dryRun) await remove(name, {select, seedIsShared: related.some(({lattice}) => usesSeedOf(name, lattice))})
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
      suggestions: others.slice(0, 5).map((other) => `lattice context rm ${name} --select ${other}`),
      details: {context: name},
    })
  }
}

async function remove(
  name: string,
  {select, seedIsShared}: {readonly select: string | undefined; readonly seedIsShared: boolean},
): Promise<void> {
  if (select !== undefined) await selectContext(select)
  await removeContext(name)
  if (!seedIsShared) await rm(clusterSeedFile(name), {force: true})
}

type Related = Pick<Awaited<ReturnType<typeof readContext>>, 'name' | 'lattice'>

/** The others, as far as they can be read: a broken file must not keep a context from being removed. */
async function contextsBut(name: string, others: readonly string[]): Promise<Related[]> {
  const read = await Promise.allSettled(others.map((other) => readContext(other)))
  return read.flatMap((result) => (result.status === 'fulfilled' && result.value.name !== name ? [result.value] : []))
}

async function isProtected(name: string): Promise<boolean> {
  return readContext(name).then(
    ({lattice}) => lattice.protected === true,
    () => false,
  )
}

function usesSeedOf(name: string, lattice: Related['lattice']): boolean {
  return lattice.clusterSeedFile === clusterSeedFile(name)
}
