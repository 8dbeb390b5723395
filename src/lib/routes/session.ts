import type {NatsConnection} from '@nats-io/transport-node'

import {openSource, readAccount, readServers, type ServersFacts} from '../apply/account-state.js'
import type {Driver, TableView} from '../apply/driver.js'
import {systemClock, type Clock} from '../clock.js'
import type {ControlClient} from '../control/client.js'
import {ConnectionError, UsageError} from '../errors.js'
import type {SigningKey} from '../keys/nkey.js'
import type {ConnectSpec} from '../nats/spec.js'
import {MissingSystemCredentialsError} from '../nats/system-user.js'
import {hasSystemCredentials, type Monitoring, type SystemClient} from '../nats/system.js'
import type {DriverName} from '../routing/driver-names.js'
import type {Destination} from '../routing/plan.js'
import type {RouteAccess} from './access.js'
import {openStore, type RouteStore} from './store/store.js'
import {identify, isTokenAccount, type Who} from './who.js'

/** What routes are read and changed through. */
export interface RouteDeps {
  readonly connection: NatsConnection
  readonly spec: ConnectSpec
  readonly control: ControlClient
  /** Opens the system account's connection on first use. */
  readonly system: () => Promise<SystemClient>
  readonly clock?: Clock
  /** For accounts that are thrown away only: how far tokens may be issued ahead of the clock, in seconds. */
  readonly secondsAhead?: number
  readonly access?: RouteAccess | undefined
}

/** Everything a change needs, checked: key, credentials, JetStream, and the account as it is now. */
export interface Session {
  readonly deps: RouteDeps
  readonly clock: Clock
  readonly lattice: string
  readonly store: RouteStore
  readonly driver: Driver
  /** Asks the servers about themselves. */
  readonly system: Monitoring
  /** Public key of the account, or its name where accounts are configured. */
  readonly account: string
  readonly facts: ServersFacts
  readonly who: Who
  /** Says what a record may be believed: in the operator's name, or in that of who changes leaf nodes. */
  readonly sealer?: Pick<SigningKey, 'publicKey' | 'sign'>
  /** The mappings when the session began; a change reads them again under the lease. */
  readonly view: TableView
  /** True where nobody can be asked what is live, so that only probes can show it. */
  readonly blind?: boolean
  /** True where a leaf node splits for the whole account, next to the account's own servers. */
  readonly accountWide?: boolean
  /** What was done on the way to it that a change should tell, a sentence each. */
  readonly notes?: readonly string[]
}

/** Who may read what: without system credentials mappings are not visible. */
export interface Reader {
  readonly store: RouteStore
  readonly view: TableView | undefined
  /** Who showed what is live. */
  readonly by?: 'system' | 'monitor' | 'leaf' | 'controlplane'
  /** Why nothing shows what is live, where that could have been. */
  readonly hidden?: string
  /** What is wrong besides, a sentence each. */
  readonly notes?: readonly string[]
}

export interface SessionOptions {
  /** Nothing will be signed, so a key is checked where one is known and not missed where none is. */
  readonly dryRun?: boolean | undefined
  /** Servers that hold different tokens are to be mended, so the newest counts. */
  readonly repair?: boolean | undefined
}

/**
 * Checks all that a change needs before anything else happens; throws one ConnectionError that names everything that is
 * missing, or an UntrustedKeyError when the key is not the account's operator's.
 */
export async function openSession(deps: RouteDeps, options: SessionOptions = {}): Promise<Session> {
  const {connection, spec, access} = deps
  const who = await identify(connection, spec)
  refuseFilesOfTokens(who.account, access)
  const driver = driverOf(who.account, access)
  if (driver === 'jwt') {
    const {openByToken} = await import('./open/by-token.js')
    return openByToken(deps, who, options)
  }
  if (driver === 'leaf') {
    const {openByLeaf} = await import('./open/by-leaf.js')
    return openByLeaf(deps, who, options)
  }
  if (driver === 'controlplane') {
    const {openByControlPlane} = await import('./open/by-control-plane.js')
    return openByControlPlane(deps, who)
  }
  const {openByFiles} = await import('./open/by-files.js')
  return openByFiles(deps, who, options)
}

