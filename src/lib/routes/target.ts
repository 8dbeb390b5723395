import type {Entity, EntityRef, ListedEndpoint} from '../entity/entity.js'
import {entityName} from '../entity/require.js'
import {compareVersions, parseVersion} from '../entity/version.js'
import {UnsafeError, UsageError} from '../errors.js'
import {routeKey} from '../routing/source.js'
import type {Leg} from '../routing/weights.js'
import {alignService, requireRoutable} from '../services/entity.js'
import {isIncumbent} from '../services/mapping.js'
import {parseSourceAndLegs, warnAboutLegs} from '../services/plain.js'
import {declaredRoutable} from './declared.js'
import type {Known} from './infer.js'
import type {RouteStore, StoredRoute} from './store/store.js'

/** What a route command is about, as it was written. */
export interface Target extends WrittenSubjects {
  readonly ref?: EntityRef | undefined
}

/** Subjects as they were written. */
export interface WrittenSubjects {
  /** With a reference, `ENDPOINT=SUBJECT` of a service; without one, the plain subject that is routed. */
  readonly sources?: readonly string[] | undefined
  /** `VERSION=SUBJECT` of a plain subject. */
  readonly addresses?: readonly string[] | undefined
}

/** True for a target that is a plain subject. */
export function isPlain({ref, sources = [], addresses = []}: Target): boolean {
  return ref === undefined && (sources.length > 0 || addresses.length > 0)
}

/**
 * The entity of a plain subject: versions that are not written out have the addresses of its record. Throws a
 * UsageError for what is no subject, or has no known address.
 */
export async function plainEntity({sources = [], addresses = []}: Target, store: RouteStore): Promise<Entity> {
  const [source, ...others] = sources
  if (source === undefined || others.length > 0) {
    throw new UsageError('A plain subject is routed by one --source, with a --leg for each version.', {
      suggestions: ['--source orders.get --leg 1.0.0=orders.v1.get --leg 2.0.0=orders.v2.get'],
    })
  }
  // What cannot be a source is said before anything is looked up.
  const given = addresses.length === 0 ? undefined : parseSourceAndLegs(source, addresses)
  const stored = await store.get(routeKey({kind: 'subject', key: source}))
  const recorded = stored?.record.endpoints?.[0]
  if (recorded === undefined) return given ?? parseSourceAndLegs(source, [])
  const known = Object.entries(recorded.addresses).map(([version, address]) => writtenLeg(source, version, address))
  const named = new Set(addresses.map((text) => text.slice(0, text.indexOf('='))))
  return parseSourceAndLegs(source, [...addresses, ...known.filter(({version}) => !named.has(version)).map(text)])
}

/** An entity of a record, none of whose instances is known: what it listens on is all that there is. */
export function recordedEntity({record}: StoredRoute): Entity {
  const {kind, key, name, link, endpoints} = record
  const listed = endpoints?.map(({source, addresses, queue}): ListedEndpoint => ({
    source,
    addresses,
    ...(queue === undefined ? {} : {queue}),
  }))
  const versions = kind === 'subject' ? Object.entries(listed?.[0]?.addresses ?? {}) : []
  return {
    kind,
    key,
    name,
    ...(link === undefined ? {} : {link}),
    ...(listed === undefined ? {} : {endpoints: listed}),
    instances: versions
      .map(([version, address]) => ({version: parseVersion(version), host: '', count: 0, dark: address !== key}))
      .sort((a, b) => compareVersions(a.version, b.version)),
  }
}

/**
 * The entity as these legs need it: a service with the endpoints that all of the versions have, in the form that its
 * recorded route has, and with what its record knows of versions that answer no more. Without legs, what its record says
 * is there. Throws what requireRoutable throws, and an UnsafeError where a mapping would be left behind.
 */
export function routableEntity(
  entity: Entity,
  legs: readonly Leg[],
  {
    stored,
    known,
  }: {readonly stored: StoredRoute | undefined; readonly known: Pick<Known, 'services' | 'heard' | 'declared'>},
): {readonly entity: Entity; readonly warnings: readonly string[]} {
  if (entity.kind === 'subject') return {entity, warnings: (entity.endpoints ?? []).flatMap(warnAboutLegs)}
  const service = known.services?.find(({key}) => entity.kind === 'service' && key === entity.key)
  if (service === undefined) {
    const declared = known.declared?.find(({name}) => entity.kind === 'service' && name === entity.key)
    return {entity: declared === undefined ? entity : declaredRoutable(entity, legs, {stored, declared}), warnings: []}
  }
  const present = recordedEndpoints(stored)
  const recorded = present.map(({source}) => source)
  const options = {all: known.services ?? [], heard: known.heard, recorded}
  const versions = [...new Set(legs.map(({version}) => version))]
  if (versions.length === 0) {
    const endpoints = recorded.length === 0 ? service.endpoints : present
    return {
      entity: withEndpoints(service, withRecorded(endpoints, alignService(service, options).endpoints)),
      warnings: [],
    }
  }
  const routable = requireRoutable(service, versions, options)
  const endpoints = routable.entity.endpoints ?? []
  const left = recorded.filter((source) => !endpoints.some((endpoint) => endpoint.source === source))
  if (left.length > 0) throw new LeftBehindError(entity, left, versions)
  return {...routable, entity: withEndpoints(routable.entity, withRecorded(endpoints, present))}
}

/** A service whose instances are dark where no endpoint of theirs is a source, also one that only the record knows. */
function withEndpoints(service: Entity, endpoints: readonly ListedEndpoint[]): Entity {
  const isDark = (version: string): boolean => {
    const own = endpoints.flatMap(({source, addresses}) =>
      Object.hasOwn(addresses, version) ? [{source, address: addresses[version]!}] : [],
    )
    return own.length > 0 && !own.some(({source, address}) => isIncumbent(source, address))
  }
  const instances = service.instances.map((instance) => ({
    ...instance,
    dark: instance.version !== undefined && isDark(instance.version),
  }))
  return {...service, endpoints, instances}
}

/** A change over these versions would leave a mapping of the route as it is, and forget it. */
class LeftBehindError extends UnsafeError {
  constructor(entity: Entity, sources: readonly string[], versions: readonly string[]) {
    const [source] = sources
    super(
      `The route of '${entity.name}' maps '${source!}', which not all of the versions ${versions.join(', ')} have behind it.`,
      {
        suggestions: [`lattice entity inspect ${entityName(entity)}`, `lattice route show ${entityName(entity)}`],
        details: {entity: entity.name, sources, versions},
      },
    )
  }
}

/** What the route maps, where it maps anything. */
function recordedEndpoints(stored: StoredRoute | undefined): readonly ListedEndpoint[] {
  return stored === undefined || stored.record.legs.length === 0 ? [] : (recordedEntity(stored).endpoints ?? [])
}

/** Addresses of versions that run no more stay known, so that a route to them can be read. */
function withRecorded(
  endpoints: readonly ListedEndpoint[] | undefined,
  others: readonly ListedEndpoint[] | undefined,
): ListedEndpoint[] {
  return (endpoints ?? []).map((endpoint) => ({
    ...endpoint,
    addresses: {...others?.find(({source}) => source === endpoint.source)?.addresses, ...endpoint.addresses},
  }))
}

function writtenLeg(source: string, version: string, address: string): {version: string; address: string} {
  return {version, address: address === source ? '@source' : address}
}

function text({version, address}: {version: string; address: string}): string {
  return `${version}=${address}`
}
