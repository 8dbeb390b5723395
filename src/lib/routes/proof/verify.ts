import {setTimeout} from 'node:timers/promises'

import type {AccountView} from '../../apply/account-state.js'
import {holds, isLive, type ServerOutcome, type ServerView, type TableChange} from '../../apply/driver.js'
import {formatRef, type EntityKind, type EntityRef} from '../../entity/entity.js'
import {ConflictError} from '../../errors.js'
import {endpointsOf} from '../../routing/endpoint.js'
import {planRoute} from '../../routing/plan.js'
import type {Leg} from '../../routing/weights.js'
import {judgeRecord, mainSource, readBefore, type RecordState} from '../before.js'
import {liveRecord} from '../draft.js'
import {readKnown, requireRouted, routeOf, type KnownRoutes} from '../find.js'
import type {Reader, RouteDeps} from '../session.js'
import {ownSources} from '../store/own-sources.js'
import type {StoredRoute} from '../store/store.js'
import {recordedEntity, type WrittenSubjects} from '../target.js'
import {probeChange} from './probe.js'

export interface VerifyOptions extends WrittenSubjects {
  /** How long what differs may still become right, in milliseconds; default 0. */
  readonly waitMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What the servers make of one recorded route. */
export interface VerifiedRoute {
  readonly entity: string
  readonly kind: EntityKind
  readonly key: string
  readonly link?: string
  readonly source: string
  readonly legs: readonly Leg[]
  /** How the record stands to token or file; `unknown` where these are not visible. */
  readonly state: RecordState | 'unknown'
  readonly servers: readonly ServerOutcome[]
  /** True when every server has what is recorded. */
  readonly live: boolean
}

/** True when nothing is known to be otherwise than recorded: what is not live is what nothing can show. */
export function isUnverified({routes}: RouteVerification): boolean {
  return routes.every(({live, servers}) => live || servers.every((one) => isLive(one) || one.outcome === 'unverified'))
}

/** Whether what is recorded is live on every server. */
export interface RouteVerification {
  readonly lattice: string
  /** How it was found out: asked as the system account, on monitoring ports, or by probes that are not delivered. */
  readonly by: NonNullable<Reader['by']> | 'probe'
  readonly live: boolean
  readonly routes: readonly VerifiedRoute[]
  /** What the next push from the nsc store that the operator's key comes from would change, as a sentence. */
  readonly drift?: string
  /** What is wrong although all of it is live, a sentence each. */
  readonly warnings?: readonly string[]
}

/** Compares what is recorded with what every server does; of one route, or of all. */
export async function verifyRoutes(
  deps: RouteDeps,
  ref: EntityRef | undefined,
  options: VerifyOptions,
): Promise<RouteVerification> {
  const target = {...options, ref}
  const deadline = performance.now() + (options.waitMs ?? 0)
  for (;;) {
    const {reader, known} = await readKnown(deps, target)
    const named = ref !== undefined || (options.sources?.length ?? 0) > 0
    const chosen = named ? [routeOf(requireRouted(target, known, 'verify'), known)] : known.routes
    const routes = chosen.filter((route) => route !== undefined)
    const verification = await verifyOnce(deps, {reader, known, routes})
    if (verification.live || performance.now() >= deadline) return verification
    await setTimeout(Math.min(200, Math.max(1, deadline - performance.now())), undefined, {signal: options.signal})
  }
}

interface Look {
  readonly reader: Reader
  readonly known: KnownRoutes
  readonly routes: readonly StoredRoute[]
}

async function verifyOnce(deps: RouteDeps, look: Look): Promise<RouteVerification> {
  const {lattice} = look.known
  const {view} = look.reader
  const probed = view === undefined || view.unseen === true
  const by = probed ? 'probe' : (look.reader.by ?? 'probe')
  const routes = await Promise.all(
    look.routes.map(async (stored): Promise<VerifiedRoute> => {
      const entity = look.known.entities.find(({key, link}) => key === stored.record.key && link === stored.record.link)
      const routed = entity ?? recordedEntity(stored)
      const wanted = wantedOf(lattice, stored)
      const present = probed
        ? await probeReachable(deps, wanted)
        : view.servers.map((server) => judgeServer(server, wanted, view.agreed !== false))
      const outcomes = [...present, ...absent(stored, present)]
      const state =
        view === undefined ? 'unknown' : judgeRecord(stored.record, readBefore(view, lattice, recordedEntity(stored)))
      const settled = outcomes.every(isLive) && state === 'interrupted' && (await settle(look, stored))
      const {record} = stored
      return {
        entity: formatRef(routed),
        kind: record.kind,
        key: record.key,
        ...(record.link === undefined ? {} : {link: record.link}),
        source: mainSource(lattice, recordedEntity(stored)),
        legs: record.legs,
        state: settled ? 'current' : state,
        servers: outcomes,
        live: outcomes.every(isLive) && (settled || (state !== 'interrupted' && state !== 'drifted')),
      }
    }),
  )
  const drift = await readDrift(deps, look.reader)
  const {notes: warnings = []} = look.reader
  return {
    lattice,
    by,
    live: routes.every(({live}) => live),
    routes,
    ...(drift === undefined ? {} : {drift}),
    ...(warnings.length === 0 ? {} : {warnings}),
  }
}

/** Most have no nsc store, and need not load what reads it. */
async function readDrift({spec}: RouteDeps, {view, store}: Reader): Promise<string | undefined> {
  const token = (view as Partial<AccountView> | undefined)?.token
  if (token === undefined || spec.nscStore === undefined) return undefined
  const {describeDrift} = await import('../../apply/nsc-copy.js')
  return describeDrift(spec, token, () => ownSources(store))
}

async function probeReachable(deps: RouteDeps, wanted: TableChange): Promise<ServerOutcome[]> {
  const {OwnMonitoring} = await import('./own-monitoring.js')
  return probeChange({deps, system: new OwnMonitoring(deps.connection, deps.spec.timeoutMs)}, wanted, 0)
}

/** Subjects are those that the record was made with: what runs now may be something else. */
function wantedOf(lattice: string, stored: StoredRoute): TableChange {
  const entity = recordedEntity(stored)
  const {legs} = stored.record
  const plans = legs.length === 0 ? [] : planRoute(lattice, entity, legs)
  return endpointsOf(lattice, entity).map(({source}) => ({
    source,
    destinations: plans.find((plan) => plan.source === source)?.destinations,
  }))
}

function judgeServer({server, live}: ServerView, wanted: TableChange, agreed: boolean): ServerOutcome {
  const named = {name: server.name, id: server.id}
  // Stored tokens come without their server's name, so only all of them together tell something about one.
  if (live === undefined && !agreed) return {server: named, outcome: 'differs', reason: 'it may store an older token'}
  if (live === undefined) return {server: named, outcome: 'stored'}
  if (live.expired) return {server: named, outcome: 'differs', reason: 'the account token has expired'}
  if (holds(live.table, wanted)) return {server: named, outcome: 'applied'}
  const mapped = wanted.some(({source}) => live.table.has(source))
  return {server: named, outcome: 'differs', reason: mapped ? 'another mapping is live' : 'no mapping is live'}
}

/** Servers of the last change that did not answer; unnamed ones get a new name at each start. */
function absent({record}: StoredRoute, servers: readonly ServerOutcome[]): ServerOutcome[] {
  const present = new Set(servers.map(({server}) => server.name))
  return record.servers
    .filter((name) => !present.has(name) && !/^N[A-Z2-7]{55}$/.test(name))
    .map((name) => ({server: {name, id: name}, outcome: 'missing', reason: 'it does not answer'}))
}

/** A change that somebody else brought to the servers is complete now; one that a command is still at is its own matter. */
async function settle({reader}: Look, {key, record, revision}: StoredRoute): Promise<boolean> {
  if (record.deadline === undefined || Date.parse(record.deadline) > Date.now()) return false
  try {
    await reader.store.put(key, liveRecord(record, record.servers), revision)
    return true
  } catch (error) {
    if (error instanceof ConflictError) return false
    throw error
  }
}
