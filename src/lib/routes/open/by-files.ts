import {readFacts} from '../../apply/account-state.js'
import {openConfigDriver} from '../../apply/config-driver.js'
import {systemClock} from '../../clock.js'
import {hasSystemCredentials} from '../../nats/system.js'
import {OwnMonitoring} from '../proof/own-monitoring.js'
import {openMonitoring, type RouteDeps, type Session, type SessionOptions} from '../session.js'
import {openStore} from '../store/store.js'
import {tornTables} from '../store/torn.js'
import type {Who} from '../who.js'
import {allOrMissing} from './missing.js'
import {needJetStream, openSystem} from './needs.js'

/** Accounts that stand in configuration files: reloaded by the system account, or by whoever may signal the server. */
export async function openByFiles(deps: RouteDeps, who: Who, {repair = false}: SessionOptions): Promise<Session> {
  const {connection, spec, clock = systemClock, access = {}} = deps
  const {account} = who
  const [system, , store, monitors] = await allOrMissing([
    hasSystemCredentials(spec) ? openSystem(deps) : undefined,
    needJetStream(deps),
    openStore(connection, spec, access.state),
    openMonitoring(deps),
  ])
  const driver = await openConfigDriver({
    system,
    monitoring: monitors,
    account,
    files: access.files ?? [],
    mappingsFile: access.mappingsFile,
    pid: access.pid,
    render: access.renderTo,
    clock,
    timeoutMs: spec.timeoutMs,
    isTorn: tornTables(store, spec.lattice),
  })
  const shown = system ?? monitors ?? driver.seen
  const monitoring = shown ?? new OwnMonitoring(connection, spec.timeoutMs)
  const [facts, view] = await Promise.all([readFacts({system: monitoring, clock}), driver.read({newest: repair})])
  const blind = shown === undefined
  return {deps, clock, lattice: spec.lattice, store, driver, system: monitoring, account, facts, who, view, blind}
}
