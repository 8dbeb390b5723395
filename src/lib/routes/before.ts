import type {TableView} from '../apply/driver.js'
import type {Entity} from '../entity/entity.js'
import type {RouteRecord} from '../records/route.js'
import {predictTable} from '../routing/effective.js'
import {endpointsOf, type Routed} from '../routing/endpoint.js'
import {legsOf, mappingDigest, sameLegs, type EndpointMapping} from '../routing/plan.js'
import type {Leg} from '../routing/weights.js'

/** What token or file say about an entity's sources before a change. */
export interface RouteBefore {
  /** One an endpoint. */
  readonly mappings: readonly EndpointMapping[]
  /** True when any of the sources is mapped. */
  readonly mapped: boolean
  /** Undefined when the sources are not mapped, or not to one whole split over versions of the entity. */
  readonly legs?: readonly Leg[]
  readonly digest: string
}

/** Reads the present route of an entity from token or file, which is the truth; the record is not. */
export function readBefore({mappings}: Pick<TableView, 'mappings'>, lattice: string, entity: Routed): RouteBefore {
  const table = predictTable(mappings)
  const present = endpointsOf(lattice, entity).map(({source}) => ({source, destinations: table.get(source)}))
  const legs = legsOf(lattice, entity, present)
  return {
    mappings: present,
    mapped: present.some(({destinations}) => destinations !== undefined),
    ...(legs && {legs}),
    digest: mappingDigest(present),
  }
}

/**
 * How a record stands to the truth. `current`: it tells what is there. `interrupted`: a change was begun and not
 * completed. `drifted`: the mapping is not the one that was applied. `foreign`: nobody recorded the mapping at all.
 */
export type RecordState = 'current' | 'interrupted' | 'drifted' | 'foreign' | 'none'

/** Compares a record with what token or file say. */
export function judgeRecord(record: RouteRecord | undefined, before: RouteBefore): RecordState {
  if (record === undefined) return before.mapped ? 'foreign' : 'none'
  if (record.state === 'live') return record.digest === before.digest && isOwn(record, before) ? 'current' : 'drifted'
  return before.digest === record.digest || before.digest === record.replacedDigest ? 'interrupted' : 'drifted'
}

/** A record of subjects that names others than those that are live is not the one that was written for them. */
function isOwn({lattice, kind, key, legs, endpoints}: RouteRecord, {mappings}: RouteBefore): boolean {
  if (endpoints === undefined || legs.length === 0) return true
  const listed = endpoints.map(({source, addresses}) => ({source, addresses}))
  const live = legsOf(lattice, {kind, key, endpoints: listed}, mappings)
  return live !== undefined && sameLegs(live, legs)
}

/** The source that stands for an entity in short texts: its first. */
export function mainSource(lattice: string, entity: Entity): string {
  return endpointsOf(lattice, entity)[0]?.source ?? entity.key
}
