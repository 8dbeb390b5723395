import type {Entity} from '../../entity/entity.js'
import {entityName} from '../../entity/require.js'
import {UnsafeError} from '../../errors.js'
import type {RouteRecord} from '../../records/route.js'
import {endpointsOf} from '../../routing/endpoint.js'
import {mappingDigest, planRoute} from '../../routing/plan.js'
import {routeKey} from '../../routing/source.js'
import type {Leg} from '../../routing/weights.js'
import {isIncumbent} from '../../services/mapping.js'
import type {RouteBefore} from '../before.js'
import type {KnownRoutes} from '../find.js'
import type {Session} from '../session.js'
import {isSealed} from '../store/seal.js'

/** An entity with what it would go back to unasked. */
export interface Unasked {
  readonly entity: Entity
  readonly before: RouteBefore
  readonly record: RouteRecord
  /** What runs. */
  readonly known: Pick<KnownRoutes, 'services'>
}

/**
 * Whoever may write records must not gain an operator's power. Where nobody asks for it, no mapping is made to subjects
 * that only a record names: they are live, a service that runs tells them, or an operator key sealed them.
 */
export function refuseInvented(session: Session, {entity, before, record, known}: Unasked): void {
  const legs = record.restores ?? record.replaced
  const computed = entity.kind === 'actor' || entity.kind === 'provider'
  if (computed || legs.length === 0 || isSealed(session, entity, record)) return
  const service = known.services?.find((one) => routeKey(one) === routeKey(entity))
  const invented = planRoute(session.lattice, entity, legs).flatMap(({source, destinations}) => {
    const live = before.mappings.find((mapping) => mapping.source === source)?.destinations ?? []
    const told = service?.endpoints?.find((endpoint) => endpoint.source === source)?.addresses ?? {}
    const trusted = new Set([...live.map(({subject}) => subject), ...Object.values(told)])
    return destinations.map(({subject}) => subject).filter((to) => !trusted.has(to) && !isIncumbent(source, to))
  })
  if (before.mapped && invented.length === 0) return
  const name = entityName(entity)
  throw new UnsafeError(
    `Only its record tells where the versions of '${name}' listen, and ${before.mapped ? 'not all' : 'none'} of that is live, so it is not put back unasked.`,
    {
      suggestions: [`lattice route undo ${name}`],
      details: {entity: entity.name, key: entity.key, rule: 'only-recorded'},
    },
  )
}

/** Completing a change may not come to another mapping than the one that is live. */
export function refuseOther(
  lattice: string,
  entity: Entity,
  {before, legs}: {before: RouteBefore; legs: readonly Leg[]},
): void {
  const sources = endpointsOf(lattice, entity).map(({source}) => ({source, destinations: undefined}))
  const digest = mappingDigest(legs.length === 0 ? sources : planRoute(lattice, entity, legs))
  if (digest === before.digest) return
  const name = entityName(entity)
  throw new UnsafeError(`What is live for '${name}' is not what its record would come to.`, {
    suggestions: [`lattice route show ${name}`, `lattice route diff ${name}`],
    details: {entity: entity.name, key: entity.key, rule: 'only-recorded'},
  })
}
