import {createHash} from 'node:crypto'

import {compareVersions, type Version} from '../entity/version.js'
import {legAddress, sourceOf, versionOfLeg, type Addressed} from './source.js'
import {checkLegs, type Leg} from './weights.js'

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

/** One version's weight before and after a change; 0 where it had or gets none. */
export interface LegChange {
  readonly version: Version
  readonly before: number
  readonly after: number
}

/** The mapping of legs, lowest version first; a leg of weight 0 is left out, because in a token 0 means 100. */
export function planRoute(lattice: string, entity: Addressed, legs: readonly Leg[]): MappingPlan {
  return {
    source: sourceOf(lattice, entity),
    destinations: checkLegs(legs).map(({version, weight}) => ({subject: legAddress(lattice, entity, version), weight})),
  }
}

/** The inverse of planRoute; undefined when the destinations are not a whole split over versions of the entity. */
export function legsOf(lattice: string, entity: Addressed, destinations: readonly Destination[]): Leg[] | undefined {
  const legs = destinations.flatMap(({subject, weight, cluster}) => {
    const version = versionOfLeg(lattice, entity, subject)
    return version === undefined || cluster !== undefined ? [] : [{version, weight}]
  })
  const sum = legs.reduce((total, {weight}) => total + weight, 0)
  const distinct = new Set(legs.map(({version}) => version)).size
  return legs.length === destinations.length && distinct === legs.length && sum === 100
    ? legs.sort((a, b) => compareVersions(a.version, b.version))
    : undefined
}

/** What changes between two splits, a line a version, lowest first; versions that keep their weight are left out. */
export function diffLegs(before: readonly Leg[], after: readonly Leg[]): LegChange[] {
  const weightIn = (legs: readonly Leg[], version: string): number =>
    legs.find((leg) => leg.version === version)?.weight ?? 0
  return [...new Set([...before, ...after].map(({version}) => version))]
    .sort(compareVersions)
    .map((version) => ({version, before: weightIn(before, version), after: weightIn(after, version)}))
    .filter(({before: old, after: wanted}) => old !== wanted)
}

/** True when both give every version the same share. */
export function sameLegs(left: readonly Leg[], right: readonly Leg[]): boolean {
  return diffLegs(left, right).length === 0
}

/** SHA-256 of a mapping, independent of the order of its destinations: shows whether what is live is what was applied. */
export function mappingDigest(source: string, destinations: readonly Destination[]): string {
  const lines = destinations.map(({subject, weight, cluster = ''}) => JSON.stringify([cluster, subject, weight])).sort()
  return `sha256:${createHash('sha256')
    .update(JSON.stringify([source, lines]))
    .digest('hex')}`
}
