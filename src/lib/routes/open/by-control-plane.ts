import {openSource, readAccount, readFacts, readServers} from '../../apply/account-state.js'
import {systemClock} from '../../clock.js'
import {findAccount} from '../../control-plane/account.js'
import type {ControlPlane} from '../../control-plane/client.js'
import {ControlPlaneDriver} from '../../control-plane/driver.js'
import {openControlPlane} from '../../control-plane/open.js'
import type {LiveServers} from '../../control-plane/view.js'
import {hasSystemCredentials, type Monitoring, type SystemClient} from '../../nats/system.js'
import {predictTable} from '../../routing/effective.js'
import {OwnMonitoring} from '../proof/own-monitoring.js'
import {openMonitoring, type Reader, type RouteDeps, type Session} from '../session.js'
import {openStore, type RouteStore} from '../store/store.js'
import {isTokenAccount, NoTokenAccountError, type Who} from '../who.js'
import {allOrMissing} from './missing.js'
import {needJetStream, openSystem} from './needs.js'

/** Accounts that a control plane signs and pushes: told by its HTTP interface, and probed where nobody can be asked. */
export async function openByControlPlane(deps: RouteDeps, who: Who): Promise<Session> {
  const {connection, spec, clock = systemClock, access = {}} = deps
  const {account} = who
  const [system, , store, monitors, found] = await allOrMissing([
    hasSystemCredentials(spec) ? openSystem(deps) : undefined,
    needJetStream(deps),
    openStore(connection, spec, access.state),
    openMonitoring(deps),
    openAccount(deps, account),
  ])
  const driver = await openDriver(deps, found, {system, monitors})
  const shown = system ?? monitors
  const monitoring = shown ?? new OwnMonitoring(connection, spec.timeoutMs)
  const [facts, view] = await Promise.all([readFacts({system: monitoring, clock}), driver.read()])
  const blind = shown === undefined
  return {deps, clock, lattice: spec.lattice, store, driver, system: monitoring, account, facts, who, view, blind}
}

/** What the control plane is set to, and what is live where somebody can be asked. */
export async function readByControlPlane(
  deps: RouteDeps,
  {store, account}: {readonly store: RouteStore; readonly account: string},
): Promise<Reader> {
  const [system, monitors, found] = await Promise.all([
    hasSystemCredentials(deps.spec) ? openSystem(deps) : undefined,
    openMonitoring(deps),
    openAccount(deps, account),
  ])
  const driver = await openDriver(deps, found, {system, monitors})
  const by = system !== undefined ? 'system' : monitors !== undefined ? 'monitor' : 'controlplane'
  return {store, view: await driver.read(), by}
}

interface Seen {
  readonly system: SystemClient | undefined
  readonly monitors: Monitoring | undefined
}

interface Found {
  readonly plane: ControlPlane
  /** Public key. */
  readonly account: string
  readonly id: string
}

async function openAccount(deps: RouteDeps, account: string): Promise<Found> {
  const {spec, clock = systemClock, access = {}} = deps
  if (!isTokenAccount(account)) throw new NoTokenAccountError(account)
  const {controlPlane = {}} = access
  const plane = await openControlPlane(controlPlane, {timeoutMs: spec.timeoutMs, clock})
  const {id} = await findAccount(plane, account, controlPlane.account)
  return {plane, account, id}
}

async function openDriver(
  {clock = systemClock}: RouteDeps,
  {plane, account, id}: Found,
  seen: Seen,
): Promise<ControlPlaneDriver> {
  return new ControlPlaneDriver({plane, id, readLive: await liveReader(seen, {account, clock})})
}

async function liveReader(
  {system, monitors}: Seen,
  {account, clock}: {readonly account: string; readonly clock: NonNullable<RouteDeps['clock']>},
): Promise<(() => Promise<LiveServers>) | undefined> {
  if (system !== undefined) {
    const source = await openSource({system, account, clock})
    return async () => {
      const {servers, token} = await readAccount(source, {newest: true})
      return {servers, stored: predictTable(token.mappings)}
    }
  }
  return monitors && (async () => ({servers: await readServers({system: monitors, account})}))
}