/** What is meant for files would go to the servers by token, and the files would stay as they are. */
function refuseFilesOfTokens(account: string, access: RouteAccess = {}): void {
  const places = [access.renderTo, access.pid, access.configMap]
  const files = (access.files?.length ?? 0) > 0 || places.some((place) => place !== undefined)
  if (access.driver !== undefined || !files || !isTokenAccount(account)) return
  throw new UsageError(`The mappings of account '${account}' stand in its token and not in configuration files.`, {
    suggestions: ['Leave out --config, --pid, --render-to and --configmap (and their variables), or say --driver jwt.'],
    details: {account},
  })
}

/**
 * Opens what showing routes needs: the records and, with system credentials or monitoring ports, what is live. Leaf nodes
 * that do not answer are an error, unless the records alone will do.
 */
export async function openReader(deps: RouteDeps, records?: RouteStore, {lenient = false} = {}): Promise<Reader> {
  const {connection, spec, clock = systemClock, access = {}} = deps
  const store = records ?? (await openStore(connection, spec, access.state))
  if (access.driver === 'leaf') {
    const {readByLeaf} = await import('./open/by-leaf.js')
    try {
      return {store, ...(await readByLeaf(deps))}
    } catch (error) {
      if (!lenient || !(error instanceof ConnectionError)) throw error
      return {store, view: undefined, by: 'leaf', hidden: error.message}
    }
  }
  if (access.driver === 'controlplane') {
    const {readByControlPlane} = await import('./open/by-control-plane.js')
    return readByControlPlane(deps, {store, account: (await identify(connection, spec)).account})
  }
  const [system, monitors] = await Promise.all([
    hasSystemCredentials(spec) ? deps.system().catch(undefinedWhenMissing) : undefined,
    openMonitoring(deps),
  ])
  const monitoring = system ?? monitors
  if (monitoring === undefined) return {store, view: undefined}
  const {account} = await identify(connection, spec)
  if (system !== undefined && driverOf(account, access) === 'jwt') {
    // Servers that disagree are what one may want to look at.
    const source = await openSource({system, account, clock})
    return {store, view: await readAccount(source, {newest: true}), by: 'system'}
  }
  return {store, view: await readLive(monitoring, account), by: system === undefined ? 'monitor' : 'system'}
}

/** The table that most servers have, where neither token nor file is at hand to say what it should be. */
async function readLive(monitoring: Monitoring, account: string): Promise<TableView> {
  const servers = await readServers({system: monitoring, account})
  const tables = servers.flatMap(({live}) => (live === undefined ? [] : [live.table]))
  const counted = Map.groupBy(tables, (table) => JSON.stringify([...table].sort(([a], [b]) => (a < b ? -1 : 1))))
  const [most = new Map<string, readonly Destination[]>()] = [...counted.values()]
    .sort((a, b) => b.length - a.length)
    .flatMap((same) => same.slice(0, 1))
  return {mappings: Object.fromEntries(most), servers, digest: ''}
}

function driverOf(account: string, {driver}: RouteAccess = {}): DriverName {
  return driver ?? (isTokenAccount(account) ? 'jwt' : 'config')
}

/** The monitoring ports that were given, if any were. */
export async function openMonitoring({access, spec}: RouteDeps): Promise<Monitoring | undefined> {
  if (access?.monitors === undefined || access.monitors.length === 0) return undefined
  const {openMonitors} = await import('../nats/monitors.js')
  return openMonitors(access.monitors, {timeoutMs: spec.timeoutMs})
}

/** Server time, in milliseconds since the epoch. */
export function serverNow({clock, facts}: Pick<Session, 'clock' | 'facts'>): number {
  return clock.now() + facts.clockOffsetMs
}

/** An nsc store may well hold the operator's key and no way into the system account. */
function undefinedWhenMissing(error: unknown): undefined {
  if (!(error instanceof MissingSystemCredentialsError)) throw error
}
