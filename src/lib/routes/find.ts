import {discover, type Discovery} from '../control/discover.js'
import {controlSubjects} from '../control/subjects.js'
import type {Entity, EntityRef, ListedEndpoint} from '../entity/entity.js'
import {entityName, requireEntity} from '../entity/require.js'
import {AmbiguousError, NotFoundError} from '../errors.js'
import {isPublicKey} from '../keys/nkey.js'
import {accountOf} from '../nats/creds.js'
import {hasSystemCredentials} from '../nats/system.js'
import {routeKey} from '../routing/source.js'
import {isSubject} from '../routing/subject.js'
import type {ChangeOptions, WantedRoute} from './draft.js'
import type {Known} from './infer.js'
import {readSubscribers} from './preflight.js'
import type {RouteDeps} from './session.js'
import {UnreadableRouteError, type RouteStore, type StoredRoute} from './store.js'

/** What runs, and what is recorded; an entity of a record need not run. */
export interface KnownRoutes extends Known {
  readonly routes: readonly StoredRoute[]
}

/** Everything that runs. A reference that is a whole public key needs no host that shows it. */
export async function knownEntities(deps: RouteDeps, refs: readonly (EntityRef | undefined)[]): Promise<Known> {
  const {entities} = await discoverQuickly(deps)
  return {lattice: deps.spec.lattice, entities: withKeys(entities, refs)}
}

/** Everything that runs and every route that is recorded; a record that nobody can read, or of a key not its own, is none. */
export async function knownRoutes(
  deps: RouteDeps,
  store: RouteStore,
  ref: EntityRef | undefined,
): Promise<KnownRoutes> {
  const [{entities}, stored] = await Promise.all([discoverQuickly(deps), store.list({readable: true})])
  const routes = stored.filter(isOfItsKey)
  const recorded = routes.map(entityOfRecord).filter((entity) => !entities.some((known) => sameEntity(known, entity)))
  return {lattice: deps.spec.lattice, entities: withKeys([...entities, ...recorded], [ref]), routes}
}

/** The entity that is meant: the one named, else the only one that has a route. */
export function requireRouted(ref: EntityRef | undefined, known: KnownRoutes, command: string): Entity {
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

function entityOfRecord({record}: StoredRoute): Entity {
  const {kind, key, name, link, endpoints} = record
  return {
    kind,
    key,
    name,
    ...(link === undefined ? {} : {link}),
    ...(endpoints === undefined ? {} : {endpoints: endpoints.map(listed)}),
    instances: [],
  }
}

/** Records are proposals: whoever may write them must not make up entities. */
function isOfItsKey(stored: StoredRoute): boolean {
  return isNamed(stored.record) && routeKey(entityOfRecord(stored)) === stored.key
}

function isNamed({kind, key, link, endpoints = []}: StoredRoute['record']): boolean {
  switch (kind) {
    case 'actor':
    case 'provider':
      return isPublicKey(key, kind === 'actor' ? 'M' : 'V') && (link === undefined || /^[A-Za-z0-9_-]+$/.test(link))
    case 'service':
      return /^[A-Za-z0-9_-]+$/.test(key) && endpoints.every(({source}) => isSubject(source))
    case 'subject':
      return isSubject(key) && endpoints.length === 1 && endpoints[0]!.source === key
  }
}

function listed({source, addresses, queue}: NonNullable<StoredRoute['record']['endpoints']>[number]): ListedEndpoint {
  return {source, addresses, ...(queue === undefined ? {} : {queue})}
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
