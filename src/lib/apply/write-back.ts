import {LatticeError} from '../errors.js'
import {predictTable, sameShares, type MappingTable} from '../routing/effective.js'
import type {Destination} from '../routing/plan.js'
import {readAccount} from './account-state.js'
import {prepareChange, sendChange, type JwtDriver} from './account-jwt.js'
import type {MappingChange} from './applier.js'
import {verifyPush} from './verify.js'

/** Whether the previous mapping of a source is live again; `foreign`: another tool gave it a mapping of its own since. */
export type WriteBack = 'written' | 'not needed' | 'foreign' | 'failed'

/** A change that is to be taken back. */
export interface TakenBack {
  /** What the source was changed to. */
  readonly change: MappingChange
  readonly previous: MappingChange['destinations']
}

/**
 * Takes a change of one source back by writing the previous mapping into the token that is stored now, with a newer
 * `iat`: old tokens are never pushed again, because a server that was down would bring the newer one back.
 */
export async function writeBack(driver: JwtDriver, taken: TakenBack, withinMs: number): Promise<WriteBack> {
  const {change} = taken
  const previous = {source: change.source, destinations: taken.previous}
  try {
    const {token, servers} = await readAccount(driver, {newest: true})
    const tables = [
      predictTable(token.mappings),
      ...servers.flatMap(({live}) => (live === undefined ? [] : [live.table])),
    ]
    if (tables.every((table) => holds(table, previous))) return 'not needed'
    const stored = tables[0]!
    if (!holds(stored, change) && !holds(stored, previous)) return 'foreign'
    const {outcomes} = await verifyPush(
      driver,
      await sendChange(driver, await prepareChange(driver, previous, {newest: true})),
      withinMs,
    )
    return outcomes.every(({outcome}) => outcome === 'applied' || outcome === 'stored') ? 'written' : 'failed'
  } catch (error) {
    if (error instanceof LatticeError) return 'failed'
    throw error
  }
}

/** True when the table gives the source exactly these shares, or none where none are wanted. */
export function holds(table: MappingTable, {source, destinations}: MappingChange): boolean {
  const present = table.get(source)
  const wanted = wantedShares(source, destinations)
  return present === undefined || wanted === undefined ? present === wanted : sameShares(present, wanted)
}

function wantedShares(
  source: string,
  destinations: readonly Destination[] | undefined,
): readonly Destination[] | undefined {
  return destinations === undefined ? undefined : predictTable({[source]: destinations}).get(source)
}
