import {renderMappings} from '../conf/mappings-text.js'
import {UnsafeError} from '../errors.js'
import {compareTables} from '../routing/effective.js'
import {judgeMapping} from '../routing/rules.js'
import {checkFile, findChecker, RefusedByCheckError} from './config-check.js'
import type {MappingFile} from './config-file.js'
import {restoreFiles, type Written} from './config-put-back.js'
import {hideQuoted} from './config-reload.js'
import {changeMappings, predictFile} from './config-table.js'
import {replaceFile} from './config-write.js'
import type {TableChange} from './driver.js'

/** Files that were written and that no server has loaded yet. */
export interface Staged {
  readonly written: readonly Written[]
  /** Main files that `nats-server -t` does not take from here anyway. */
  readonly unchecked: readonly string[]
}

/** Throws an UnsafeError for what no server takes, whether or not there is one to ask. */
export function checkRules(change: TableChange): void {
  for (const {source, destinations} of change) {
    if (destinations === undefined) continue
    const [finding] = judgeMapping({source, destinations}, {form: 'config', serverVersion: newestKnown}).filter(
      ({level}) => level === 'refuse',
    )
    if (finding !== undefined) throw new RuleError(finding.rule, finding.sentence)
  }
}

/** Rules that newer servers do not have are for the preflight, which knows the servers. */
const newestKnown = '2.15.2'

/** Writes the files and has them checked; where they are refused, they are put back and a RefusedByCheckError is thrown. */
export async function stageFiles(files: readonly MappingFile[], change: TableChange): Promise<Staged> {
  const written = await writeFiles(files, change)
  const program = written.length === 0 ? undefined : await findChecker()
  if (program === undefined) return {written, unchecked: []}
  const mains = files.map(({main}) => main)
  const refusals = await refusalsOf(program, mains)
  if (refusals.length === 0) return {written, unchecked: []}
  // It may miss variables, files or permissions that the server has.
  await restoreFiles(written)
  const unchecked = (await refusalsOf(program, mains)).map(({main}) => main)
  const ours = refusals.find(({main}) => !unchecked.includes(main))
  if (ours !== undefined) throw new RefusedByCheckError(ours.main, hideQuoted(ours.reason, subjectsOf(change)))
  return {written: await writeFiles(files, change), unchecked}
}

/** All subjects that a change names. */
export function subjectsOf(change: TableChange): string[] {
  return change.flatMap(({source, destinations = []}) => [source, ...destinations.map(({subject}) => subject)])
}

async function refusalsOf(program: string, mains: readonly string[]): Promise<{main: string; reason: string}[]> {
  const checks = await Promise.all(mains.map(async (main) => ({main, check: await checkFile(program, main)})))
  return checks.flatMap(({main, check}) => (check.ok ? [] : [{main, reason: check.reason}]))
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

class RuleError extends UnsafeError {
  constructor(rule: string, sentence: string) {
    super(sentence, {details: {rule}})
  }
}
