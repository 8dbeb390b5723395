import type {NatsConnection} from '@nats-io/transport-node'

import type {ControlClient} from '../control/client.js'
import type {LatticeError} from '../errors.js'
import {ConnectionError} from '../errors.js'
import {discoverServices} from '../services/discover.js'
import type {ServiceEntity} from '../services/service.js'
import type {DeclaredService} from '../services/services-file.js'

/** A list waits for services no longer than twice what it waits for the last host. */
const firstMs = 600
/** Whoever names one wants it, and is told at once where nobody listens. */
const firstOfOneMs = 2000

/** The micro services beside the hosts of a lattice. */
export interface ServiceList {
  readonly services: readonly ServiceEntity[]
  /** Why they cannot be seen, in a sentence. */
  readonly hidden?: string
}

/** The services of a lattice; who may not ask for them has none, and is told. */
export async function readServices(
  control: ControlClient,
  connection: NatsConnection,
  {name, services = []}: {readonly name?: string; readonly services?: readonly DeclaredService[]} = {},
): Promise<ServiceList> {
  const target = {lattice: control.lattice, timeoutMs: control.leftMs, declared: services}
  const wait = name === undefined ? {firstMs} : {firstMs: firstOfOneMs, name}
  try {
    return {services: await discoverServices(connection, {...target, ...wait})}
  } catch (error) {
    if (!isForbidden(error)) throw error
    return {services: [], hidden: `Micro services are not shown. ${error.message}`}
  }
}

/** True for what this user has no permission to ask. */
export function isForbidden(error: unknown): error is LatticeError {
  return error instanceof ConnectionError && error.details['reason'] === 'no-permission'
}
