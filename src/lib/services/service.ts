import type {Entity} from '../entity/entity.js'
import {compareVersions, type Version} from '../entity/version.js'
import {subjectsOverlap} from '../routing/subject.js'
import type {InstanceEndpoint, ServiceInstance} from './info.js'
import {addressFault, asAddress} from './mapping.js'

/** A NATS micro service with all versions of it that answer. */
export interface Service {
  readonly name: string
  /** Sorted by version, then id; of unknown versions last. */
  readonly instances: readonly ServiceInstance[]
  /** Matched across versions by name, sorted by it. */
  readonly endpoints: readonly ServiceEndpoint[]
}

/** One endpoint of a service, in every version that has it. */
export interface ServiceEndpoint {
  readonly name: string
  /** The subject of the callers; undefined: neither metadata nor a flag names it, or they contradict each other. */
  readonly source?: string
  /** Lowest version first; a version stands here once for each subject and queue group that its instances have. */
  readonly versions: readonly VersionEndpoint[]
  /** What keeps it from being split, a sentence each. */
  readonly faults: readonly string[]
}

/** Where a version of an endpoint listens. */
export interface VersionEndpoint {
  readonly version: Version
  readonly subject: string
  /** Undefined: every instance answers every request. */
  readonly queue?: string
  /** How many instances listen so. */
  readonly instances: number
}

/** A service as an entity: what route commands need, and what `entity inspect` shows. */
export interface ServiceEntity extends Entity {
  readonly kind: 'service'
  readonly service: {
    readonly endpoints: readonly ServiceEndpoint[]
    /** Splits that nobody asked for. */
    readonly implicitSplits: readonly ImplicitSplit[]
    /** What keeps it from being routed, and how to change that, a sentence each. */
    readonly notes: readonly string[]
    /** How many endpoints of its instances could not be read, and are left out. */
    readonly unread: number
    /** What a file declares of it and none of its endpoints is behind, a sentence each. */
    readonly unanswered?: readonly string[]
    /** Where a file declares it, if it does not answer for itself. */
    readonly declared?: {readonly where: string; readonly description?: string}
  }
}

/** Endpoint name → source, as flags give it; it wins over what metadata says. */
export type GivenSources = ReadonlyMap<string, string>

/** The services that instances make up, sorted by name. */
export function groupServices(
  instances: readonly ServiceInstance[],
  given: ReadonlyMap<string, GivenSources> = new Map(),
): Service[] {
  const byId = new Map([...instances].reverse().map((instance) => [`${instance.name} ${instance.id}`, instance]))
  return [...Map.groupBy(byId.values(), ({name}) => name)]
    .sort(([a], [b]) => byText(a, b))
    .map(([name, copies]) => {
      const sorted = copies.sort((a, b) => byVersion(a.version, b.version) || byText(a.id, b.id))
      return {name, instances: sorted, endpoints: groupEndpoints(sorted, given.get(name) ?? new Map())}
    })
}

interface Sighting extends InstanceEndpoint {
  readonly version: Version
}

function groupEndpoints(instances: readonly ServiceInstance[], given: GivenSources): ServiceEndpoint[] {
  const sightings = instances.flatMap(({version, endpoints}) =>
    version === undefined ? [] : endpoints.map((endpoint): Sighting => ({...endpoint, version})),
  )
  // Groups of a service may use one name each; then only the source tells their endpoints apart.
  const repeated = new Set(
    instances
      .flatMap(({endpoints}) =>
        endpoints.filter(({name}, index) => endpoints.findIndex((other) => other.name === name) < index),
      )
      .map(({name}) => name),
  )
  const keyOf = ({name, source = ''}: Sighting): string => (repeated.has(name) ? `${name} ${source}` : name)
  return [...Map.groupBy(sightings, keyOf)]
    .sort(([a], [b]) => byText(a, b))
    .map(([, group]) => endpointOf(group, given))
    .map((endpoint, _index, all) => ({...endpoint, faults: [...endpoint.faults, ...overlapFaults(endpoint, all)]}))
}

