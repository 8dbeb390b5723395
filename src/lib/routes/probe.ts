import type {ServerOutcome, TableChange} from '../apply/driver.js'
import {systemClock} from '../clock.js'
import {verifyByProbe} from '../observe/verify-probe.js'
import type {RouteDeps} from './session.js'

/**
 * Finds out by messages that are traced and not delivered whether every server that can be reached maps as wanted, for
 * who may not ask the servers. Throws a ConnectionError where servers are too old for it or the user may not.
 */
export async function probeServers(
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
