import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {globalAccount} from '../conf/accounts.js'
import {renderMappings, type FileMappings} from '../conf/mappings-text.js'
import {UnsafeError} from '../errors.js'
import type {Finding} from '../routing/rule-book.js'
import {lintMappings} from '../routing/rules.js'
import {checkFile, findChecker} from './config-check.js'
import {defaultMappingsFile} from './config-file.js'
import {hideQuoted} from './config-reload.js'
import {checkRules, subjectsOf} from './config-stage.js'
import type {TableChange} from './driver.js'

/** A table before and after a change. */
export interface TableStep {
  readonly account: string
  readonly before: FileMappings
  readonly after: FileMappings
  readonly change: TableChange
  /** The lowest of the servers that answer. */
  readonly serverVersion: string | undefined
}

/**
 * Judges a whole new table before it leaves: a file that a server refuses shows only when its pod restarts. Throws an
 * UnsafeError for what the rules of the lowest version or `nats-server -t` refuse; what was there before is no business
 * of a change. Returns what could not be checked, a sentence each.
 */
export async function checkTable(step: TableStep): Promise<string[]> {
  checkRules(step.change)
  const [known, found] = [step.before, step.after].map((table) => refusals(table, step.serverVersion)) as [
    Finding[],
    Finding[],
  ]
  const fresh = found.filter((one) => !known.some((old) => old.rule === one.rule && old.source === one.source))
  if (fresh.length > 0) throw new RefusedTableError(fresh, step.change)
  return checkByServer(step)
}

function refusals(table: FileMappings, serverVersion: string | undefined): Finding[] {
  const written = [...table].map(([source, destinations]) => ({source, destinations}))
  const options = {form: 'config', ...(serverVersion === undefined ? {} : {serverVersion})} as const
  return lintMappings(written, options).filter(({level}) => level === 'refuse')
}

async function checkByServer({account, before, after, change}: TableStep): Promise<string[]> {
  const program = await findChecker()
  // Keys know no escapes.
  if (program === undefined || account.includes('"')) return []
  const folder = await mkdtemp(join(tmpdir(), 'lattice-check-'))
  try {
    const main = join(folder, 'nats.conf')
    await writeFile(main, mainText(account))
    const verdict = async (table: FileMappings): ReturnType<typeof checkFile> => {
      await writeFile(join(folder, defaultMappingsFile), renderMappings(table))
      return checkFile(program, main)
    }
    const check = await verdict(after)
    if (check.ok) return []
    const reason = check.reason.replaceAll(`${folder}/`, '')
    // It may be another version than the servers, which have what is there.
    if (!(await verdict(before)).ok)
      return [`The nats-server at hand does not take what is live: ${hideQuoted(reason, [])}.`]
    throw new RefusedTextError(hideQuoted(reason, subjectsOf(change)))
  } finally {
    await rm(folder, {recursive: true, force: true})
  }
}

function mainText(account: string): string {
  const include = `include '${defaultMappingsFile}'`
  if (account === globalAccount) return `port: -1\n${include}\n`
  return `port: -1\naccounts {\n  ${JSON.stringify(account)} {\n    ${include}\n  }\n}\n`
}

/** The table would not be what a server takes, or not what it says; what others map is not told. */
class RefusedTableError extends UnsafeError {
  constructor(findings: readonly Finding[], change: TableChange) {
    const rule = findings[0]!.rule
    const broken = findings.filter((one) => one.rule === rule)
    const ours = broken.filter((one) => change.some(({source}) => source === one.source))
    const places = ours.map(({source}) => `at '${source!}'`)
    const others = ours.length < broken.length ? ['at others of the account'] : []
    super(
      `The mappings would break the rule '${rule}' ${[...new Set([...places, ...others])].join(' and ')}, and nothing was changed.`,
      {details: {rule, findings: ours.map(({source}) => ({rule, source}))}},
    )
  }
}

class RefusedTextError extends UnsafeError {
  constructor(reason: string) {
    super(`nats-server -t refuses the new mappings, and nothing was changed: ${reason}.`, {
      details: {rule: 'refused-by-check', reason},
    })
  }
}
