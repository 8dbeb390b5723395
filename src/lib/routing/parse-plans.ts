import {UsageError} from '../errors.js'
import {plainMapping} from './parse-claims.js'
import type {MappingPlan} from './plan.js'
import {sortedPlans} from './render-plans.js'
import {writtenMappings} from './written.js'

/**
 * The inverse of renderJson and renderYaml, which also takes the mappings of what `route plan` writes; throws a
 * UsageError with the reason for anything else.
 */
export async function parsePlans(text: string): Promise<MappingPlan[]> {
  const document = await parseDocument(text)
  const mappings = isObject(document) ? listOf(document) : undefined
  if (!Array.isArray(mappings)) throw new UsageError("The text holds no list 'mappings'.")
  return sortedPlans(
    mappings.map((item: unknown) => {
      const {source, destinations} = isObject(item) ? item : {}
      if (typeof source !== 'string') throw new UsageError('A mapping names no source.')
      if (!Array.isArray(destinations)) throw new UsageError(`The mapping of '${source}' has no list of destinations.`)
      const [mapping] = writtenMappings(Object.fromEntries([[source, destinations]])).mappings
      return plainMapping(mapping!)
    }),
  )
}

function listOf({mappings, routes}: Record<string, unknown>): unknown {
  if (mappings !== undefined || !Array.isArray(routes)) return mappings
  const lists = routes.map((route: unknown) => (isObject(route) ? route['mappings'] : undefined))
  return lists.every((list) => Array.isArray(list)) ? lists.flat() : undefined
}

async function parseDocument(text: string): Promise<unknown> {
  const {parseDocument: parseYaml} = await import('yaml')
  const document = parseYaml(text, {logLevel: 'silent', prettyErrors: false})
  const [error] = document.errors
  if (error !== undefined) throw new UsageError(`The text is not YAML: ${error.message.replace(/\.?$/, '.')}`)
  try {
    return document.toJS({maxAliasCount: 100}) as unknown
  } catch (cause) {
    throw new UsageError('The text is YAML that cannot be resolved.', {cause})
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
