import {UsageError} from '../errors.js'
import type {MappingPlan} from './plan.js'

/** Mappings as a document of their own. */
export function renderJson(plans: readonly MappingPlan[]): string {
  return `${JSON.stringify({mappings: sortedPlans(plans)}, undefined, 2)}\n`
}

/** The same as YAML. */
export async function renderYaml(plans: readonly MappingPlan[]): Promise<string> {
  const {stringify} = await import('yaml')
  return stringify({mappings: sortedPlans(plans)}, {lineWidth: 0})
}

/** Mappings by source, without destinations of weight 0; throws a UsageError where a source has two. */
export function sortedPlans(plans: readonly MappingPlan[]): MappingPlan[] {
  const sorted = plans
    .map(({source, destinations}) => ({
      source,
      destinations: destinations
        .filter(({weight}) => weight > 0)
        .map(({subject, weight, cluster}) => ({subject, weight, ...(cluster === undefined ? {} : {cluster})})),
    }))
    .sort((a, b) => (a.source < b.source ? -1 : a.source > b.source ? 1 : 0))
  const twice = sorted.find(({source}, index) => sorted[index - 1]?.source === source)
  if (twice !== undefined) throw new UsageError(`The source '${twice.source}' has two mappings.`)
  return sorted
}
