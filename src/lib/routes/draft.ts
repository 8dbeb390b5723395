import type {TableChange} from '../apply/driver.js'
import type {Entity} from '../entity/entity.js'
import type {RouteRecord} from '../records/route.js'
import {mappingDigest, sameLegs, type MappingPlan} from '../routing/plan.js'
import type {RenderFormat} from '../routing/render-formats.js'
import type {Finding} from '../routing/rule-book.js'
import type {Leg} from '../routing/weights.js'
import {mainSource, type RouteBefore} from './before.js'
import {serverNow, type Session} from './session.js'
import {isSealed, sealRestores} from './store/seal.js'
import type {StoredRoute} from './store/store.js'
import type {WrittenSubjects} from './target.js'

/** The word of the command that makes a route; shown, and never decided upon. */
export type Strategy =
  'ab' | 'bluegreen' | 'canary' | 'drop' | 'fail' | 'clear' | 'undo' | 'apply' | 'adopt' | 'repair' | 'restore'

/** A route that is wanted. */
export interface WantedRoute {
  readonly strategy: Strategy
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
  /** Why, where it is another reason than the command's. */
  readonly why?: string
  /** What the plan that this comes from rests on; whatever else is found is a conflict. */
  readonly planned?: PlannedState
}

/** What a plan says was there, and what will be. */
export interface PlannedState {
  /** Of the record: 0 for none. */
  readonly revision: number
  /** Digest of the mappings. */
  readonly before: string
  readonly after: string
  /** What a person read there: the entity's name, and the legs that were live. */
  readonly entity: string
  readonly previous: readonly Leg[] | null
}

export interface ChangeOptions extends WrittenSubjects {
  /** Why, for the record. */
  readonly why?: string | undefined
  readonly dryRun?: boolean | undefined
  /** Of a dry run: write out for another tool what would be applied, in one form or in all. */
  readonly print?: RenderFormat | 'all' | undefined
  /** Revision that the route's record must have, 0 for none; whatever it has when undefined. */
  readonly revision?: number | undefined
  /** The user wrote `--repair`: replace a mapping that is not the one lattice applied. */
  readonly repair?: boolean | undefined
  /** The user wrote `--share`: several versions may share the source. */
  readonly share?: boolean | undefined
  /** Rules that the user switched off by name. */
  readonly allow?: readonly string[] | undefined
  /** When whoever looks at the route next takes it back, by server time. */
  readonly expiresAt?: string | undefined
}

/** A change that passed all checks, with what it starts from. */
export interface ChangePlan {
  readonly wanted: WantedRoute
  readonly options: ChangeOptions
  readonly before: RouteBefore
  /** Empty: the mappings are removed. */
  readonly mappings: readonly MappingPlan[]
  readonly warnings: readonly string[]
  /** What was found before the change. */
  readonly findings?: readonly Finding[]
  /** Subjects that callers have to be allowed to publish. */
  readonly permissions?: readonly string[]
}

/** What a plan changes in the table. */
export function changesOf({before, mappings}: Pick<ChangePlan, 'before' | 'mappings'>): TableChange {
  return before.mappings.map(({source}) => ({
    source,
    destinations: mappings.find((mapping) => mapping.source === source)?.destinations,
  }))
}

/** The revision that a change replaces; 0 for none. */
export function presentRevision({stored, unreadable}: WantedRoute): number {
  return stored?.revision ?? unreadable ?? 0
}

/** How long a change may take before others may heal what it left behind. */
const applyingMs = 60_000

/** The record of a change that begins now. */
export function applyingRecord(session: Session, plan: ChangePlan): RouteRecord {
  const now = serverNow(session)
  return {
    ...describe(session, plan, now),
    state: 'applying',
    deadline: new Date(now + applyingMs + (session.driver.withinMs ?? 0)).toISOString(),
    legs: [...plan.wanted.legs],
    digest: mappingDigest(changesOf(plan)),
    replaced: replacedLegs(plan),
    replacedDigest: plan.before.digest,
  }
}

