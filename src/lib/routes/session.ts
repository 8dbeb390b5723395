import type {NatsConnection} from '@nats-io/transport-node'

import {openSource, readAccount, type ServersFacts} from '../apply/account-state.js'
import type {Driver, TableView} from '../apply/driver.js'
import {openJwtDriver} from '../apply/jwt-driver.js'
import {askApi, jetStream} from '../cache/jetstream.js'
import {systemClock, type Clock} from '../clock.js'
import type {ControlClient} from '../control/client.js'
import {ConnectionError} from '../errors.js'
import {hasOperatorKey, readOperatorKey} from '../nats/operator-key.js'
import type {ConnectSpec} from '../nats/spec.js'
import {hasSystemCredentials, type Monitoring, type SystemClient} from '../nats/system.js'
import {MissingSystemCredentialsError} from '../nats/system-user.js'
import {RouteStore, type StoredRoute} from './store.js'
import {identify, type Who} from './who.js'

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
  /** The mappings when the session began; a change reads them again under the lease. */
  readonly view: TableView
  /** What was done on the way to it that a change should tell, a sentence each. */
  readonly notes?: readonly string[]
}

/** Who may read what: without system credentials mappings are not visible. */
export interface Reader {
  readonly store: RouteStore
  readonly view: TableView | undefined
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
export async function openSession(
  deps: RouteDeps,
  {dryRun = false, repair = false}: SessionOptions = {},
): Promise<Session> {
  const {connection, spec, clock = systemClock} = deps
  const [key, system, , who, store] = await allOrMissing([
    dryRun && !hasOperatorKey(spec) ? undefined : readOperatorKey(spec),
    openSystem(deps),
    askApi(jetStream(connection, spec), 'INFO'),
    identify(connection, spec),
    RouteStore.open(connection, spec),
  ])
  const ownSources = async (): Promise<string[]> => (await store.list({readable: true})).flatMap(sourcesOf)
  const ahead = deps.secondsAhead === undefined ? {} : {secondsAhead: deps.secondsAhead}
  const access = {system, account: who.account, clock, key, spec, ownSources, newest: repair, ...ahead}
  const {driver, facts, view} = await openJwtDriver(access)
  return {deps, clock, lattice: spec.lattice, store, driver, system, account: who.account, facts, who, view}
}

/** Opens what showing routes needs: the records and, with system credentials, what is live. */
export async function openReader(deps: RouteDeps): Promise<Reader> {
  const {connection, spec, clock = systemClock} = deps
  const store = await RouteStore.open(connection, spec)
  if (!hasSystemCredentials(spec)) return {store, view: undefined}
  const [system, who] = await Promise.all([deps.system().catch(undefinedWhenMissing), identify(connection, spec)])
  if (system === undefined) return {store, view: undefined}
  // Servers that disagree are what one may want to look at.
  const source = await openSource({system, account: who.account, clock})
  return {store, view: await readAccount(source, {newest: true})}
}

/** Server time, in milliseconds since the epoch. */
export function serverNow({clock, facts}: Pick<Session, 'clock' | 'facts'>): number {
  return clock.now() + facts.clockOffsetMs
}

/** What a record's route is made of, whatever became of it. */
function sourcesOf({record}: StoredRoute): string[] {
  return [record.source, ...(record.endpoints ?? []).map(({source}) => source)]
}

/** An nsc store may well hold the operator's key and no way into the system account. */
function undefinedWhenMissing(error: unknown): undefined {
  if (!(error instanceof MissingSystemCredentialsError)) throw error
}

async function openSystem({spec, system}: RouteDeps): Promise<SystemClient> {
  if (!hasSystemCredentials(spec)) throw new MissingSystemCredentialsError(spec)
  const client = await system()
  await client.servers()
  return client
}

/** The results, or every ConnectionError at once; another error wins over them. */
async function allOrMissing<T extends readonly unknown[]>(promises: {
  readonly [K in keyof T]: Promise<T[K]> | T[K]
}): Promise<T> {
  const results = await Promise.allSettled(promises as readonly unknown[])
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
  const missing = reasons.filter((reason) => reason instanceof ConnectionError)
  const other = reasons.find((reason) => !(reason instanceof ConnectionError))
  if (missing.length > 1) throw new MissingSeveralError(missing)
  if (missing.length === 1 && other === undefined) throw missing[0]!
  if (other !== undefined) throw other as Error
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as unknown as T
}

/** Several of the things that a change needs are not there. */
export class MissingSeveralError extends ConnectionError {
  constructor(missing: readonly ConnectionError[]) {
    const reasons = [...new Set(missing.map(({message}) => message.replace(/\.$/, '')))]
    super(`${reasons.join('; ')}.`, {
      suggestions: [...new Set(missing.flatMap(({suggestions}) => suggestions))],
      details: {missing: missing.map(({name, message}) => ({name, message}))},
      cause: missing[0],
    })
  }
}
