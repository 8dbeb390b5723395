import {basename} from 'node:path'

import {LatticeError} from '../errors.js'
import type {ServerIdentity} from '../nats/system.js'
import {compareTables, type MappingTable} from '../routing/effective.js'
import {readServers} from './account-state.js'
import type {ConfigReading, ConfigTarget} from './config-driver.js'
import type {MappingFile} from './config-file.js'
import {leafNotes} from './config-leaves.js'
import {putBack, type Reloaded} from './config-put-back.js'
import {readLoadTimes, reload, ReloadRefusedError, type Reload} from './config-reload.js'
import {FilesElsewhereError, matchServers} from './config-servers.js'
import {stageFiles, subjectsOf} from './config-stage.js'
import {changeMappings, predictFile} from './config-table.js'
import type {TableChange} from './driver.js'

/** What was done, and the table that each server should have by its id. */
export interface FilesApplied {
  readonly notes: readonly string[]
  readonly wanted: ReadonlyMap<string, MappingTable>
  /** What each of our files holds now, by its path. */
  readonly texts: ReadonlyMap<string, string | undefined>
}

/** One server with the file that it is to load. */
interface Step {
  readonly server: Pick<ServerIdentity, 'id' | 'name'>
  readonly file: MappingFile
  readonly table: MappingTable
}

/**
 * Writes the files, checks them, and reloads one server after the other, each confirmed before the next. At the first
 * that refuses, the files are put back, the servers that had loaded them too, and an error says so.
 */
export async function applyToFiles(
  target: ConfigTarget,
  {files, view}: ConfigReading,
  change: TableChange,
): Promise<FilesApplied> {
  const steps = (await pairUp(target, files)).map(({server, file}) => {
    return {server, file, table: predictFile(changeMappings(file.mappings, change))}
  })
  const {written, unchecked} = await stageFiles(files, change)
  const done: Reloaded[] = []
  for (const step of steps) {
    const previous = view.servers.find(({server}) => server.id === step.server.id)?.live?.table
    const unwritten = !written.some(({path}) => path === step.file.path)
    if (unwritten && previous !== undefined && compareTables(step.table, previous).length === 0) continue
    const how = reloadOf(target, step.file)
    done.push({server: step.server, how, previous})
    try {
      await reloadAndConfirm(target, step, how)
    } catch (error) {
      if (!(error instanceof LatticeError)) throw error
      const cause = error instanceof ReloadRefusedError ? error.hiding(subjectsOf(change)) : error
      throw await putBack(target, {cause, written, done})
    }
  }
  return {
    notes: [
      ...(await leafNotes(target, view, change)),
      ...unchecked.map(
        (main) =>
          `nats-server -t does not take '${main}' from here even as it was, so it could not check the new mappings.`,
      ),
    ],
    wanted: new Map(steps.map(({server, table}) => [server.id, table])),
    texts: new Map([
      ...files.map(({path, text}) => [path, text] as const),
      ...written.map(({path, after}) => [path, after] as const),
    ]),
  }
}

/** Every server with its file; where nothing shows the servers, the files stand for them. */
async function pairUp({seen}: ConfigTarget, files: readonly MappingFile[]): Promise<Omit<Step, 'table'>[]> {
  if (seen === undefined) {
    return files.map((file) => ({server: {id: file.main, name: file.facts.serverName ?? basename(file.main)}, file}))
  }
  const found = await matchServers(seen, files)
  const elsewhere = found.filter(({file}) => file === undefined).map(({server}) => server.name)
  if (elsewhere.length > 0) throw new FilesElsewhereError(elsewhere)
  return found.map(({server, file}) => ({server, file: file!}))
}

function reloadOf({system, pid, clock, timeoutMs}: ConfigTarget, {facts}: MappingFile): Reload {
  return {system, pid: pid ?? facts.pidFile, clock, timeoutMs}
}

/** The answer to a request, or a signal that was taken, does not prove that the file is live. */
async function reloadAndConfirm(target: ConfigTarget, {server, table}: Step, how: Reload): Promise<void> {
  const {seen, clock, timeoutMs, account} = target
  if (seen === undefined) return reload(server, how)
  const before = (await readLoadTimes(seen)).get(server.id)
  await reload(server, how)
  const deadline = clock.now() + timeoutMs
  for (;;) {
    const [times, views] = await Promise.all([readLoadTimes(seen), readServers({system: seen, account})])
    const moved = times.get(server.id) !== undefined && times.get(server.id) !== before
    const live = views.find((view) => view.server.id === server.id)?.live?.table
    if (moved && live !== undefined && compareTables(table, live).length === 0) return
    if (clock.now() >= deadline) {
      throw new ReloadRefusedError(
        server.name,
        moved
          ? 'it read its configuration again, and has other mappings than the file'
          : `it did not load its configuration within ${timeoutMs} ms, and its log says why`,
      )
    }
    await clock.sleep(20)
  }
}
