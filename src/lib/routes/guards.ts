import {formatRef} from '../entity/entity.js'
import {entityName} from '../entity/require.js'
import {ConflictError} from '../errors.js'
import {mappingDigest, sameLegs} from '../routing/plan.js'
import {judgeRecord} from './before.js'
import {changesOf, presentRevision, type ChangeOptions, type ChangePlan, type WantedRoute} from './draft.js'
import {DriftedRouteError, PlanMovedError} from './failure.js'
import type {Session} from './session.js'

/** Replacing what somebody else made is to be said. */
export function refuseDrift({deps}: Session, {wanted: {entity, stored}, before, options}: ChangePlan): void {
  const record = stored?.record
  const state = judgeRecord(record, before)
  if (options.repair || (state !== 'drifted' && (state !== 'foreign' || isUnrecorded(deps)))) return
  throw new DriftedRouteError(entity, state, {record, before})
}

/** True where nothing is recorded, so that everything is there as somebody else's. */
export function isUnrecorded({access}: Session['deps']): boolean {
  return access?.state?.kind === 'none'
}

/** A plan holds for the world that it was made for, and for the result that it showed; done twice, it is done. */
export function refuseOtherWorld(plan: ChangePlan): void {
  const {wanted, before} = plan
  const {entity, planned, stored} = wanted
  if (planned === undefined) return
  const after = mappingDigest(changesOf(plan))
  if (formatRef(entity) !== planned.entity) throw new PlanMovedError(entity, [`it is for '${planned.entity}'`])
  if (after !== planned.after) throw new PlanMovedError(entity, ['it would come to another mapping'])
  const done = before.digest === planned.after && judgeRecord(stored?.record, before) === 'current'
  const live = before.digest === planned.before && sameLegs(before.legs ?? [], planned.previous ?? [])
  const moved = [
    ...(presentRevision(wanted) === planned.revision ? [] : [`its record is at revision ${presentRevision(wanted)}`]),
    ...(live ? [] : ['another mapping is live']),
  ]
  if (!done && moved.length > 0) throw new PlanMovedError(entity, moved)
}

/** What was planned elsewhere holds only while the record is the one that was planned on. */
export function refuseOtherRevision(wanted: WantedRoute, {revision}: ChangeOptions): void {
  const {entity} = wanted
  const present = presentRevision(wanted)
  if (revision === undefined || revision === present) return
  throw new ConflictError(
    `The route of '${entityName(entity)}' is at revision ${present}, not ${revision}, and nothing was changed.`,
    {
      suggestions: [`lattice route show ${entityName(entity)}`],
      details: {entity: entity.name, key: entity.key, expected: revision, revision: present},
    },
  )
}
