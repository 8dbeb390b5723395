import type {Entity} from '../../entity/entity.js'
import {entityName} from '../../entity/require.js'
import type {Version} from '../../entity/version.js'
import {LatticeError, UsageError} from '../../errors.js'
import {readCounters} from '../../observe/counters.js'
import {probeSubject, sourceHeard} from '../../observe/subjects.js'
import {traceSubject} from '../../observe/trace.js'
import type {TracedDestination, TracedSubject} from '../../observe/traced.js'
import {endpointsOf, sinkOf, type Endpoint} from '../../routing/endpoint.js'
import {covers, isLiteralSubject, patternOf} from '../../routing/subject.js'
import {knownRoutes, requireRouted} from '../find.js'
import type {RouteDeps} from '../session.js'
import {openStore} from '../store/store.js'
import type {Target} from '../target.js'
import {observeSource} from './observed.js'

/** Where messages to an entity, or to one subject, would go now. */
export interface TracedRoute {
  /** Absent for a plain subject. */
  readonly entity?: string
  readonly lattice: string
  /** One for each subject that callers use. */
  readonly traces: readonly TracedEndpoint[]
}

export interface TracedEndpoint extends Omit<TracedSubject, 'destinations'> {
  readonly destinations: readonly (TracedDestination & {
    /** The version that listens there. */
    readonly version?: Version
    /** The share is dropped on purpose. */
    readonly sink?: true
  })[]
}

export interface TraceRouteOptions {
  /** Messages traced for each subject. */
  readonly probes: number
  readonly signal?: AbortSignal | undefined
}

/** Traces one subject, whatever answers there. */
export async function tracePlain(
  {connection, spec}: Pick<RouteDeps, 'connection' | 'spec'>,
  subject: string,
  options: TraceRouteOptions,
): Promise<TracedRoute> {
  const trace = await traceSubject(connection, subject, {...options, timeoutMs: spec.timeoutMs})
  return {lattice: spec.lattice, traces: [trace]}
}

/** Traces every subject that callers of an entity use; without a reference, of the only one with a route. */
export async function traceRoute(deps: RouteDeps, target: Target, options: TraceRouteOptions): Promise<TracedRoute> {
  const {connection, spec, access} = deps
  const store = await openStore(connection, spec, access?.state)
  const known = await knownRoutes(deps, store, target)
  const entity = requireRouted(target, known, 'trace')
  if (access?.driver === 'leaf') await refuseBeside(deps, entity)
  const traces: TracedEndpoint[] = []
  const versions = versionsOf(entity, known.routes)
  for (const endpoint of endpointsOf(known.lattice, entity)) {
    for (const subject of await subjectsOf(deps, endpoint, versions)) {
      const trace = await traceSubject(connection, subject, {...options, timeoutMs: spec.timeoutMs})
      traces.push(withVersions(trace, endpoint, versions))
    }
  }
  return {entity: entityName(entity), lattice: known.lattice, traces}
}

/** Leaf nodes beside their callers do nothing with what is sent to the account's servers. */
async function refuseBeside({connection, spec, access}: RouteDeps, entity: Entity): Promise<void> {
  const {readGroup} = await import('../../apply/leaf-group.js')
  const {lattice, timeoutMs} = spec
  const {leaves} = await readGroup({connection, lattice, name: access?.leaf, timeoutMs}, {newest: true})
  const [first] = leaves
  if (first?.form !== 'beside') return
  const subjects = endpointsOf(lattice, entity).map(({source}) =>
    isLiteralSubject(source) ? source : probeSubject(source),
  )
  throw new BesideTraceError(first.server.name, {url: first.url, subjects})
}

/** Only callers that connect to them are split. */
class BesideTraceError extends UsageError {
  constructor(leaf: string, {url, subjects}: {readonly url: string; readonly subjects: readonly string[]}) {
    super(`Leaf node '${leaf}' splits for callers that connect to it, and messages from here are none of theirs.`, {
      suggestions: subjects.map((subject) => `lattice route trace ${subject} -s ${url}`),
      details: {leaf, url},
    })
  }
}

/** A service may have very many endpoints behind one wildcard. */
const mostSubjects = 10

/** The subjects of a source that somebody listens to behind it; where that cannot be seen, one that the source matches. */
async function subjectsOf(
  deps: RouteDeps,
  {source, addressOf}: Endpoint,
  versions: readonly Version[],
): Promise<string[]> {
  if (isLiteralSubject(source)) return [source]
  const addresses = versions.flatMap((version) => addressOf(version) ?? [])
  const readings = await readCounters(await observeSource(deps), addresses.map(patternOf)).catch(noneIfRefused)
  const heard = readings.flatMap(({subscriptions}) =>
    subscriptions.flatMap(({subject}) => addresses.flatMap((address) => sourceHeard(source, address, subject) ?? [])),
  )
  const subjects = [...new Set(heard)].sort().slice(0, mostSubjects)
  return subjects.length === 0 ? [probeSubject(source)] : subjects
}

function noneIfRefused(error: unknown): [] {
  if (error instanceof LatticeError) return []
  throw error
}

function versionsOf(
  entity: Entity,
  routes: readonly {readonly record: {readonly legs: readonly {readonly version: Version}[]}}[],
): Version[] {
  const recorded = routes.flatMap(({record}) => record.legs.map(({version}) => version))
  const running = entity.instances.flatMap(({version}) => (version === undefined ? [] : [version]))
  return [...new Set([...running, ...recorded])]
}

function withVersions(trace: TracedSubject, endpoint: Endpoint, versions: readonly Version[]): TracedEndpoint {
  const places = versions.flatMap((version) => {
    const address = endpoint.addressOf(version)
    const sink = address === undefined ? undefined : sinkOf(address)
    return [
      ...(address === undefined ? [] : [{pattern: patternOf(address), version}]),
      ...(sink === undefined ? [] : [{pattern: patternOf(sink), version, sink: true as const}]),
    ]
  })
  return {
    ...trace,
    destinations: trace.destinations.map((destination) => {
      const found = places.find(({pattern}) => covers(pattern, destination.mapped ?? destination.subject))
      if (found === undefined) return destination
      const {pattern: _, ...leg} = found
      return {...destination, ...leg}
    }),
  }
}
