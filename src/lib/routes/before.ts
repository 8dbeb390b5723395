import type {Entity} from '../entity/entity.js'
import type {RouteRecord} from '../records/route.js'
import type {AccountToken} from '../routing/account-jwt.js'
import {predictTable} from '../routing/effective.js'
import {legsOf, mappingDigest, type Destination} from '../routing/plan.js'
import {sourceOf} from '../routing/source.js'
import type {Leg} from '../routing/weights.js'

/** What the token says about an entity's source before a change. */
export interface RouteBefore {
  readonly source: string
  /** Undefined when the source is not mapped. */
  readonly destinations?: readonly Destination[]
  /** Undefined when the source is not mapped, or not to a whole split over versions of the entity. */
  readonly legs?: readonly Leg[]
  readonly digest: string
}

/** Reads the present route of an entity from the token, which is the truth; the record is not. */
export function readBefore(token: AccountToken, lattice: string, entity: Entity): RouteBefore {
  const source = sourceOf(lattice, entity)
  const destinations = predictTable(token.mappings).get(source)
  const legs = destinations && legsOf(lattice, entity, destinations)
  return {
    source,
    ...(destinations && {destinations}),
    ...(legs && {legs}),
    digest: mappingDigest(source, destinations ?? []),
  }
}

/**
 * How a record stands to the token. `current`: it tells what is there. `interrupted`: a change was begun and not
 * completed. `drifted`: the mapping is not the one that was applied. `foreign`: nobody recorded the mapping at all.
 */
export type RecordState = 'current' | 'interrupted' | 'drifted' | 'foreign' | 'none'

/** Compares a record with what the token says. */
export function judgeRecord(record: RouteRecord | undefined, before: RouteBefore): RecordState {
  if (record === undefined) return before.destinations === undefined ? 'none' : 'foreign'
  if (record.state === 'live') return record.digest === before.digest ? 'current' : 'drifted'
  return before.digest === record.digest || before.digest === record.replacedDigest ? 'interrupted' : 'drifted'
}
