import {holds, type TableView} from '../../apply/driver.js'
import {formatRef, type Entity, type ListedEndpoint} from '../../entity/entity.js'
import type {Version} from '../../entity/version.js'
import type {ObservedSplit} from '../../observe/split.js'
import type {RouteRecord} from '../../records/route.js'
import {endpointsOf} from '../../routing/endpoint.js'
import {legsOf, type MappingPlan} from '../../routing/plan.js'
import type {Leg} from '../../routing/weights.js'
import {judgeRecord, mainSource, readBefore, type RecordState} from '../before.js'
import type {StoredRoute} from '../store/store.js'

/** What is live, as far as this connection may see it. */
export type EffectiveRoute =
  | {readonly visible: false; readonly reason: string}
  | {
      readonly visible: true
      /** Null: not mapped, or not to a whole split over versions. */
      readonly legs: readonly Leg[] | null
      /** The live shares of each source, remainder written out; null when none of them is mapped. */
      readonly mappings: readonly MappingPlan[] | null
      /** True when all servers that run the account have the token's mapping. */
      readonly agrees: boolean
      readonly servers: readonly {readonly name: string; readonly state: 'applied' | 'stored' | 'differs'}[]
      /** There where nobody can be asked: what a control plane was told to give the servers. */
      readonly unseen?: true
    }

/** The recorded side of a route. */
export interface RecordedRoute {
  readonly legs: readonly Leg[]
  readonly replaced: readonly Leg[]
  readonly strategy: string
  readonly state: 'applying' | 'live'
  readonly driver: string
  readonly when: string
  readonly who: RouteRecord['who']
  readonly why?: string
  /** When it goes back to `restores`, by server time. */
  readonly expiresAt?: string
  readonly restores?: readonly Leg[]
  readonly revision: number
}

/** One entity's route as `route show` and `route ls` tell it. */
export interface RouteView {
  readonly entity: string
  readonly key: string
  readonly link?: string
  readonly lattice: string
  readonly source: string
  /** Of a service or subject: every source, with the subject of each version. */
  readonly endpoints?: readonly ListedEndpoint[]
  /** `unknown` where mappings are not visible; else how the record stands to what is live. */
  readonly state: RecordState | 'unknown'
  readonly recorded?: RecordedRoute
  readonly effective: EffectiveRoute
  /** Without a mapping: how the subscriptions on the source split the traffic by themselves. */
  readonly implicit?: readonly {readonly version?: Version; readonly share: number}[]
  /** What the versions really got, where that was counted. */
  readonly observed?: ObservedSplit
  /** Why it could not be counted. */
  readonly unobserved?: string
}

const notVisible = 'mappings not visible without system credentials'

/** Tells record and live mapping of one entity apart. */
export function routeView(
  lattice: string,
  entity: Entity,
  {
    stored,
    view,
    hidden,
  }: {
    readonly stored: StoredRoute | undefined
    readonly view: TableView | undefined
    readonly hidden?: string | undefined
  },
): RouteView {
  const effective = view === undefined ? unseen(hidden) : effectiveRoute(lattice, entity, view)
  const implicit = effective.visible && effective.mappings === null ? implicitSplit(entity) : []
  return {
    entity: formatRef(entity),
    key: entity.key,
    ...(entity.link === undefined ? {} : {link: entity.link}),
    lattice,
    source: mainSource(lattice, entity),
    ...(entity.endpoints === undefined ? {} : {endpoints: entity.endpoints}),
    state: view === undefined ? 'unknown' : judgeRecord(stored?.record, readBefore(view, lattice, entity)),
    ...(stored === undefined ? {} : {recorded: recordedRoute(stored)}),
    effective,
    ...(implicit.length > 1 ? {implicit} : {}),
  }
}

/** Why nothing is known of what is live. */
function unseen(hidden: string = notVisible): EffectiveRoute {
  return {visible: false, reason: hidden}
}

function effectiveRoute(lattice: string, entity: Entity, view: TableView): EffectiveRoute {
  const sources = endpointsOf(lattice, entity).map(({source}) => source)
  const wanted = readBefore(view, lattice, entity).mappings
  const servers = view.servers.map(({server, live}) => {
    const state = live === undefined ? 'stored' : holds(live.table, wanted) ? 'applied' : 'differs'
    return {name: server.name, state, table: live?.table} as const
  })
  const differing = servers.find(({state}) => state === 'differs')
  const present = sources.map((source) => ({
    source,
    destinations: (differing?.table ?? new Map(wanted.map((one) => [one.source, one.destinations]))).get(source),
  }))
  const mapped = present.flatMap(({source, destinations}) => (destinations ? [{source, destinations}] : []))
  return {
    visible: true,
    legs: legsOf(lattice, entity, present) ?? null,
    mappings: mapped.length === 0 ? null : mapped,
    agrees: differing === undefined,
    servers: servers.map(({name, state}) => ({name, state})),
    ...(view.unseen === true ? {unseen: true} : {}),
  }
}

function recordedRoute({record, revision}: StoredRoute): RecordedRoute {
  const {legs, replaced, strategy, state, driver, when, who, why, expiresAt, restores} = record
  return {
    legs,
    replaced,
    strategy,
    state,
    driver,
    when,
    who,
    ...(why === undefined ? {} : {why}),
    ...(expiresAt === undefined ? {} : {expiresAt}),
    ...(restores === undefined ? {} : {restores}),
    revision,
  }
}

/** Each host subscribes once a version, and the server picks among subscriptions evenly. */
function implicitSplit({instances}: Entity): {version?: Version; share: number}[] {
  const light = instances.filter(({dark}) => !dark)
  const versions = [...new Set(light.map(({version}) => version))]
  return versions.map((version) => {
    const mine = light.filter((instance) => instance.version === version).length
    return {...(version === undefined ? {} : {version}), share: Math.round((mine / light.length) * 1000) / 10}
  })
}
