import type {Entity, EntityRef} from '../../entity/entity.js'
import {entityName} from '../../entity/require.js'
import {NotFoundError} from '../../errors.js'
import {routeKey} from '../../routing/source.js'
import type {Leg} from '../../routing/weights.js'
import {changeRoute} from '../change.js'
import type {ChangeOptions} from '../draft.js'
import {knownRoutes, NoRouteError, readStored, requireRouted} from '../find.js'
import type {RouteChange} from '../result.js'
import type {Session} from '../session.js'
import {requireRecords} from '../store/store.js'
import {isPlain, routableEntity} from '../target.js'
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
  requireRecords(deps.access?.state, 'What a route was before')
  const target = {...options, ref}
  const known = await knownRoutes(deps, store, target)
  const named = requireRouted(target, known, 'undo')
  const found = await readStored(store, named, options)
  const recorded = found.stored !== undefined || found.unreadable !== undefined
  const legs =
    recorded && options.to !== undefined ? await legsAt(session, named, options.to) : found.stored?.record.replaced
  if (legs === undefined) throw new NoRouteError(named, lattice)
  const {entity} = routableEntity(named, legs, {stored: found.stored, known})
  const explicit =
    target.ref === undefined && !isPlain(target) ? {explicit: `lattice route undo ${entityName(entity)}`} : {}
  const wanted = {strategy: 'undo', entity, ...found, ...explicit} as const
  if (legs.length > 0) return changeRoute(session, {...wanted, legs}, options)
  const command = `lattice route undo ${entityName(entity)}${options.to === undefined ? '' : ` --to ${options.to}`}`
  return changeRoute(
    session,
    {...wanted, ...(await planUnmapped(session, entity, {share: options.share ?? false, command, back: true}))},
    options,
  )
}

/** Removes the mapping of an entity, as far as that is safe: see planUnmapped. */
export async function clearRoute(
  session: Session,
  ref: EntityRef | undefined,
  options: ChangeOptions,
): Promise<RouteChange> {
  const target = {...options, ref}
  const known = await knownRoutes(session.deps, session.store, target)
  const named = requireRouted(target, known, 'clear')
  const command = `lattice route clear ${entityName(named)}`
  const found = await readStored(session.store, named, options)
  const {entity} = routableEntity(named, [], {stored: found.stored, known})
  const unmapped = await planUnmapped(session, entity, {share: options.share ?? false, command})
  const explicit = target.ref === undefined && !isPlain(target) ? {explicit: command} : {}
  return changeRoute(session, {strategy: 'clear', entity, ...found, ...explicit, ...unmapped}, options)
}

async function legsAt({store}: Session, entity: Entity, revision: number): Promise<readonly Leg[]> {
  const key = routeKey(entity)
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
