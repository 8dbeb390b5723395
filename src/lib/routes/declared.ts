import type {Entity, EntityRef, ListedEndpoint} from '../entity/entity.js'
import {entityName} from '../entity/require.js'
import type {Version} from '../entity/version.js'
import {LatticeError, UnsafeError} from '../errors.js'
import {hasSystemCredentials} from '../nats/system.js'
import type {Leg} from '../routing/weights.js'
import {declaredEndpoints, declaredEntity, type Listener} from '../services/declared.js'
import type {ServiceEntity} from '../services/service.js'
import type {FoundServices} from '../services/services-file-find.js'
import type {DeclaredService} from '../services/services-file.js'
import {readSubscribers} from './preflight/subscribers.js'
import {OwnMonitoring} from './proof/own-monitoring.js'
import {openMonitoring, type RouteDeps} from './session.js'
import type {StoredRoute} from './store/store.js'
import {identify} from './who.js'

/** The file that declares services, where there is one, with those of this lattice only. */
export async function readDeclared({spec, access}: RouteDeps): Promise<FoundServices | undefined> {
  if (access?.services === undefined) return undefined
  const {findServices} = await import('../services/services-file-find.js')
  const found = await findServices(access.services)
  return found && {...found, services: found.services.filter(({lattice}) => lattice === spec.lattice)}
}

/** What a file declares for whoever lists what runs. */
export interface DeclaredServices {
  readonly services: readonly DeclaredService[]
  /** With what is seen of them now. */
  readonly entities: (ref?: EntityRef) => Promise<readonly ServiceEntity[]>
}

/** The services that a file declares; tells of the file where nobody named it and the reference may mean one of them. */
export async function openDeclared(deps: RouteDeps, ref?: EntityRef): Promise<DeclaredServices> {
  const found = await readDeclared(deps)
  const services = found?.services ?? []
  if (found?.found === true)
    deps.access?.services?.tell?.({file: found.file, used: namedServices(services, ref).length > 0})
  return {
    services,
    entities: (ref) => declaredEntities(deps, namedServices(services, ref), ref?.version),
  }
}

/** Declared services as entities, with what is seen of them; the account is looked at once for all. */
export async function declaredEntities(
  deps: RouteDeps,
  declared: readonly DeclaredService[],
  version?: Version,
): Promise<ServiceEntity[]> {
  if (declared.length === 0) return []
  const listeners = await readListeners(deps)
  return declared.map((one) => declaredEntity(one, listeners, version))
}

/** Those that a reference may mean; all where there is none. */
export function namedServices(
  services: readonly DeclaredService[],
  ref: EntityRef | undefined,
): readonly DeclaredService[] {
  return services.filter(({name}) => ref === undefined || name === ref.name)
}

/** Who listens in the account; undefined where nobody may look. */
async function readListeners(deps: RouteDeps): Promise<Listener[] | undefined> {
  const {connection, spec} = deps
  try {
    const system = hasSystemCredentials(spec) ? await deps.system().catch(noneIfUnknown) : undefined
    const shown = system ?? (await openMonitoring(deps))
    const monitoring = shown ?? new OwnMonitoring(connection, spec.timeoutMs)
    const {account} = shown === undefined ? {account: ''} : await identify(connection, spec)
    return await readSubscribers(monitoring, {account, subject: '>'})
  } catch (error) {
    noneIfUnknown(error)
    return undefined
  }
}

function noneIfUnknown(error: unknown): undefined {
  if (!(error instanceof LatticeError)) throw error
}

/**
 * A declared service as these legs need it; without legs, what its record says is there. Throws a UsageError for versions
 * that have no address, and an UnsafeError where traffic would be left behind or go elsewhere unasked.
 */
