import type {Version} from '../../entity/version.js'
import {diffLegs} from '../../routing/plan.js'
import type {RecordState} from '../before.js'
import type {RouteView} from './view.js'

/** How the record of one route differs from what is live. */
export interface RouteDifference {
  readonly entity: string
  readonly key: string
  readonly state: RecordState | 'unknown'
  readonly differs: boolean
  /** Null where mappings are not visible. */
  readonly legs:
    | readonly {
        readonly version: Version
        readonly cluster?: string
        readonly sink?: true
        readonly recorded: number
        readonly live: number
      }[]
    | null
  /** True when a source leads to subjects that are no versions of the entity. */
  readonly foreign: boolean
  /** Servers that have another table than most, or than the record. */
  readonly servers: readonly string[]
}

/** Compares what is recorded of a route with what is live. */
export function differenceOf({entity, key, state, recorded, effective}: RouteView): RouteDifference {
  const servers = effective.visible
    ? effective.servers.filter((server) => server.state === 'differs').map(({name}) => name)
    : []
  const foreign = effective.visible && effective.mappings !== null && effective.legs === null
  const legs = effective.visible
    ? diffLegs(recorded?.legs ?? [], effective.legs ?? []).map(({before, after, ...leg}) => ({
        ...leg,
        recorded: before,
        live: after,
      }))
    : null
  const differs = (legs?.length ?? 0) > 0 || foreign || servers.length > 0 || state === 'interrupted'
  return {entity, key, state, differs, legs, foreign, servers}
}
