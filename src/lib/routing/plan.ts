import {createHash} from 'node:crypto'

import {compareVersions, type Version} from '../entity/version.js'
import {UsageError} from '../errors.js'
import {predictSource} from './effective.js'
import {asDestination, endpointsOf, sinkOf, type Endpoint, type Routed} from './endpoint.js'
import {checkLegs, legLabel, type Leg} from './weights.js'

/** One target of a mapping: that share of the messages, in percent, of publishers in that cluster or everywhere. */
export interface Destination {
  readonly subject: string
  readonly weight: number
  readonly cluster?: string
}

/** The mapping that makes a route: what is published to the source arrives at the destinations. */
export interface MappingPlan {
  readonly source: string
  readonly destinations: readonly Destination[]
}

/** One leg's weight before and after a change; 0 where it had or gets none. */
export interface LegChange {
  readonly version: Version
  readonly cluster?: string
  readonly sink?: true
  readonly before: number
  readonly after: number
}

/** The mappings of legs, one an endpoint; destinations lowest version first. A leg of weight 0 is left out, because in a token 0 means 100. */
export function planRoute(lattice: string, entity: Routed, legs: readonly Leg[]): MappingPlan[] {
  const checked = checkLegs(legs)
  const regional = checked.some(({cluster}) => cluster !== undefined)
  return endpointsOf(lattice, entity).map((endpoint) => {
    const own = asDestination(endpoint.source)
    const destinations = checked.map((leg) => destinationOf(endpoint, leg, entity.key))
    // A destination may be named once in all clusters together; the source needs no name, what remains is its own.
    return {
      source: endpoint.source,
      destinations: regional ? destinations.filter(({subject}) => subject !== own) : destinations,
    }
  })
}

function destinationOf(endpoint: Endpoint, leg: Leg, key: string): Destination {
  const {version, weight, cluster, sink = false} = leg
  const address = endpoint.addressOf(version)
  const subject = address !== undefined && sink ? sinkOf(address) : address
  if (subject === undefined) {
    throw new UsageError(`Version ${JSON.stringify(version)} of '${key}' has no subject behind '${endpoint.source}'.`)
  }
  return {subject, weight, ...(cluster === undefined ? {} : {cluster})}
}

/** What stands in a table for one endpoint of an entity. */
export interface EndpointMapping {
  readonly source: string
  /** Undefined: not mapped. Remainder written out, as predictTable and decodeTable give it. */
  readonly destinations: readonly Destination[] | undefined
}

/**
 * The inverse of planRoute: the legs that all endpoints have in common. Undefined when some endpoint is not mapped to a
 * whole split over versions of the entity, or when they differ.
 */
export function legsOf(lattice: string, entity: Routed, mappings: readonly EndpointMapping[]): Leg[] | undefined {
  const splits = endpointsOf(lattice, entity).map((endpoint) => {
    const destinations = mappings.find(({source}) => source === endpoint.source)?.destinations
    return destinations && legsOfEndpoint(endpoint, destinations)
  })
  const [first] = splits
  return first !== undefined && splits.every((legs) => legs !== undefined && sameLegs(legs, first)) ? first : undefined
}

function legsOfEndpoint(endpoint: Endpoint, destinations: readonly Destination[]): Leg[] | undefined {
  const legs = destinations.flatMap(({subject, weight, cluster}): Leg[] => {
    const found = endpoint.versionOf(subject)
    if (found === undefined) return []
    return [
      {
        version: found.version,
        weight,
        ...(cluster === undefined ? {} : {cluster}),
        ...(found.sink ? {sink: true as const} : {}),
      },
    ]
  })
  if (legs.length < destinations.length) return undefined
  try {
    return checkLegs(legs)
  } catch (error) {
    if (error instanceof UsageError) return undefined
    throw error
  }
}

/** What changes between two splits, a line a leg, lowest version first; legs that keep their weight are left out. */
export function diffLegs(before: readonly Leg[], after: readonly Leg[]): LegChange[] {
  const legs = new Map([...before, ...after].map((leg) => [legLabel(leg), leg]))
  const weightIn = (list: readonly Leg[], label: string): number =>
    list.find((leg) => legLabel(leg) === label)?.weight ?? 0
  return [...legs]
    .sort(([, a], [, b]) => compareVersions(a.version, b.version))
    .map(([label, {weight: _, ...leg}]) => ({...leg, before: weightIn(before, label), after: weightIn(after, label)}))
    .filter(({before: old, after: wanted}) => old !== wanted)
}

/** True when both give every version the same share. */
export function sameLegs(left: readonly Leg[], right: readonly Leg[]): boolean {
  return diffLegs(left, right).length === 0
}

/** SHA-256 of mappings, independent of their order and of how a remainder is written: shows whether what is live is what was applied. */
export function mappingDigest(mappings: readonly EndpointMapping[]): string {
  // A service may get endpoints that its route does not map: they change nothing.
  const parts = mappings
    .filter(({destinations}) => destinations !== undefined && destinations.length > 0)
    .map(({source, destinations}) => [source, destinationLines(source, destinations ?? [])] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map((part) => JSON.stringify(part))
  return `sha256:${createHash('sha256').update(parts.join('\n')).digest('hex')}`
}

function destinationLines(source: string, destinations: readonly Destination[]): string[] {
  const whole = destinations.length === 0 ? [] : predictSource(source, destinations)
  return whole.map(({subject, weight, cluster = ''}) => JSON.stringify([cluster, subject, weight])).sort()
}
