import {stat} from 'node:fs/promises'
import {resolve} from 'node:path'

import {ConflictError, UsageError} from '../errors.js'
import type {EmbeddedState} from './embedded-state.js'

/** What a user may ask of an embedded lattice; left out means as it was, or the default. */
export interface Settings {
  readonly name: string
  /** 0 takes any free port. */
  readonly port?: number | undefined
  readonly hosts?: number | undefined
  /** True asks for one in memory and a temp folder; an existing one is never turned into the other kind. */
  readonly ephemeral: boolean
  readonly storeDir?: string | undefined
  /** Folders whose modules the hosts may open; empty means as it was. */
  readonly allowFiles: readonly string[]
  /** Account keys whose modules the hosts accept besides the lattice's own; empty means as it was. */
  readonly allowedIssuers: readonly string[]
}

/**
 * The state with the settings that were asked for. Throws a ConflictError for what cannot change: never the place of
 * the data, and nothing that processes were started with while they run.
 */
export function applySettings(
  state: EmbeddedState,
  asked: Settings & {readonly issuer: string},
  {running}: {running: boolean},
): EmbeddedState {
  if (asked.ephemeral && !state.ephemeral) throw fixed(state, 'is kept on disk')
  if (asked.storeDir !== undefined && resolve(asked.storeDir) !== state.storeFolder) {
    throw fixed(state, `keeps its data in '${state.storeFolder}'`)
  }
  const wanted = {
    ...state,
    hostCount: asked.hosts ?? state.hostCount,
    allowFiles: asked.allowFiles.length > 0 ? [...asked.allowFiles] : state.allowFiles,
    allowedIssuers: asked.allowedIssuers.length > 0 ? [...asked.allowedIssuers] : state.allowedIssuers,
  }
  if (!running) return {...wanted, issuer: asked.issuer}
  if (asked.port !== undefined && asked.port !== 0 && asked.port !== state.port) {
    throw mustStop(state, `runs on port ${state.port ?? 0}`)
  }
  if (wanted.hostCount < state.hostCount) throw mustStop(state, `runs with ${state.hostCount} hosts`)
  if (!same(wanted.allowFiles, state.allowFiles)) throw mustStop(state, 'runs with other --allow-files folders')
  if (!same(wanted.allowedIssuers, state.allowedIssuers)) throw mustStop(state, 'runs with other --allowed-issuer keys')
  return wanted
}

/** The folders as absolute paths; throws a UsageError for one that is none. */
export async function existingFolders(paths: readonly string[]): Promise<string[]> {
  const folders: string[] = []
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined)
    if (found?.isDirectory() !== true) throw new UsageError(`'${path}' is not a folder.`)
    folders.push(resolve(path))
  }
  return folders
}

function same(left: readonly string[], right: readonly string[]): boolean {
  const other = new Set(right)
  return new Set(left).size === other.size && left.every((item) => other.has(item))
}

function fixed({name}: EmbeddedState, how: string): ConflictError {
  return new ConflictError(`Lattice '${name}' exists and ${how}.`, {
    suggestions: [`lattice up --name ${name}`, 'lattice up --name NEW', `lattice down --name ${name} --purge`],
    details: {lattice: name},
  })
}

function mustStop({name, ephemeral}: EmbeddedState, how: string): ConflictError {
  const kept = ephemeral ? 'its keys, data and entities are lost with it' : 'keys, data and entities are kept'

  return new ConflictError(`Lattice '${name}' ${how}.`, {
    suggestions: [`lattice down --name ${name}`, `Then run this again: ${kept}.`],
    details: {lattice: name},
  })
}
