import {asDestination} from './endpoint.js'
import type {Destination} from './plan.js'

/** Source → shares in whole percent, remainder written out; what is missing to 100 in a cluster is dropped. */
export type MappingTable = ReadonlyMap<string, readonly Destination[]>

/** One source whose live split is not the one asked for; undefined stands for no mapping. */
export interface TableDifference {
  readonly source: string
  readonly asked?: readonly Destination[]
  readonly effective?: readonly Destination[]
}

/** A server's mapping list as ACCOUNTZ gives it: weights are cumulative within each cluster. */
export type CumulativeTable = Readonly<Record<string, readonly Destination[]>>

/** What a token says, by source; a weight of 0 or none means 100. */
export type TokenMappings = Readonly<
  Record<string, readonly {readonly subject: string; readonly weight?: number; readonly cluster?: string}[]>
>

/** Decodes the cumulative form of one source. */
export function decodeCumulative(list: readonly Destination[]): Destination[] {
  const reached = new Map<string, number>()
  return list.flatMap(({subject, weight, cluster = ''}) => {
    const share = weight - (reached.get(cluster) ?? 0)
    reached.set(cluster, weight)
    return share > 0 ? [destination(subject, share, cluster)] : []
  })
}

/** Decodes a whole table; the mappings that a JetStream domain adds by itself are left out. */
export function decodeTable(table: CumulativeTable): MappingTable {
  return new Map(
    Object.entries(table)
      .filter(([source]) => !isDomainMapping(source))
      .map(([source, list]) => [source, decodeCumulative(list)]),
  )
}

/** The table that a server makes of a token's mappings: remainders filled up, wildcards as `$1`. */
export function predictTable(mappings: TokenMappings): MappingTable {
  return new Map(Object.entries(mappings).map(([source, list]) => [source, predictSource(source, list)]))
}

/** The sources whose effective split differs from the asked one, sorted; empty when the tables mean the same. */
export function compareTables(asked: MappingTable, effective: MappingTable): TableDifference[] {
  return [...new Set([...asked.keys(), ...effective.keys()])].sort().flatMap((source) => {
    const [wanted, live] = [asked.get(source), effective.get(source)]
    return wanted !== undefined && live !== undefined && sameShares(wanted, live)
      ? []
      : [{source, ...(wanted && {asked: wanted}), ...(live && {effective: live})}]
  })
}

/** True when both lists give every destination the same share, whatever their order. */
export function sameShares(left: readonly Destination[], right: readonly Destination[]): boolean {
  const [mine, other] = [shares(left), shares(right)]
  return mine.size === other.size && [...mine].every(([key, weight]) => other.get(key) === weight)
}

/** The shares that a server makes of one source's list. */
export function predictSource(source: string, list: TokenMappings[string]): Destination[] {
  // The server compares texts: only a destination that is written like the source asks for loss.
  const lossy = list.some(({subject}) => subject === source)
  const clusters = new Map<string, Destination[]>([['', []]])
  for (const {subject, weight, cluster = ''} of list) {
    clusters.set(cluster, [
      ...(clusters.get(cluster) ?? []),
      destination(subject, weight === undefined || weight === 0 ? 100 : weight, cluster),
    ])
  }
  return [...clusters].flatMap(([cluster, destinations]) => {
    const rest = 100 - destinations.reduce((total, {weight}) => total + weight, 0)
    return rest > 0 && !lossy ? [...destinations, destination(asDestination(source), rest, cluster)] : destinations
  })
}

const domainMapping = /^\$JS\.[^.*>]+\.API\.(?:INFO|(?:STREAM|CONSUMER|DIRECT|META|SERVER|ACCOUNT|\$KV|\$OBJ)\.>)$/

function isDomainMapping(source: string): boolean {
  return domainMapping.test(source)
}

function shares(list: readonly Destination[]): Map<string, number> {
  const result = new Map<string, number>()
  for (const {subject, weight, cluster = ''} of list) {
    const key = `${cluster} ${subject}`
    result.set(key, (result.get(key) ?? 0) + weight)
  }
  return result
}

function destination(subject: string, weight: number, cluster: string): Destination {
  return {subject, weight, ...(cluster === '' ? {} : {cluster})}
}
