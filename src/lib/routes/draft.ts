import type {Entity} from '../entity/entity.js'
import type {RouteRecord} from '../records/route.js'
import {mappingDigest, sameLegs, type Destination} from '../routing/plan.js'
import type {Leg} from '../routing/weights.js'
import type {RouteBefore} from './before.js'
import {serverNow, type Session} from './session.js'
import type {StoredRoute} from './store.js'

/** A route that is wanted. */
export interface WantedRoute {
  readonly strategy: 'ab' | 'bluegreen' | 'clear' | 'undo'
  readonly entity: Entity
  /** Empty: no mapping. */
  readonly legs: readonly Leg[]
  /** The record as it was read before anything was decided. */
  readonly stored: StoredRoute | undefined
  /** The revision that is to be replaced, where its record cannot be read. */
  readonly unreadable?: number
  /** The command in full, where something was inferred. */
  readonly explicit?: string
  /** Why the legs are not the ones that were asked for. */
  readonly reason?: string
  readonly warnings?: readonly string[]
}

export interface ChangeOptions {
  /** Why, for the record. */
  readonly why?: string | undefined
  readonly dryRun?: boolean | undefined
  /** Revision that the route's record must have, 0 for none; whatever it has when undefined. */
  readonly revision?: number | undefined
  /** The user wrote `--repair`: replace a mapping that is not the one lattice applied. */
  readonly repair?: boolean | undefined
  /** The user wrote `--share`: several versions may share the source. */
  readonly share?: boolean | undefined
}

/** A change that passed all checks, with what it starts from. */
export interface ChangePlan {
  readonly wanted: WantedRoute
  readonly options: ChangeOptions
  readonly before: RouteBefore
  /** Undefined: the mapping is removed. */
  readonly destinations: readonly Destination[] | undefined
  readonly warnings: readonly string[]
}

/** How long a change may take before others may heal what it left behind. */
const applyingMs = 60_000

/** The record of a change that begins now. */
export function applyingRecord(session: Session, plan: ChangePlan): RouteRecord {
  const now = serverNow(session)
  return {
    ...describe(session, plan, now),
    state: 'applying',
    deadline: new Date(now + applyingMs).toISOString(),
    legs: [...plan.wanted.legs],
    digest: mappingDigest(plan.before.source, plan.destinations ?? []),
    replaced: replacedLegs(plan),
    replacedDigest: plan.before.digest,
  }
}

/** The record of a change that was verified on these servers. */
export function liveRecord(applying: RouteRecord, servers: readonly string[]): RouteRecord {
  const {deadline: _, ...record} = applying
  return {...record, state: 'live', servers: [...servers]}
}

/** The record of what was there before: the stored one, or where there was none, what the token says. */
export function formerRecord(session: Session, plan: ChangePlan): RouteRecord {
  const {wanted, before} = plan
  if (wanted.stored?.record.state === 'live') return wanted.stored.record
  return {
    ...describe(session, plan, serverNow(session)),
    state: 'live',
    legs: [...(before.legs ?? [])],
    digest: before.digest,
    replaced: [],
    replacedDigest: mappingDigest(before.source, []),
  }
}

function describe(
  {lattice, who}: Session,
  {wanted, options, before}: ChangePlan,
  now: number,
): Pick<
  RouteRecord,
  | 'lattice'
  | 'kind'
  | 'key'
  | 'name'
  | 'link'
  | 'source'
  | 'strategy'
  | 'driver'
  | 'who'
  | 'when'
  | 'why'
  | 'allowances'
  | 'servers'
> {
  const {kind, key, name, link} = wanted.entity
  return {
    lattice,
    kind,
    key,
    name,
    ...(link === undefined ? {} : {link}),
    source: before.source,
    strategy: wanted.strategy,
    driver: 'jwt',
    who: {...who},
    when: new Date(now).toISOString(),
    ...(options.why === undefined ? {} : {why: options.why}),
    allowances: [...(options.repair ? ['repair'] : []), ...(options.share ? ['share'] : [])],
    servers: [],
  }
}

/** Completing what was interrupted does not make it its own predecessor: undo goes back to what it replaced. */
function replacedLegs({wanted, before}: ChangePlan): Leg[] {
  const present = before.legs ?? []
  const again = wanted.stored !== undefined && sameLegs(present, wanted.legs)
  return [...(again ? wanted.stored.record.replaced : present)]
}
