import {openConfigDriver, type ConfigDriver} from '../apply/config-driver.js'
import {readMappingFile} from '../apply/config-file.js'
import {asTokenMappings} from '../apply/config-table.js'
import type {Clock} from '../clock.js'
import {LatticeError} from '../errors.js'
import type {LeafState} from '../leaf/state.js'
import {splitAccount} from './config.js'
import {isConnected, type LeafServer} from './server.js'
import {digestOf, wireMappings} from './table.js'

/** Where a leaf node's mappings are. */
export interface Place {
  readonly form: LeafState['form']
  /** The main file of its server. */
  readonly main: string
  readonly clock: Clock
  readonly timeoutMs: number
}

/** Opens a leaf node's file and server as any server whose accounts stand in a file. */
export function openLeafFile(
  {form, main, clock, timeoutMs}: Place,
  {system}: Pick<LeafServer, 'system'>,
): Promise<ConfigDriver> {
  return openConfigDriver({system, account: splitAccount(form), files: [main], clock, timeoutMs, env: {}})
}

/** What was found out; what is missing is as it was. */
export interface TableRead {
  readonly known: Partial<Pick<LeafState, 'server' | 'mappings' | 'digest'>>
  readonly live: LeafState['live']
}

/** File and server together, else the file alone, else nothing. */
export async function readTable(place: Place, server: LeafServer | undefined): Promise<TableRead> {
  try {
    if (server === undefined) return {known: await readFileAlone(place), live: null}
    const {mappings, servers} = await (await openLeafFile(place, server)).read()
    const wire = wireMappings(mappings)
    const [view] = servers
    const identity = view === undefined ? {} : {server: identityOf(view.server)}
    const live = view?.live === undefined ? null : wireMappings(view.live.table)
    return {known: {mappings: wire, digest: digestOf(wire), ...identity}, live}
  } catch (error) {
    if (!(error instanceof LatticeError)) throw error
    return {known: await readFileAlone(place), live: null}
  }
}

function identityOf({id, name, version}: LeafState['server']): LeafState['server'] {
  return {id, name, version}
}

async function readFileAlone({main, form}: Place): Promise<TableRead['known']> {
  try {
    const file = await readMappingFile(main, {account: splitAccount(form), env: {}})
    const mappings = wireMappings(asTokenMappings(file.mappings))
    return {mappings, digest: digestOf(mappings)}
  } catch (error) {
    if (error instanceof LatticeError) return {}
    throw error
  }
}

/** True while its server runs and is connected to the account's servers. */
export async function isLinked({form}: Place, server: LeafServer | undefined): Promise<boolean> {
  try {
    return server !== undefined && (await isConnected(server, form))
  } catch (error) {
    if (error instanceof LatticeError) return false
    throw error
  }
}