/** The record of a change that was verified on these servers. */
export function liveRecord(applying: RouteRecord, servers: readonly string[], durationMs?: number): RouteRecord {
  const {deadline: _, ...record} = applying
  return {...record, state: 'live', servers: [...servers], ...(durationMs === undefined ? {} : {durationMs})}
}

/** The record of a mapping that was made elsewhere; undo goes back to what lattice had made before it. */
export function adoptedRecord(session: Session, plan: ChangePlan): RouteRecord {
  const {wanted, before} = plan
  const record = formerRecord(session, {...plan, wanted: {...wanted, stored: undefined, legs: []}})
  return {...record, legs: [...(before.legs ?? [])], replaced: [...(wanted.stored?.record.legs ?? [])]}
}

/** The record of what was there before: the stored one, or where there was none, what the token says. */
export function formerRecord(session: Session, plan: ChangePlan): RouteRecord {
  const {wanted, before} = plan
  if (wanted.stored?.record.state === 'live') return wanted.stored.record
  const {expiresAt: _, restores: __, seal: ___, ...described} = describe(session, plan, serverNow(session))
  return {
    ...described,
    state: 'live',
    legs: [...(before.legs ?? [])],
    digest: before.digest,
    replaced: [],
    replacedDigest: mappingDigest(before.mappings.map(({source}) => ({source, destinations: undefined}))),
  }
}

function describe(
  session: Session,
  {wanted, before, options}: ChangePlan,
  now: number,
): Pick<
  RouteRecord,
  | 'lattice'
  | 'kind'
  | 'key'
  | 'name'
  | 'link'
  | 'source'
  | 'endpoints'
  | 'strategy'
  | 'driver'
  | 'who'
  | 'when'
  | 'why'
  | 'allowances'
  | 'servers'
  | 'expiresAt'
  | 'restores'
  | 'seal'
> {
  const {lattice, who, driver} = session
  const {kind, key, name, link, endpoints} = wanted.entity
  return {
    lattice,
    kind,
    key,
    name,
    ...(link === undefined ? {} : {link}),
    source: mainSource(lattice, wanted.entity),
    ...(endpoints === undefined
      ? {}
      : {endpoints: endpoints.map((endpoint) => ({...endpoint, addresses: {...endpoint.addresses}}))}),
    strategy: wanted.strategy,
    driver: driver.name,
    who: {...who},
    when: new Date(now).toISOString(),
    ...((wanted.why ?? options.why) === undefined ? {} : {why: (wanted.why ?? options.why)!}),
    allowances: [...(options.repair ? ['repair'] : []), ...(options.share ? ['share'] : []), ...(options.allow ?? [])],
    servers: [],
    ...(options.expiresAt === undefined ? {} : describeEnd(session, {wanted, before, expiresAt: options.expiresAt})),
  }
}

/** When a route ends and what it goes back to; sealed when that is live now, or was sealed before. */
function describeEnd(
  session: Session,
  {wanted, before, expiresAt}: Pick<ChangePlan, 'wanted' | 'before'> & {readonly expiresAt: string},
): Pick<RouteRecord, 'expiresAt' | 'restores' | 'seal'> {
  const {entity, stored} = wanted
  const restores = restoredLegs(wanted, before)
  const believed = stored?.record.expiresAt === undefined || isSealed(session, entity, stored.record)
  const seal = believed ? sealRestores(session, {entity, restores}) : undefined
  return {expiresAt, restores, ...(seal === undefined ? {} : {seal})}
}

/** What was there before anything temporary. */
function restoredLegs({stored}: WantedRoute, before: RouteBefore): Leg[] {
  const {expiresAt, restores, replaced = []} = stored?.record ?? {}
  return [...(expiresAt === undefined ? (before.legs ?? []) : (restores ?? replaced))]
}

/** Completing what was interrupted does not make it its own predecessor: undo goes back to what it replaced. */
function replacedLegs({wanted, before}: ChangePlan): Leg[] {
  // What was temporary is no state to go back to.
  if (wanted.stored?.record.expiresAt !== undefined) return restoredLegs(wanted, before)
  const present = before.legs ?? []
  const again = wanted.stored !== undefined && sameLegs(present, wanted.legs)
  return [...(again ? wanted.stored.record.replaced : present)]
}