export function declaredRoutable(
  entity: Entity,
  legs: readonly Leg[],
  {stored, declared}: {readonly stored: StoredRoute | undefined; readonly declared: DeclaredService},
): Entity {
  const live = stored?.record.legs ?? []
  const recorded = stored?.record.endpoints ?? []
  const mapped = live.length === 0 ? [] : recorded
  const asked = [...new Set(legs.map(({version}) => version))]
  const running = entity.instances.flatMap(({version}) => version ?? [])
  const endpoints = declaredEndpoints(declared, [...running, ...asked])
  const kept = live.map(({version}) => version).filter((version) => !asked.includes(version))
  const merged = endpoints.map((endpoint) => withRecorded(endpoint, recorded, kept))
  if (asked.length === 0) {
    const present = mapped.map(({source, addresses, queue}) => ({
      source,
      addresses: {...merged.find((one) => one.source === source)?.addresses, ...addresses},
      ...(queue === undefined ? {} : {queue}),
    }))
    return shaded(entity, present.length === 0 ? merged : present)
  }
  const left = mapped.filter(({source}) => !endpoints.some((one) => one.source === source))
  if (left.length > 0) throw new LeftByFileError(entity, left[0]!.source, declared)
  for (const version of asked.filter((one) => live.some((leg) => leg.version === one))) {
    refuseMoved(entity, version, {mapped, endpoints, declared})
  }
  return shaded(entity, merged)
}

/** Addresses of versions that the file does not know stay known; those of legs stay what they are. */
function withRecorded(
  endpoint: ListedEndpoint,
  recorded: readonly Pick<ListedEndpoint, 'source' | 'addresses'>[],
  kept: readonly string[],
): ListedEndpoint {
  const known = Object.entries(recorded.find(({source}) => source === endpoint.source)?.addresses ?? {})
  const taken = new Set(Object.values(endpoint.addresses))
  const free = known.filter(([version, address]) => kept.includes(version) || !taken.has(address))
  const fixed = known.filter(([version]) => kept.includes(version))
  return {
    ...endpoint,
    addresses: {...Object.fromEntries(free), ...endpoint.addresses, ...Object.fromEntries(fixed)},
  }
}

/** The entity with these endpoints; versions on no source are dark. */
function shaded(entity: Entity, endpoints: readonly ListedEndpoint[]): Entity {
  const onSource = (version: string): boolean => endpoints.some(({source, addresses}) => addresses[version] === source)
  return {
    ...entity,
    endpoints,
    instances: entity.instances.map((one) => ({...one, dark: one.version === undefined || !onSource(one.version)})),
  }
}

/** A version that has traffic on one subject would get it on another, and what is live could no longer be read. */
function refuseMoved(
  entity: Entity,
  version: Version,
  {
    mapped,
    endpoints,
    declared,
  }: {
    readonly mapped: readonly Pick<ListedEndpoint, 'source' | 'addresses'>[]
    readonly endpoints: readonly ListedEndpoint[]
    readonly declared: DeclaredService
  },
): void {
  for (const {source, addresses} of endpoints) {
    const before = mapped.find((one) => one.source === source)?.addresses[version]
    const wanted = addresses[version]!
    if (before === undefined || before === wanted) continue
    const name = entityName(entity)
    throw new UnsafeError(
      `Version ${version} of '${name}' has traffic on '${before}', and ${declared.where} says '${wanted}'.`,
      {
        suggestions: [
          `Move all traffic to another version first: lattice route bluegreen ${name} --to VERSION`,
          `lattice route show ${name}`,
        ],
        details: {entity: entity.name, version, before, wanted, where: declared.where},
      },
    )
  }
}

/** The route maps a source that the file has no longer, so that a change would forget it. */
class LeftByFileError extends UnsafeError {
  constructor(entity: Entity, source: string, {where}: DeclaredService) {
    const name = entityName(entity)
    super(`The route of '${name}' maps '${source}', which its declaration at ${where} does not have.`, {
      suggestions: [`lattice route clear ${name}`, `Add '${source}' to the sources again.`],
      details: {entity: entity.name, source, where},
    })
  }
}