/** Versions on one and the same subject are an implicit split; here one hears what is meant for another alone. */
function overheard(versions: readonly VersionEndpoint[]): string[] {
  return versions.flatMap((mine, index) =>
    versions
      .slice(index + 1)
      .filter(({version, subject}) => version !== mine.version && subject !== mine.subject)
      .filter(({subject}) => subjectsOverlap(subject, mine.subject))
      .map(
        ({version, subject}) =>
          `Version ${mine.version} on '${mine.subject}' and version ${version} on '${subject}' hear each other's requests.`,
      ),
  )
}

/** Which of two overlapping sources wins is random. */
function overlapFaults(endpoint: ServiceEndpoint, all: readonly ServiceEndpoint[]): string[] {
  const {source} = endpoint
  return all
    .filter((other) => other !== endpoint && source !== undefined && other.source !== undefined)
    .filter((other) => subjectsOverlap(source!, other.source!))
    .map(({name}) => `Its source '${source!}' overlaps that of endpoint '${name}'.`)
}

function endpointOf(group: readonly Sighting[], given: GivenSources): ServiceEndpoint {
  const {name} = group[0]!
  const versions = [...Map.groupBy(group, ({version, subject, queue}) => JSON.stringify([version, subject, queue]))]
    .map(([, [first, ...rest]]): VersionEndpoint => {
      const {version, subject, queue} = first!
      return {version, subject, ...(queue === undefined ? {} : {queue}), instances: rest.length + 1}
    })
    .sort((a, b) => compareVersions(a.version, b.version) || byText(a.subject, b.subject))
  const source = given.get(name)
  const named = source === undefined ? [...new Set(group.flatMap((each) => each.source ?? []))].sort() : [source]
  const faults = [
    ...group.flatMap((each) => each.faults ?? []),
    ...(named.length > 1 ? [`Its versions name several sources: ${named.join(', ')}.`] : []),
    ...versions
      .filter(({version}, index) => versions.findIndex((other) => other.version === version) < index)
      .map(
        ({version, subject}) =>
          `Instances of version ${version} listen on different subjects or queue groups, one on '${subject}'.`,
      ),
    ...overheard(versions),
    ...(named.length === 1 ? versions.flatMap(({version, subject}) => shapeFault(named[0]!, version, subject)) : []),
  ]
  return {name, ...(named.length === 1 ? {source: named[0]!} : {}), versions, faults: [...new Set(faults)]}
}

function shapeFault(source: string, version: Version, subject: string): string[] {
  const fault = addressFault(source, asAddress(subject))
  return fault === undefined ? [] : [`Version ${version} on '${subject}' cannot stand behind '${source}': ${fault}.`]
}

/** The ratio in which versions share one subject because they share its queue group, such as `9:1`. */
export interface ImplicitSplit {
  readonly endpoint: string
  readonly subject: string
  /** Undefined: they do not share; each instance of each answers every request. */
  readonly queue?: string
  readonly versions: readonly {readonly version: Version; readonly share: number}[]
}

/** The splits of a service that nobody asked for: versions on one subject, with the shares of its queue group. */
export function implicitSplits({endpoints}: Pick<Service, 'endpoints'>): ImplicitSplit[] {
  return endpoints.flatMap(({name, versions}) =>
    [...Map.groupBy(versions, ({subject, queue}) => JSON.stringify([subject, queue]))].flatMap(([, sharing]) => {
      const counts = Map.groupBy(sharing, ({version}) => version)
      if (counts.size < 2) return []
      const shares = [...counts].map(([version, parts]) => ({
        version,
        share: parts.reduce((sum, {instances}) => sum + instances, 0),
      }))
      const divisor = shares.map(({share}) => share).reduce(greatestDivisor)
      const {subject, queue} = sharing[0]!
      return [
        {
          endpoint: name,
          subject,
          ...(queue === undefined ? {} : {queue}),
          versions: shares.map(({version, share}) => ({version, share: share / divisor})),
        },
      ]
    }),
  )
}

function greatestDivisor(left: number, right: number): number {
  return right === 0 ? left : greatestDivisor(right, left % right)
}

function byVersion(left: Version | undefined, right: Version | undefined): number {
  if (left === undefined || right === undefined) return left === right ? 0 : left === undefined ? 1 : -1
  return compareVersions(left, right)
}

function byText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
