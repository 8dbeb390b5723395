import type {ServerOutcome, TableChange} from '../../apply/driver.js'
import {systemClock} from '../../clock.js'
import {LatticeError} from '../../errors.js'
import {verifyByProbe} from '../../observe/verify-probe.js'
import type {RouteDeps, Session} from '../session.js'

/**
 * Finds out by messages that are traced and not delivered whether every server that can be reached maps as wanted, for
 * who may not ask the servers. Throws a ConnectionError where servers are too old for it or the user may not.
 */
async function probeServers(
  {connection, spec, clock = systemClock}: RouteDeps,
  wanted: TableChange,
  withinMs: number,
): Promise<ServerOutcome[]> {
  const {servers} = await verifyByProbe({connection, spec}, wanted, {withinMs, clock})
  return servers.map(({server: {name, id, address}, outcome, reason}) => ({
    server: {name, id: id ?? address},
    outcome: outcome === 'unreachable' ? 'missing' : outcome,
    ...(reason === undefined ? {} : {reason}),
  }))
}

/**
 * What every server makes of a change where nobody can be asked; where it cannot be tried either, only the user can say
 * that this will do.
 */
export async function probeChange(
  {deps, system}: Pick<Session, 'deps' | 'system'>,
  change: TableChange,
  withinMs: number,
): Promise<ServerOutcome[]> {
  try {
    return await probeServers(deps, change, withinMs)
  } catch (error) {
    if (!(error instanceof LatticeError)) throw error
    const reason = `nothing shows what is live: ${error.message.replace(/\.$/, '')}`
    const servers = await system.servers().catch(noneIfForbidden)
    const {server_id: id = '', server_name: name = id} = deps.connection.info ?? {}
    const known = servers.length > 0 ? servers : [{name, id}]
    return known.map((server) => ({server: {name: server.name, id: server.id}, outcome: 'unverified', reason}))
  }
}

function noneIfForbidden(error: unknown): never[] {
  if (error instanceof LatticeError) return []
  throw error
}
