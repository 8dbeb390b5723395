import {renderMappings} from '../conf/mappings-text.js'
import {LatticeError, PartialError, ServerError, type ErrorOptions} from '../errors.js'
import type {ServerIdentity} from '../nats/system.js'
import {compareTables, type MappingTable} from '../routing/effective.js'
import {readServers} from './account-state.js'
import type {ConfigTarget} from './config-driver.js'
import {reload, type Reload} from './config-reload.js'
import {replaceFile} from './config-write.js'

/** A file that was replaced. */
export interface Written {
  readonly path: string
  readonly main: string
  /** Undefined: it did not exist. */
  readonly before: string | undefined
  readonly after: string
}

/** A server that was told to reload, and what it served before. */
export interface Reloaded {
  readonly server: Pick<ServerIdentity, 'id' | 'name'>
  readonly how: Reload
  /** Undefined: unknown. */
  readonly previous: MappingTable | undefined
}

interface Failed {
  readonly cause: LatticeError
  readonly written: readonly Written[]
  /** The last one is the one that refused. */
  readonly done: readonly Reloaded[]
}

/** Puts files and servers back as they were; the error to throw says how far that went. */
export async function putBack(target: ConfigTarget, {cause, written, done}: Failed): Promise<LatticeError> {
  const kept = await restoreFiles(written)
  const failed: string[] = []
  for (const one of done) if (!(await isBack(target, one))) failed.push(one.server.name)
  return failed.length === 0 && kept.length === 0
    ? new TakenBackError(cause, done)
    : new HalfTakenBackError(cause, failed, kept)
}

/** Gives the files that could not be put back, as those that somebody else wrote meanwhile. */
export async function restoreFiles(written: readonly Written[]): Promise<string[]> {
  const kept: string[] = []
  for (const {path, main, before, after} of written) {
    // A file that is included must exist, or the server would not start again.
    const text = before ?? renderMappings(new Map())
    await replaceFile(path, text, {expected: after, model: main}).catch((error: unknown) => {
      if (!(error instanceof LatticeError)) throw error
      kept.push(path)
    })
  }
  return kept
}

/** A server that serves what it served before needs no reload. */
async function isBack(
  {seen, account, clock, timeoutMs}: ConfigTarget,
  {server, how, previous}: Reloaded,
): Promise<boolean> {
  const holds = async (): Promise<boolean> => {
    if (seen === undefined || previous === undefined) return false
    const live = (await readServers({system: seen, account})).find((view) => view.server.id === server.id)?.live
    return live !== undefined && compareTables(previous, live.table).length === 0
  }
  try {
    if (await holds()) return true
    await reload(server, how)
    if (seen === undefined) return true
    const deadline = clock.now() + timeoutMs
    while (!(await holds())) {
      if (clock.now() >= deadline) return false
      await clock.sleep(20)
    }
    return true
  } catch (error) {
    if (error instanceof LatticeError) return false
    throw error
  }
}

/** A server did not take the new configuration, and everything is as it was. */
export class TakenBackError extends ServerError {
  constructor(cause: LatticeError, done: readonly Reloaded[]) {
    super(
      cause.message,
      withCause(cause, {
        lines: [`All is as it was: the files, and ${servers(done.length)}.`],
        details: {takenBack: true},
      }),
    )
  }
}

/** A server did not take the new configuration, and not everything could be put back. */
export class HalfTakenBackError extends PartialError {
  constructor(cause: LatticeError, failed: readonly string[], kept: readonly string[]) {
    const lines = [
      ...kept.map((path) => `not put back, because somebody else wrote it or it cannot be written: ${path}`),
      ...failed.map((name) => `not put back: server ${name}`),
    ]
    super(
      cause.message,
      withCause(cause, {
        lines,
        suggestions: ['lattice route verify'],
        details: {takenBack: false, servers: failed, files: kept},
      }),
    )
  }
}

function withCause(cause: LatticeError, {lines = [], suggestions = [], details = {}}: ErrorOptions): ErrorOptions {
  return {
    lines: [...cause.lines, ...lines],
    suggestions: [...cause.suggestions, ...suggestions],
    details: {...cause.details, ...details},
    cause,
  }
}

function servers(count: number): string {
  return count === 1 ? 'the server' : `${count} servers`
}
