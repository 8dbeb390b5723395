import type {NatsConnection} from '@nats-io/transport-node'

import type {ControlClient} from '../control/client.js'
import {discover} from '../control/discover.js'
import {byText} from '../control/order.js'
import type {Entity, EntityRef} from '../entity/entity.js'
import {requireEntity} from '../entity/require.js'
import type {DeclaredServices} from '../routes/declared.js'
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
export async function listEntities(
  control: ControlClient,
  connection: NatsConnection,
  declared?: DeclaredServices,
): Promise<EntityList> {
  const {entities, ...rest} = await listAll(control, connection, declared)
  // A file may declare what nobody runs.
  return {...rest, entities: entities.filter((one) => !isDeclared(one) || one.instances.some(({count}) => count > 0))}
}

function isDeclared(entity: Entity | ServiceEntity): boolean {
  return 'service' in entity && entity.service.declared !== undefined
}

async function listAll(
  control: ControlClient,
  connection: NatsConnection,
  declared: DeclaredServices | undefined,
): Promise<EntityList> {
  const [{entities, silent}, {services, ...rest}, others = []] = await Promise.all([
    discover(control),
    readServices(control, connection, {services: declared?.services ?? []}),
    declared?.entities(),
  ])
  const only = others.filter(({name}) => !services.some((service) => service.name === name))
  const all = [...entities, ...services, ...only].sort((a, b) => byText(a.name, b.name) || byText(a.key, b.key))
  return {lattice: control.lattice, entities: all, silent, ...rest}
}

/** The one entity of all that run that a reference means; throws when it means none or several. */
export async function inspectEntity(
  control: ControlClient,
  connection: NatsConnection,
  {ref, declared}: {readonly ref: EntityRef; readonly declared?: DeclaredServices | undefined},
): Promise<Entity | ServiceEntity> {
  const {entities} = await listAll(control, connection, declared)
  return requireEntity(ref, entities, control.lattice)
}
