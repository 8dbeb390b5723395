import type {Entity} from '../../entity/entity.js'
import {entityName, shellWord} from '../../entity/require.js'
import {UnsafeError} from '../../errors.js'
import type {ChangePlan} from '../draft.js'
import {lightVersions} from '../result.js'

/**
 * Refuses a route for some time that could not be put back: over a mapping that is no split of ours, or over versions
 * that share the source by chance.
 */
export function refuseOneWay({wanted: {entity, stored}, before, options}: ChangePlan): void {
  // What goes back is what was there before the temporary route that is there now.
  if (options.expiresAt === undefined || stored?.record.expiresAt !== undefined) return
  const light = lightVersions(entity)
  if (before.mapped && before.legs === undefined) {
    throw new NoWayBackError(entity, 'its mapping is no split over its versions', ['lattice route show'])
  }
  if (!before.mapped && light.length > 1 && options.share !== true) {
    throw new NoWayBackError(
      entity,
      `its versions ${light.join(', ')} share the traffic by their number of subscribers`,
      light.map((version) => `lattice route bluegreen ${entityName(entity)} --to ${shellWord(version)}`),
    )
  }
}

/** What is there now could not be put back. */
export class NoWayBackError extends UnsafeError {
  constructor(entity: Entity, reason: string, suggestions: readonly string[]) {
    super(`What '${entityName(entity)}' has now could not be put back: ${reason}.`, {
      suggestions,
      details: {entity: entity.name, key: entity.key, rule: 'one-way'},
    })
  }
}
