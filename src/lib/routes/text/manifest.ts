import {z} from 'zod'

import {parseRef} from '../../entity/entity.js'
import {parseVersion} from '../../entity/version.js'
import {LatticeError, UsageError} from '../../errors.js'
import {parseYaml} from '../../records/yaml.js'
import {repeatedKeys} from '../../routing/json-keys.js'
import {checkLegs, type Leg} from '../../routing/weights.js'
import type {Target} from '../target.js'

/** One route that a file asks for. */
export interface AskedRoute {
  readonly target: Target
  /** Empty: no mapping. */
  readonly legs: readonly Leg[]
  readonly why?: string
}

const mostText = 400_000

const weightSchema = z.number().int().min(0).max(100)
const legSchema = z.union([weightSchema, z.strictObject({weight: weightSchema, address: z.string().min(1).optional()})])
const routeSchema = z
  .strictObject({
    entity: z.string().min(1).optional(),
    source: z.string().min(1).optional(),
    /** Version → weight, or weight and address. */
    legs: z
      .record(z.string(), legSchema)
      .refine((legs) => Object.keys(legs).length > 0, {message: 'no legs; without a mapping it is clear: true'})
      .optional(),
    /** Cluster → version → weight. */
    clusters: z.record(z.string().min(1), z.record(z.string(), weightSchema)).optional(),
    clear: z.literal(true).optional(),
    reason: z.string().optional(),
  })
  .refine(({entity, source}) => (entity === undefined) !== (source === undefined), {
    message: 'either entity or source, and not both',
  })
  .refine(({legs, clear}) => (legs === undefined) !== (clear === undefined), {message: 'either legs or clear: true'})
  .refine(({clusters, clear}) => clusters === undefined || clear === undefined, {
    message: 'what is cleared has no clusters',
  })
const manifestSchema = z.strictObject({routes: z.array(routeSchema).min(1).max(1000)})

/** Reads a file of routes, YAML or JSON; throws a UsageError that names the place. */
export async function parseManifest(text: string): Promise<AskedRoute[]> {
  // What is nested deep or long keeps a parser busy for minutes.
  if (text.length > mostText) throw new UsageError(`A file of routes can have at most ${mostText} characters.`)
  if (/(?:[[{]\s*){100}/.test(text)) throw new UsageError('The file of routes is nested too deep.')
  const value = await parseYaml(text)
  refuseRepeatedKeys(text)
  const parsed = manifestSchema.safeParse(value)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    const place = issue.path.length === 0 ? '' : ` at ${issue.path.map(String).join('.')}`
    throw new UsageError(`The file is not one of routes${place}: ${issue.message}.`, {suggestions: howToWrite})
  }
  const routes = parsed.data.routes.map((route, index) => inPlace(`routes.${index}`, () => readRoute(route)))
  const names = routes.map(({target}) => JSON.stringify([target.ref ?? null, target.ref ? [] : target.sources]))
  const twice = names.findIndex((name, index) => names.indexOf(name) !== index)
  if (twice >= 0) throw new UsageError(`The file asks for one route twice: routes.${twice}.`)
  return routes
}

const howToWrite = [
  'routes: [{entity: echo, legs: {"1.0.0": 70, "2.0.0": 30}}]',
  'routes: [{source: orders.get, legs: {"1.0.0": {weight: 90, address: "@source"}, "2.0.0": {weight: 10, address: orders.v2.get}}}]',
]

/** In JSON the last of them would win without a word; what is YAML was refused for it. */
function refuseRepeatedKeys(text: string): void {
  if (!isJson(text)) return
  const [first] = repeatedKeys(text)
  if (first === undefined) return
  throw new UsageError(`The file is not one of routes: ${JSON.stringify(first.join('.'))} stands in it twice.`)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function readRoute({entity, source, legs = {}, clusters = {}, reason}: z.infer<typeof routeSchema>): AskedRoute {
  const entries = Object.entries(legs).map(([version, leg]) => ({
    version: parseVersion(version),
    ...(typeof leg === 'number' ? {weight: leg, address: undefined} : leg),
  }))
  const regional = Object.entries(clusters).flatMap(([cluster, shares]) =>
    Object.entries(shares).map(([version, weight]) => ({version: parseVersion(version), weight, cluster})),
  )
  const addresses = entries.flatMap(({version, address}) => (address === undefined ? [] : [`${version}=${address}`]))
  if (entity !== undefined && addresses.length > 0) {
    throw new UsageError('The versions of an entity have addresses of their own; only those of a source are written.')
  }
  const all = [...entries.map(({version, weight}) => ({version, weight})), ...regional]
  return {
    target: entity === undefined ? {sources: [source!], addresses} : {ref: withoutVersion(entity)},
    legs: all.length === 0 ? [] : checkLegs(all),
    ...(reason === undefined ? {} : {why: reason}),
  }
}

function withoutVersion(text: string): ReturnType<typeof parseRef> {
  const {version, ...ref} = parseRef(text)
  if (version === undefined) return ref
  throw new UsageError(`${JSON.stringify(text)} names a version, and an entity is wanted.`)
}

function inPlace<T>(place: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof LatticeError)) throw error
    throw new UsageError(`The file is not one of routes at ${place}: ${error.message}`, {
      suggestions: howToWrite,
      cause: error,
    })
  }
}
