import {discover, type Discovery} from '../control/discover.js'
import {controlSubjects} from '../control/subjects.js'
import type {Entity, EntityRef} from '../entity/entity.js'
import {entityName, requireEntity} from '../entity/require.js'
import {resolveEntity} from '../entity/resolve.js'
import {isVersion} from '../entity/version.js'
import {AmbiguousError, NotFoundError} from '../errors.js'
import {isPublicKey} from '../keys/nkey.js'
import {accountOf} from '../nats/creds.js'
import {NoPermissionError} from '../nats/request.js'
import {hasSystemCredentials} from '../nats/system.js'
import {routeKey} from '../routing/source.js'
import {isLiteralSubject, isSubject} from '../routing/subject.js'
import {discoverServices} from '../services/discover.js'
import type {ServiceEntity} from '../services/service.js'
import type {FoundServices} from '../services/services-file-find.js'
import {declaredEntities, namedServices, readDeclared} from './declared.js'
import type {ChangeOptions, WantedRoute} from './draft.js'
import type {Known} from './infer.js'
import {readSubscribers} from './preflight/subscribers.js'
import {openReader, type Reader, type RouteDeps} from './session.js'
import {openStore, UnreadableRouteError, type RouteStore, type StoredRoute} from './store/store.js'
import {isPlain, plainEntity, recordedEntity, routableEntity, type Target} from './target.js'

/** What runs, and what is recorded; an entity of a record need not run. */
export interface KnownRoutes extends Known {
  readonly routes: readonly StoredRoute[]
}

/**
 * Everything that runs. A reference that is a whole public key needs no host that shows it, and one by name may mean a
 * route that is recorded.
 */
export async function knownEntities(deps: RouteDeps, store: RouteStore, target: Target): Promise<Known> {
  const {lattice} = deps.spec
  if (isPlain(target)) return {lattice, entities: [await plainEntity(target, store)]}
  const running = await whatRuns(deps, target)
  const {ref} = target
  const needless =
    ref === undefined ||
    resolveEntity(ref, withKeys([...running.entities, ...(running.declared ?? [])], [ref])).kind !== 'missing'
  const stored = needless ? [] : await store.list({readable: true})
  const recorded = stored.filter(({record: {kind}}) => kind === 'subject' || kind === 'service')
  return {lattice, ...tellOfFile(deps, withAll(running, recorded, target), target)}
}

/** Everything that runs and every route that is recorded; a record that nobody can read, or of a key not its own, is none. */
export async function knownRoutes(deps: RouteDeps, store: RouteStore, target: Target = {}): Promise<KnownRoutes> {
  const {lattice} = deps.spec
  if (isPlain(target)) {
    const entity = await plainEntity(target, store)
    const stored = await store.get(routeKey(entity))
    return {lattice, entities: [entity], routes: stored === undefined ? [] : [stored]}
  }
  const [running, routes] = await Promise.all([whatRuns(deps, target), store.list({readable: true})])
  return {lattice, ...tellOfFile(deps, withAll(running, routes, target), target), routes: routes.filter(isOfItsKey)}
}

/** Everything that runs, is recorded and is live, all asked for at once. */
export async function readKnown(
  deps: RouteDeps,
  target: Target = {},
  options: {readonly lenient?: boolean} = {},
): Promise<{readonly reader: Reader; readonly known: KnownRoutes}> {
  const store = await openStore(deps.connection, deps.spec, deps.access?.state)
  const [reader, known] = await Promise.all([openReader(deps, store, options), knownRoutes(deps, store, target)])
  return {reader, known}
}

interface Running {
  readonly entities: readonly Entity[]
  readonly services: readonly ServiceEntity[]
  readonly heard?: readonly string[]
  /** The file that declares services. */
  readonly file?: FoundServices | undefined
  /** The services that only the file knows. */
  readonly declared?: readonly ServiceEntity[]
}

