import {readFile} from 'node:fs/promises'

import type {Clock} from '../clock.js'
import {parseMappings} from '../conf/mappings-text.js'
import {LatticeError, NotFoundError, UnsafeError} from '../errors.js'
import {endProcess, isRunning} from '../server/process.js'
import {leafFiles, leafFolder, listRecords, readRecord, type LeafKey, type LeafRecord} from './places.js'

export interface StopOptions {
  readonly allow: readonly string[]
  readonly dryRun: boolean
  readonly clock: Clock
}

/** What became of a leaf node of this machine. */
export interface LeafStopped {
  readonly id: string
  readonly name: string
  readonly lattice: string
  readonly form: LeafRecord['form']
  /** Where its callers were connected. */
  readonly url: string | null
  readonly pid: number | null
  /** What its file splits. */
  readonly mapped: readonly string[]
  /** False where it did not run. */
  readonly changed: boolean
  readonly dryRun: boolean
}

/** Longer than its server may take to let its callers go. */
const graceMs = 15_000

/**
 * Ends a leaf node of this machine. Throws an UnsafeError where it splits for the whole account: all callers of what it
 * maps would get no answer.
 */
export async function stopLeaf(key: LeafKey, {allow, dryRun, clock}: StopOptions): Promise<LeafStopped> {
  const folder = leafFolder(key)
  const record = await readRecord(folder)
  if (record === undefined) throw new NoLeafHereError(key, await listRecords(key.lattice))
  const {agent, server, form} = record
  const agentRuns = agent !== undefined && (await isRunning(agent))
  const serverRuns = server !== undefined && (await isRunning(server))
  const mapped = await mappedSources(leafFiles(folder).mappings)
  const changed = agentRuns || serverRuns
  if (changed && form === 'account-wide' && mapped.length > 0 && !allow.includes('in-use')) {
    throw new InUseError(record, mapped)
  }
  if (changed && !dryRun) {
    if (agentRuns) await endProcess(agent, graceMs, clock)
    if (server !== undefined) await endProcess(server, 5000, clock)
  }
  const {id, name, lattice, url = null} = record
  return {id, name, lattice, form, url, pid: agentRuns ? agent.pid : null, mapped, changed, dryRun}
}

/** A file that cannot be read says nothing of what is split. */
async function mappedSources(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  try {
    return [...parseMappings(text, file).keys()].sort()
  } catch (error) {
    if (error instanceof LatticeError) return []
    throw error
  }
}

class NoLeafHereError extends NotFoundError {
  constructor({lattice, name}: LeafKey, others: readonly LeafRecord[]) {
    super(`There is no leaf node '${name}' of lattice '${lattice}' on this machine.`, {
      suggestions: [...others.map((other) => `lattice leaf stop --name ${other.name}`), 'lattice leaf ls'],
      details: {lattice, name, others: others.map((other) => other.name)},
    })
  }
}

/** Nobody else splits for the account. */
class InUseError extends UnsafeError {
  constructor({name}: LeafRecord, mapped: readonly string[]) {
    const sources = mapped.map((source) => `'${source}'`).join(', ')
    super(`Leaf node '${name}' splits for the whole account: without it nobody answers calls of ${sources}.`, {
      suggestions: ['lattice route clear …   (after workers listen on the source again)', '--allow in-use'],
      details: {rule: 'in-use', name, mapped},
    })
  }
}
