import type {ControlClient} from '../control/client.js'
import {discover} from '../control/discover.js'
import type {Entity} from '../entity/entity.js'

export interface EntityList {
  readonly lattice: string
  readonly entities: readonly Entity[]
  /** Hosts that answered a ping and then did not show what they run. */
  readonly silent: readonly string[]
}

/** Everything that runs, sorted by name; an empty list is no error. */
export async function listEntities(control: ControlClient): Promise<EntityList> {
  const {entities, silent} = await discover(control)
  return {lattice: control.lattice, entities, silent}
}
