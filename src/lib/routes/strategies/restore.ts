import type {Entity} from '../../entity/entity.js'
import {entityName} from '../../entity/require.js'
import {ConflictError, PartialError, UnsafeError, type LatticeError} from '../../errors.js'
import {routeKey} from '../../routing/source.js'
import type {Leg} from '../../routing/weights.js'
import {changeRoute} from '../change.js'
import type {WantedRoute} from '../draft.js'
import {DriftedRouteError} from '../failure.js'
import type {KnownRoutes} from '../find.js'
import type {RouteChange} from '../result.js'
import type {Session} from '../session.js'
import type {StoredRoute} from '../store/store.js'
import {recordedEntity, routableEntity} from '../target.js'
import {planUnmapped} from './unmap.js'

/** What is put back, and why, for the record. */
export interface Restoring {
  readonly known: KnownRoutes
  readonly why: string
  readonly dryRun?: boolean | undefined
}

/**
 * Puts back what was there before a route for some time. Only the legs come from the record: all else is computed and
 * checked anew, as for any change. Throws a NotRestoredError where a rule is against it, and a ConflictError where
 * somebody changed the route since.
 */
export async function restoreRoute(
  session: Session,
  stored: StoredRoute,
  {known, why, dryRun}: Restoring,
): Promise<RouteChange> {
  const entity = known.entities.find((one) => routeKey(one) === stored.key) ?? recordedEntity(stored)
  const legs = stored.record.restores ?? stored.record.replaced
  try {
    const routable = routableEntity(entity, legs, {stored, known})
    const wanted = {strategy: 'restore', stored, why, ...routable} as const
    return await changeRoute(session, {...wanted, ...(await withoutFault(session, wanted, legs))}, {dryRun})
  } catch (error) {
    if (error instanceof DriftedRouteError) throw new TakenOverError(entity)
    if (error instanceof UnsafeError) throw new NotRestoredError(entity, error)
    throw error
  }
}

/** No mapping comes back only where that is safe; no leg is made up for it. */
async function withoutFault(
  session: Session,
  {entity, stored}: Pick<WantedRoute, 'entity'> & {readonly stored: StoredRoute},
  legs: readonly Leg[],
): Promise<Pick<WantedRoute, 'legs' | 'warnings'>> {
  if (legs.length > 0) return {legs}
  const share = stored.record.allowances.includes('share')
  const {reason, ...unmapped} = await planUnmapped(session, entity, {
    share,
    command: `lattice route clear ${entityName(entity)}`,
    back: true,
  })
  if (reason !== undefined) throw new UnsafeError(reason)
  return unmapped
}

/** A rule is against what was there before, so the route stays as it is. */
export class NotRestoredError extends UnsafeError {
  constructor(entity: Entity, {message, suggestions, details}: LatticeError) {
    const name = entityName(entity)
    super(`The route of '${name}' was not put back and stays as it is: ${message}`, {
      suggestions: [...suggestions, 'lattice route reconcile'],
      details: {...details, entity: entity.name, key: entity.key},
    })
  }
}

/** Somebody else gave the entity another route while ours was there for some time. */
export class TakenOverError extends ConflictError {
  constructor(entity: Entity) {
    const name = entityName(entity)
    super(`The route of '${name}' was changed by someone else in the meantime and is left as it is.`, {
      suggestions: [`lattice route show ${name}`],
      details: {entity: entity.name, key: entity.key},
    })
  }
}

/** What became of one route that should have been put back or completed. */
export interface Reconciled {
  readonly entity: string
  readonly key: string
  readonly link?: string
  /** `kept`: it could not be changed, and says why. */
  readonly action: 'restored' | 'completed' | 'takenBack' | 'kept'
  /** As the route is now; of a dry run, as it would be. */
  readonly legs: readonly Leg[]
  readonly expiresAt?: string
  readonly reason?: string
}

/** Some routes could not be brought to where they should be. */
export class NotReconciledError extends PartialError {
  constructor(routes: readonly Reconciled[]) {
    const kept = routes.filter(({action}) => action === 'kept')
    super(kept.map(({entity, reason}) => `'${entity}': ${reason ?? 'it could not be changed.'}`).join(' '), {
      suggestions: kept.map(({entity}) => `lattice route show ${entity}`),
      details: {routes},
    })
  }
}
