import type {ServerIdentity} from '../nats/system.js'
import type {Destination} from '../routing/plan.js'

/** A change of one source of a mapping table; `undefined` destinations remove the mapping. */
export interface MappingChange {
  readonly source: string
  readonly destinations: readonly Destination[] | undefined
}

/** How one server stands to a change. */
export interface ServerOutcome {
  readonly server: Pick<ServerIdentity, 'name' | 'id'>
  /**
   * `applied`: the whole table is live there. `stored`: nobody uses the account there, and the new table is what it will
   * load. `differs`: another table is live. `refused`: it said no. `missing`: it did not answer.
   */
  readonly outcome: 'applied' | 'stored' | 'differs' | 'refused' | 'missing'
  /** Why, where it is neither applied nor stored. */
  readonly reason?: string
}
