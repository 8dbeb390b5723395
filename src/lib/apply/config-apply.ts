import {basename} from 'node:path'

import {renderMappings} from '../conf/mappings-text.js'
import {LatticeError} from '../errors.js'
import type {ServerIdentity} from '../nats/system.js'
import {compareTables, type MappingTable} from '../routing/effective.js'
import {readServers} from './account-state.js'
import {checkFile, findChecker, RefusedByCheckError} from './config-check.js'
import type {ConfigReading, ConfigTarget} from './config-driver.js'
import type {MappingFile} from './config-file.js'
import {leafNotes} from './config-leaves.js'
import {putBack, restoreFiles, type Reloaded, type Written} from './config-put-back.js'
import {hideQuoted, readLoadTimes, reload, ReloadRefusedError, type Reload} from './config-reload.js'
import {FilesElsewhereError, matchServers} from './config-servers.js'
import {changeMappings, predictFile} from './config-table.js'
import {replaceFile} from './config-write.js'
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
  const program = await findChecker()
  const mains = files.map(({main}) => main)
  const sound = program === undefined ? [] : await passing(program, mains)
  const written = await writeFiles(files, change)
  if (program !== undefined) await checkWritten({program, mains: sound, ours: subjectsOf(change)}, written)
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
  const unchecked = mains.filter((main) => program !== undefined && !sound.includes(main))
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

async function passing(program: string, mains: readonly string[]): Promise<string[]> {
  const checks = await Promise.all(mains.map((main) => checkFile(program, main)))
  return mains.filter((_, index) => checks[index]!.ok)
}

/** Servers on one machine may share our file. */
async function writeFiles(files: readonly MappingFile[], change: TableChange): Promise<Written[]> {
  const written: Written[] = []
  const distinct = [...new Map(files.map((file) => [file.path, file])).values()]
  try {
    for (const {path, text, main, mappings} of distinct) {
      const next = changeMappings(mappings, change)
      const same = text !== undefined && compareTables(predictFile(next), predictFile(mappings)).length === 0
      if (same) continue
      const after = renderMappings(next)
      await replaceFile(path, after, {expected: text, model: main})
      written.push({path, main, before: text, after})
    }
  } catch (error) {
    await restoreFiles(written)
    throw error
  }
  return written
}

function subjectsOf(change: TableChange): string[] {
  return change.flatMap(({source, destinations = []}) => [source, ...destinations.map(({subject}) => subject)])
}

interface Check {
  readonly program: string
  readonly mains: readonly string[]
  /** Subjects that may be shown. */
  readonly ours: readonly string[]
}

async function checkWritten({program, mains, ours}: Check, written: readonly Written[]): Promise<void> {
  if (written.length === 0) return
  for (const main of mains) {
    const check = await checkFile(program, main)
    if (check.ok) continue
    await restoreFiles(written)
    throw new RefusedByCheckError(main, hideQuoted(check.reason, ours))
  }
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
