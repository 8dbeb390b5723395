import {UsageError} from '../errors.js'
import {parseLossless} from '../keys/token.js'
import {repeatedKeys} from './json-keys.js'
import type {MappingPlan} from './plan.js'
import {sortedPlans} from './render-plans.js'
import {weightOf} from './rules-weight.js'
import {writtenMappings, type WrittenMapping} from './written.js'

/** The inverse of renderClaims; throws a UsageError with the reason for anything that is not such a text. */
export function parseClaims(text: string): MappingPlan[] {
  const {nats} = parseObject(text)
  if (!isObject(nats)) throw new UsageError("The text holds no object 'nats'.")
  const twice = repeatedKeys(text).find(([first, second]) => first === 'nats' && second === 'mappings')
  if (twice !== undefined) throw new UsageError(`The text says '${twice.join('.')}' more than once.`)
  const {mappings, problem} = writtenMappings(nats['mappings'])
  if (problem !== undefined) throw new UsageError(problem)
  return sortedPlans(mappings.map(plainMapping))
}

/** A mapping with its weights as servers read them; throws a UsageError where they would not. */
export function plainMapping({source, destinations, malformed = []}: WrittenMapping): MappingPlan {
  if (malformed[0] !== undefined) throw new UsageError(malformed[0])
  return {
    source,
    destinations: destinations.map((destination) => {
      const {subject, cluster} = destination
      const weight = weightOf(destination, {form: 'jwt'})
      if (weight === undefined) {
        throw new UsageError(`The weight of '${source}' to '${subject}' is not a whole percent from 0 to 100.`)
      }
      return {subject, weight, ...(cluster === undefined ? {} : {cluster})}
    }),
  }
}

/** The object that a JSON text is, its numbers unrounded; throws a UsageError when it is none. */
export function parseObject(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = parseLossless(text)
  } catch (cause) {
    throw new UsageError('The text is not JSON.', {cause})
  }
  if (!isObject(value)) throw new UsageError('The text is JSON, but not an object.')
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
