import type {EntityRef} from '../../entity/entity.js'
import type {RouteRecord} from '../../records/route.js'
import {routeKey} from '../../routing/source.js'
import type {Leg} from '../../routing/weights.js'
import {knownRoutes, NoRouteError, requireRouted} from '../find.js'
import type {RouteDeps} from '../session.js'
import {openStore, requireRecords} from '../store/store.js'
import type {WrittenSubjects} from '../target.js'

/** One change of a route. */
export interface RouteRevision {
  readonly revision: number
  readonly when: string
  readonly strategy: string
  /** Empty: no mapping. */
  readonly legs: readonly Leg[]
  readonly before: readonly Leg[]
  readonly state: 'applying' | 'live'
  readonly driver: string
  readonly who: RouteRecord['who']
  readonly why?: string
  readonly allowances: readonly string[]
  readonly digest: string
  /** From the first request to the last server's answer, in milliseconds. */
  readonly durationMs?: number
  readonly expiresAt?: string
}

/** What became of one route, newest first; what is kept is bounded by the history of the bucket, 64. */
export interface RouteHistory {
  readonly entity: string
  readonly key: string
  readonly link?: string
  readonly lattice: string
  readonly revisions: readonly RouteRevision[]
}

/** Who changed the route of an entity, when, why and from what to what. A change that is complete hides its beginning. */
export async function routeHistory(
  deps: RouteDeps,
  ref: EntityRef | undefined,
  written: WrittenSubjects,
): Promise<RouteHistory> {
  requireRecords(deps.access?.state, 'Who changed a route')
  const store = await openStore(deps.connection, deps.spec, deps.access?.state)
  const target = {...written, ref}
  const known = await knownRoutes(deps, store, target)
  const entity = requireRouted(target, known, 'history')
  const stored = await store.history(routeKey(entity))
  if (stored.length === 0) throw new NoRouteError(entity, known.lattice)
  const complete = stored.filter(({record}, index) => record.state === 'live' || index === stored.length - 1)
  return {
    entity: entity.name,
    key: entity.key,
    ...(entity.link === undefined ? {} : {link: entity.link}),
    lattice: known.lattice,
    revisions: complete.map(({record, revision}) => describe(record, revision)).reverse(),
  }
}

function describe(record: RouteRecord, revision: number): RouteRevision {
  const {when, strategy, legs, replaced, state, driver, who, why, allowances, digest, durationMs, expiresAt} = record
  return {
    revision,
    when,
    strategy,
    legs,
    before: replaced,
    state,
    driver,
    who,
    ...(why === undefined ? {} : {why}),
    allowances,
    digest,
    ...(durationMs === undefined ? {} : {durationMs}),
    ...(expiresAt === undefined ? {} : {expiresAt}),
  }
}
