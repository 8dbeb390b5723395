import type {Entity} from '../entity/entity.js'
import {entityName} from '../entity/require.js'
import {UnsafeError} from '../errors.js'
import {endpointsOf} from '../routing/endpoint.js'
import {mappingDigest, planRoute} from '../routing/plan.js'
import type {Leg} from '../routing/weights.js'
import type {RouteBefore} from './before.js'

/**
 * Whoever may write records must not gain an operator's power. Where nobody asks for it, no mapping is made for subjects
 * that only a record names and of which nothing is live.
 */
export function refuseInvented(entity: Entity, before: RouteBefore, legs: readonly Leg[]): void {
  const computed = entity.kind === 'actor' || entity.kind === 'provider'
  if (computed || before.mapped || legs.length === 0) return
  const name = entityName(entity)
  throw new UnsafeError(
    `Only its record tells where the versions of '${name}' listen, and none of that is live, so it is not put back unasked.`,
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
