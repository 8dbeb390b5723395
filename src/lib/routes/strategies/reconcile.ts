import {formatRef, type Entity} from '../../entity/entity.js'
import {LatticeError} from '../../errors.js'
import {routeKey} from '../../routing/source.js'
import {readBefore, type RouteBefore} from '../before.js'
import {changeRoute} from '../change.js'
import type {WantedRoute} from '../draft.js'
import {knownRoutes, type KnownRoutes} from '../find.js'
import type {RouteChange} from '../result.js'
import {openSession, serverNow, type RouteDeps, type Session} from '../session.js'
import type {StoredRoute} from '../store/store.js'
import {recordedEntity, routableEntity} from '../target.js'
import {refuseInvented, refuseOther} from './invented.js'
import {NotReconciledError, restoreRoute, type Reconciled} from './restore.js'

/** What reconcile did; the JSON of `reconcile`. */
export interface Reconciliation {
  readonly lattice: string
  readonly context?: string
  readonly dryRun: boolean
  /** Those that had to be changed, sorted by entity. */
  readonly routes: readonly Reconciled[]
}

export interface ReconcileOptions {
  readonly dryRun?: boolean | undefined
}

/**
 * Puts back every route whose time is over, and completes or takes back changes whose command died. Throws a
 * NotReconciledError when one of them stays as it is.
 */
export async function reconcileRoutes(deps: RouteDeps, options: ReconcileOptions): Promise<Reconciliation> {
  const session = await openSession(deps, options)
  const known = await knownRoutes(deps, session.store)
  const {lattice, spec} = {lattice: session.lattice, spec: deps.spec}
  const routes = await reconcileDue(session, known, {...options, isDue: (stored) => judgeDue(session, stored)})
  if (routes.some(({action}) => action === 'kept')) throw new NotReconciledError(routes)
  const context = spec.context === undefined ? {} : {context: spec.context}
  return {lattice, ...context, dryRun: options.dryRun ?? false, routes}
}

/** Why a route has to be changed though nobody asks for it; undefined for most. */
export type Due = 'expired' | 'died'

/** A change within its deadline is another command's work. */
export function judgeDue(session: Pick<Session, 'clock' | 'facts'>, {record}: StoredRoute): Due | undefined {
  const now = serverNow(session)
  const isOver = (time: string | undefined): boolean => time !== undefined && Date.parse(time) <= now
  if (record.state === 'applying' && !isOver(record.deadline)) return undefined
  if (isOver(record.expiresAt)) return 'expired'
  return record.state === 'applying' ? 'died' : undefined
}

export interface DueOptions extends ReconcileOptions {
  readonly isDue: (stored: StoredRoute) => Due | undefined
}

/** Changes what is due, one after the other: what is wrong with one route does not hold up another. */
export async function reconcileDue(
  session: Session,
  known: KnownRoutes,
  {isDue, dryRun}: DueOptions,
): Promise<Reconciled[]> {
  const done: Reconciled[] = []
  for (const stored of known.routes) {
    const due = isDue(stored)
    if (due === undefined) continue
    // What is live now is what the one before left.
    const fresh = done.length === 0 ? session : {...session, view: await session.driver.read()}
    done.push(await reconcileOne(fresh, stored, {known, due, dryRun}))
  }
  return done.sort((a, b) => (a.entity < b.entity ? -1 : 1))
}

interface DueRoute extends ReconcileOptions {
  readonly known: KnownRoutes
  readonly due: Due
}

async function reconcileOne(session: Session, stored: StoredRoute, due: DueRoute): Promise<Reconciled> {
  const {key, name, link, legs, expiresAt} = stored.record
  const route = {
    entity: formatRef({name, ...(link === undefined ? {} : {link})}),
    key,
    ...(link === undefined ? {} : {link}),
    ...(expiresAt === undefined ? {} : {expiresAt}),
  }
  try {
    const {action, change} = await bringBack(session, stored, due)
    return {...route, action, legs: change.legs}
  } catch (error) {
    if (!(error instanceof LatticeError)) throw error
    return {...route, action: 'kept', legs, reason: error.message}
  }
}

async function bringBack(
  session: Session,
  stored: StoredRoute,
  {known, due, dryRun}: DueRoute,
): Promise<{readonly action: Reconciled['action']; readonly change: RouteChange}> {
  const {record} = stored
  const entity = known.entities.find((one) => routeKey(one) === stored.key) ?? recordedEntity(stored)
  const {entity: routable} = routableEntity(entity, [], {stored, known})
  const before = readBefore(session.view, session.lattice, routable)
  if (due === 'expired') {
    refuseInvented(session, {entity: routable, before, record, known})
    const why = `its time was over at ${record.expiresAt ?? '?'}`
    return {action: 'restored', change: await restoreRoute(session, stored, {known, why, dryRun})}
  }
  if (before.digest === record.replacedDigest && before.digest !== record.digest) {
    return {action: 'takenBack', change: await takeBack(session, stored, {known, dryRun, entity: routable, before})}
  }
  refuseOther(session.lattice, routable, {before, legs: record.legs})
  const {expiresAt, strategy} = record
  const wanted = wantedOf(stored, {known, entity, legs: record.legs, why: 'its command died before it was verified'})
  const change = await changeRoute(session, {...wanted, strategy: strategyOf(strategy)}, {dryRun, expiresAt})
  return {action: 'completed', change}
}

/** The change never reached the servers: what is live is verified and recorded, but nothing that was to end by itself. */
async function takeBack(
  session: Session,
  stored: StoredRoute,
  {known, dryRun, entity, before}: Omit<DueRoute, 'due'> & {readonly entity: Entity; readonly before: RouteBefore},
): Promise<RouteChange> {
  const why = 'its command died before anything was changed'
  const former = (await session.store.history(stored.key)).findLast(({record}) => record.state === 'live')
  if (former?.record.expiresAt !== undefined) {
    const {restores = former.record.replaced} = former.record
    refuseInvented(session, {entity, before, record: former.record, known})
    return restoreRoute(session, {...stored, record: {...stored.record, restores}}, {known, why, dryRun})
  }
  return changeRoute(session, wantedOf(stored, {known, entity, legs: before.legs ?? [], why}), {dryRun})
}

function wantedOf(
  stored: StoredRoute,
  {known, entity, legs, why}: Pick<DueRoute, 'known'> & Pick<WantedRoute, 'legs' | 'entity'> & {readonly why: string},
): WantedRoute {
  return {strategy: 'restore', stored, legs, why, ...routableEntity(entity, legs, {stored, known})}
}

const strategies = ['ab', 'bluegreen', 'canary', 'drop', 'fail', 'clear', 'undo', 'apply', 'adopt'] as const

/** What a record says of its own origin is shown and decides nothing. */
function strategyOf(word: string): WantedRoute['strategy'] {
  return strategies.find((strategy) => strategy === word) ?? 'restore'
}
