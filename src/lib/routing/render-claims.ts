import type {MappingPlan} from './plan.js'
import {sortedPlans} from './render-plans.js'

/** Mappings as the part of an account token that holds them; a weight of 0 is left out, because there it means 100. */
export function renderClaims(plans: readonly MappingPlan[]): string {
  const mappings = Object.fromEntries(
    sortedPlans(plans).map(({source, destinations}) => [
      source,
      destinations.map(({subject, weight, cluster}) => ({
        subject,
        weight,
        ...(cluster === undefined ? {} : {cluster}),
      })),
    ]),
  )
  return `${JSON.stringify({nats: {mappings}}, undefined, 2)}\n`
}