async function whatRuns(deps: RouteDeps, {ref, sources = []}: Target): Promise<Running> {
  const {connection, spec} = deps
  const given = ref !== undefined && sources.length > 0 ? {sources: {service: ref.name, texts: sources}} : {}
  const {lattice, timeoutMs, inboxPrefix} = spec
  const known = inboxPrefix === undefined ? {} : {inboxPrefix}
  const file = await readDeclared(deps)
  const wanted = namedServices(file?.services ?? [], ref)
  const [{entities}, services, all] = await Promise.all([
    discoverQuickly(deps),
    discoverServices(connection, {lattice, timeoutMs, declared: file?.services ?? [], ...known, ...given}).catch(
      noneIfForbidden,
    ),
    declaredEntities(deps, wanted),
  ])
  const declared = all.filter(({name}) => !services.some((service) => service.name === name))
  return {
    entities: [...entities, ...services],
    services,
    ...(await heardBehind(deps, services, ref)),
    ...(file === undefined ? {} : {file, declared}),
  }
}

/** Whoever did not name the file is told which it is where it matters. */
function tellOfFile(deps: RouteDeps, {file, ...known}: Found, {ref}: Target): Omit<Found, 'file'> {
  if (file?.found === true) {
    const names = new Set(namedServices(file.services, ref).map(({name}) => name))
    const used = known.entities.some(({kind, key}) => kind === 'service' && names.has(key))
    deps.access?.services?.tell?.({file: file.file, used})
  }
  return known
}

/** Who listens on what a service's wildcard source would catch, as far as the system account can tell. */
async function heardBehind(
  {spec, system}: RouteDeps,
  services: readonly ServiceEntity[],
  ref: EntityRef | undefined,
): Promise<Pick<Running, 'heard'>> {
  const sources = services
    .filter(({name}) => ref === undefined || ref.name === name)
    .flatMap(({endpoints = []}) => endpoints.flatMap(({source}) => (isLiteralSubject(source) ? [] : [source])))
  if (sources.length === 0 || !hasSystemCredentials(spec)) return {}
  const account = await accountOf(spec).catch(() => undefined)
  if (account === undefined) return {}
  const client = await system()
  const found = await Promise.all(sources.map((subject) => readSubscribers(client, {account, subject})))
  return {heard: found.flat().map(({subject}) => subject)}
}

/** Who may not ask for services routes none. */
function noneIfForbidden(error: unknown): ServiceEntity[] {
  if (error instanceof NoPermissionError) return []
  throw error
}

type Found = Omit<Known, 'lattice'> & Pick<Running, 'file'>

function withAll(
  {entities, services, heard, file, declared = []}: Running,
  stored: readonly StoredRoute[],
  {ref}: Target,
): Found {
  const records = stored.filter(isOfItsKey)
  const only = file?.services.filter(({name}) => declared.some((one) => one.name === name)) ?? []
  const listed = declared.map((service) => {
    const record = records.find(({key}) => key === routeKey(service))
    return {...service, ...routableEntity(service, [], {stored: record, known: {declared: only}}).entity}
  })
  const idle = listed.filter(
    (one) => ref === undefined && !isSeen(one) && !records.some(({key}) => key === routeKey(one)),
  )
  const routed = services.map((service) => {
    const record = records.find(({key}) => key === routeKey(service))
    return {...service, ...routableEntity(service, [], {stored: record, known: {services}}).entity}
  })
  const running = [
    ...entities.map((entity) => routed.find((service) => sameEntity(service, entity)) ?? entity),
    ...listed.filter((one) => !idle.includes(one)),
  ]
  const absent = records.map(recordedEntity).filter((entity) => !running.some((known) => sameEntity(known, entity)))
  return {
    entities: withKeys([...running, ...absent], [ref]),
    services,
    ...(heard === undefined ? {} : {heard}),
    ...(file === undefined ? {} : {file, declared: only, idle}),
  }
}

function isSeen({instances}: Entity): boolean {
  return instances.some(({count}) => count > 0)
}

/** The entity that is meant: the one named, else the only one that has a route. */
export function requireRouted(target: Target, known: KnownRoutes, command: string): Entity {
  const {ref} = target
  if (isPlain(target)) return known.entities[0]!
  if (ref !== undefined) return requireEntity(ref, known.entities, known.lattice)
  const recorded = known.entities.filter((entity) => routeOf(entity, known) !== undefined)
  const split = recorded.filter((entity) => routeOf(entity, known)!.record.legs.length > 0)
  const routed = split.length > 0 ? split : recorded
  if (routed.length === 1) return routed[0]!
  if (routed.length === 0) throw new NoRouteError(undefined, known.lattice)
  throw new AmbiguousError(`${routed.length} entities of lattice '${known.lattice}' have routes and none was named.`, {
    suggestions: routed.map((entity) => `lattice route ${command} ${entityName(entity)}`),
    details: {lattice: known.lattice, candidates: routed.map(entityName)},
  })
}

