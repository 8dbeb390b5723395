import type {Entity, EntityRef} from '../entity/entity.js'
import {entityName} from '../entity/require.js'
import {NotFoundError} from '../errors.js'
import type {Leg} from '../routing/weights.js'
import {changeRoute} from './change.js'
import type {ChangeOptions} from './draft.js'
import {knownRoutes, NoRouteError, requireRouted, routeOf} from './find.js'
import type {RouteChange} from './result.js'
import type {Session} from './session.js'
import type {StoredRoute} from './store.js'
import {planUnmapped} from './unmap.js'

export interface UndoOptions extends ChangeOptions {
  /** Go back to the route of this revision of the record. */
  readonly to?: number | undefined
}

/**
 * Goes back to the legs that the last change replaced, so a second undo redoes; or with `to`, to those of a revision.
 * The legs are taken from the record and everything else is computed and checked anew.
 */
export async function undoRoute(
  session: Session,
  ref: EntityRef | undefined,
  options: UndoOptions,
): Promise<RouteChange> {
  const {store, deps, lattice} = session
  const known = await knownRoutes(deps, store, ref)
  const entity = requireRouted(ref, known, 'undo')
  const stored = routeOf(entity, known)
  if (stored === undefined) throw new NoRouteError(entity, lattice)
  const legs = options.to === undefined ? stored.record.replaced : await legsAt(session, entity, stored, options.to)
  const explicit = ref === undefined ? {explicit: `lattice route undo ${entityName(entity)}`} : {}
  const wanted = {strategy: 'undo', entity, stored, ...explicit} as const
  if (legs.length > 0) return changeRoute(session, {...wanted, legs}, options)
  const command = `lattice route undo ${entityName(entity)}${options.to === undefined ? '' : ` --to ${options.to}`}`
  return changeRoute(
    session,
    {...wanted, ...(await planUnmapped(session, entity, {share: options.share ?? false, command}))},
    options,
  )
}

/** Removes the mapping of an entity, as far as that is safe: see planUnmapped. */
export async function clearRoute(
  session: Session,
  ref: EntityRef | undefined,
  options: ChangeOptions,
): Promise<RouteChange> {
  const known = await knownRoutes(session.deps, session.store, ref)
  const entity = requireRouted(ref, known, 'clear')
  const command = `lattice route clear ${entityName(entity)}`
  const unmapped = await planUnmapped(session, entity, {share: options.share ?? false, command})
  const explicit = ref === undefined ? {explicit: command} : {}
  return changeRoute(
    session,
    {strategy: 'clear', entity, stored: routeOf(entity, known), ...explicit, ...unmapped},
    options,
  )
}

async function legsAt({store}: Session, entity: Entity, {key}: StoredRoute, revision: number): Promise<readonly Leg[]> {
  const found = await store.at(key, revision)
  if (found?.record.state === 'live') return found.record.legs
  const history = await store.history(key)
  const name = entityName(entity)
  throw new NotFoundError(`Revision ${revision} is not one of a live route of '${name}'.`, {
    suggestions: history
      .filter(({record}) => record.state === 'live')
      .map((stored) => `lattice route undo ${name} --to ${stored.revision}`),
    details: {entity: entity.name, key: entity.key, revision},
  })
}
