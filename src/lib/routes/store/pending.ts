import type {PendingChange} from '../../apply/config-map-driver.js'
import {entityName} from '../../entity/require.js'
import {endpointsOf} from '../../routing/endpoint.js'
import {planRoute} from '../../routing/plan.js'
import {recordedEntity} from '../target.js'
import type {RouteStore, StoredRoute} from './store.js'

/** The changes of which records say that they were handed over, and not that they are live. */
export async function pendingChanges(store: RouteStore, lattice: string): Promise<PendingChange[]> {
  const stored = await store.list({readable: true})
  return stored.filter(({record}) => record.state === 'applying').map((one) => pendingChange(lattice, one))
}

function pendingChange(lattice: string, stored: StoredRoute): PendingChange {
  const entity = recordedEntity(stored)
  const {legs} = stored.record
  const plans = legs.length === 0 ? [] : planRoute(lattice, entity, legs)
  return {
    name: entityName(entity),
    change: endpointsOf(lattice, entity).map(({source}) => ({
      source,
      destinations: plans.find((plan) => plan.source === source)?.destinations,
    })),
  }
}