/** The record of an entity's route, if there is one. */
export function routeOf(entity: Entity, {routes}: Pick<KnownRoutes, 'routes'>): StoredRoute | undefined {
  return routes.find(({key}) => key === routeKey(entity))
}

/** The record of an entity's route, read anew; one that cannot be read is an UnreadableRouteError unless it may be replaced. */
export async function readStored(
  store: RouteStore,
  entity: Entity,
  {repair}: Pick<ChangeOptions, 'repair'>,
): Promise<Pick<WantedRoute, 'stored' | 'unreadable'>> {
  try {
    return {stored: await store.get(routeKey(entity))}
  } catch (error) {
    if (!(error instanceof UnreadableRouteError) || !repair) throw error
    return {stored: undefined, unreadable: error.revision}
  }
}

/** Nothing is recorded about a route of that entity, or of any. */
export class NoRouteError extends NotFoundError {
  constructor(entity: Entity | undefined, lattice: string) {
    super(
      entity === undefined
        ? `No route is recorded in lattice '${lattice}'.`
        : `No route of '${entityName(entity)}' is recorded in lattice '${lattice}'.`,
      {suggestions: ['lattice route ls', 'lattice entity ls'], details: {lattice}},
    )
  }
}

/** Hosts do not say how many they are, but the system account can tell: that saves the wait for the last one. */
async function discoverQuickly({control, spec, system}: RouteDeps): Promise<Discovery> {
  const account = hasSystemCredentials(spec) ? await accountOf(spec).catch(() => undefined) : undefined
  if (account === undefined) return discover(control)
  const {ping} = controlSubjects(spec.lattice)
  const listening = await system()
    .then((client) => readSubscribers(client, {account, subject: ping}))
    .catch(() => [])
  const hosts = listening.filter(({subject, queue}) => subject === ping && queue === undefined).length
  return discover(control, hosts === 0 ? {} : {expect: hosts})
}

/** Records are proposals: whoever may write them must not make up entities. */
function isOfItsKey(stored: StoredRoute): boolean {
  return (
    isNamed(stored.record) &&
    (stored.record.endpoints ?? []).every(isListed) &&
    routeKey(recordedEntity(stored)) === stored.key
  )
}

function isNamed({kind, key, link, endpoints = []}: StoredRoute['record']): boolean {
  switch (kind) {
    case 'actor':
    case 'provider':
      return isPublicKey(key, kind === 'actor' ? 'M' : 'V') && (link === undefined || /^[A-Za-z0-9_-]+$/.test(link))
    case 'service':
      return /^[A-Za-z0-9_-]+$/.test(key) && endpoints.length > 0
    case 'subject':
      return endpoints.length === 1 && endpoints[0]!.source === key
  }
}

/** Its versions and subjects can at least be such. */
function isListed({source, addresses}: NonNullable<StoredRoute['record']['endpoints']>[number]): boolean {
  return (
    isSubject(source) &&
    Object.entries(addresses).every(([version, address]) => isVersion(version) && isSubject(address))
  )
}

function sameEntity(left: Entity, right: Entity): boolean {
  return routeKey(left) === routeKey(right)
}

function withKeys(entities: readonly Entity[], refs: readonly (EntityRef | undefined)[]): Entity[] {
  const named = refs.flatMap((ref) => (ref === undefined ? [] : entityOfKey(ref)))
  return [...entities, ...named.filter((entity) => !entities.some((known) => sameEntity(known, entity)))]
}

function entityOfKey({name, link = 'default'}: EntityRef): Entity[] {
  if (isPublicKey(name, 'M')) return [{kind: 'actor', key: name, name, instances: []}]
  return isPublicKey(name, 'V') ? [{kind: 'provider', key: name, name, link, instances: []}] : []
}
