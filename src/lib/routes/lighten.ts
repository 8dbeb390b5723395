import type {ControlClient} from '../control/client.js'
import type {Entity, Instance} from '../entity/entity.js'
import {entityName} from '../entity/require.js'
import {LatticeError} from '../errors.js'
import type {Leg} from '../routing/weights.js'

/**
 * Lets the dark versions that have weight now listen on the source too, so that the route can be cleared some day. Only
 * after the route was verified: before it they would take traffic by surprise. Returns what did not work, a sentence each.
 */
export async function lightenLegs(control: ControlClient, entity: Entity, legs: readonly Leg[]): Promise<string[]> {
  const dark = entity.instances.filter(({dark, version}) => dark && legs.some((leg) => leg.version === version))
  // Providers listen as they were started.
  if (entity.kind !== 'actor') return []
  const warnings = await Promise.all(dark.map((instance) => lighten(control, entity, instance)))
  return warnings.flat()
}

async function lighten(control: ControlClient, entity: Entity, {host, version, count}: Instance): Promise<string[]> {
  try {
    // Without a reference: what was stopped meanwhile stays stopped.
    await control.scaleActor(host, {key: entity.key, ref: '', count, version: version!, dark: false})
    return []
  } catch (error) {
    if (!(error instanceof LatticeError)) throw error
    return [`'${entityName(entity)}@${version ?? '?'}' stays dark on host ${host}: ${error.message}`]
  }
}
