import {compareTables, type MappingTable} from '../routing/effective.js'
import {readServers} from './account-state.js'
import type {ConfigTarget} from './config-driver.js'
import {readText} from './config-file.js'
import type {ServerOutcome, Verification} from './driver.js'

/** What every server should serve. */
export interface Wanted {
  /** By server id. */
  readonly wanted: ReadonlyMap<string, MappingTable>
  /** Files that are to be put in place by others. */
  readonly rendered: readonly string[]
  /** What our files hold, by path. */
  readonly texts: ReadonlyMap<string, string | undefined>
}

/**
 * Compares the whole table of every server with its file, again until it is so or `withinMs` have passed. Rendered files
 * are not waited for.
 */
export async function verifyFiles(target: ConfigTarget, wanted: Wanted, withinMs: number): Promise<Verification> {
  const deadline = target.clock.now() + withinMs
  for (;;) {
    const outcomes = await verifyOnce(target, wanted)
    const waiting = outcomes.some(({outcome}) => outcome !== 'applied')
    if (!waiting || target.seen === undefined || wanted.rendered.length > 0 || target.clock.now() >= deadline) {
      return {outcomes, overtaken: await isOvertaken(wanted)}
    }
    await target.clock.sleep(50)
  }
}

async function isOvertaken({texts}: Wanted): Promise<boolean> {
  const present = await Promise.all([...texts].map(async ([path, text]) => (await readText(path)) !== text))
  return present.includes(true)
}

async function verifyOnce({seen, account}: ConfigTarget, {wanted, rendered}: Wanted): Promise<ServerOutcome[]> {
  if (seen === undefined) {
    return [...wanted.keys()].map((id) => ({
      server: {id, name: id},
      outcome: 'missing',
      reason: 'it reloads, and without system credentials and monitoring port nothing shows what is live',
    }))
  }
  const [views, all] = await Promise.all([readServers({system: seen, account}), seen.servers()])
  return all.map(({id, name}) => {
    const view = views.find(({server}) => server.id === id)
    const server = {id, name}
    if (view === undefined) return {server, outcome: 'missing', reason: 'it does not answer'}
    const table = wanted.get(id)
    if (view.live === undefined) return {server, outcome: 'missing', reason: 'it does not know the account'}
    if (table !== undefined && compareTables(table, view.live.table).length === 0) return {server, outcome: 'applied'}
    const reason = rendered.length > 0 ? 'its new file is not in place' : 'it has other mappings than its file'
    return {server, outcome: 'differs', reason}
  })
}
