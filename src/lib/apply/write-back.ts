import {LatticeError} from '../errors.js'
import {predictTable} from '../routing/effective.js'
import {readAccount} from './account-state.js'
import {holds, isLive, type TableChange, type WriteBack} from './driver.js'
import {prepareChange, sendChange, type TokenSigner} from './push.js'
import {verifyPush} from './verify.js'

/** A change that is to be taken back. */
export interface TakenBack {
  /** What the sources were changed to. */
  readonly change: TableChange
  readonly previous: TableChange
}

/**
 * Takes a change back by writing the previous mappings into the token that is stored now, with a newer
 * `iat`: old tokens are never pushed again, because a server that was down would bring the newer one back.
 */
export async function writeBack(signer: TokenSigner, taken: TakenBack, withinMs: number): Promise<WriteBack> {
  const {change, previous} = taken
  try {
    const {token, servers} = await readAccount(signer, {newest: true})
    const tables = [
      predictTable(token.mappings),
      ...servers.flatMap(({live}) => (live === undefined ? [] : [live.table])),
    ]
    if (tables.every((table) => holds(table, previous))) return 'not needed'
    const stored = tables[0]!
    if (!holds(stored, change) && !holds(stored, previous)) return 'foreign'
    const receipt = await sendChange(signer, await prepareChange(signer, previous, {newest: true}))
    const {outcomes} = await verifyPush(signer, receipt, withinMs)
    return outcomes.every(isLive) ? 'written' : 'failed'
  } catch (error) {
    if (error instanceof LatticeError) return 'failed'
    throw error
  }
}
