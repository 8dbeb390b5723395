import type {NatsConnection} from '@nats-io/transport-node'

import type {ControlClient} from '../control/client.js'
import {discover} from '../control/discover.js'
import {byText} from '../control/order.js'
import type {Entity, EntityRef} from '../entity/entity.js'
import {requireEntity} from '../entity/require.js'
import type {ServiceEntity} from '../services/service.js'
import {readServices} from './services.js'

export interface EntityList {
  readonly lattice: string
  /** Of hosts, and micro services. */
  readonly entities: readonly (Entity | ServiceEntity)[]
  /** Hosts that answered a ping and then did not show what they run. */
  readonly silent: readonly string[]
  /** Why micro services are not among them, in a sentence. */
  readonly hidden?: string
}

/** Everything that runs, sorted by name; an empty list is no error. */
export async function listEntities(control: ControlClient, connection: NatsConnection): Promise<EntityList> {
  const [{entities, silent}, {services, ...rest}] = await Promise.all([
    discover(control),
    readServices(control, connection),
  ])
  const all = [...entities, ...services].sort((a, b) => byText(a.name, b.name) || byText(a.key, b.key))
  return {lattice: control.lattice, entities: all, silent, ...rest}
}

/** The one entity of all that run that a reference means; throws when it means none or several. */
export async function inspectEntity(
  control: ControlClient,
  connection: NatsConnection,
  ref: EntityRef,
): Promise<Entity | ServiceEntity> {
  const {entities} = await listEntities(control, connection)
  return requireEntity(ref, entities, control.lattice)
}
