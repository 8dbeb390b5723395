import type {ServerOutcome} from '../apply/driver.js'
import {applyingRecord, liveRecord, type ChangePlan} from './draft.js'
import {lightenLegs} from './lighten.js'
import {changeResult, type RouteChange} from './result.js'
import type {Session} from './session.js'

/** What is live may be wanted for another time than before: that is a matter of the record alone. */
export async function settleRecord(
  session: Session,
  plan: ChangePlan,
  outcomes: readonly ServerOutcome[],
): Promise<RouteChange> {
  const {wanted, options} = plan
  const {stored} = wanted
  if (stored === undefined) return changeResult(session, plan, {changed: false, outcomes})
  const {record, revision} = stored
  if (record.expiresAt === options.expiresAt) return changeResult(session, plan, {changed: false, outcomes, revision})
  const settled = applyingRecord(session, plan)
  if (options.dryRun) return changeResult(session, plan, {changed: true, outcomes, revision, record: settled})
  const written = await session.store.put(stored.key, liveRecord(settled, record.servers), revision)
  const warnings = await lightenPlan(session, plan)
  const told = {...plan, warnings: [...plan.warnings, ...warnings]}
  return changeResult(session, told, {changed: true, outcomes, revision: written})
}

/** What is dark stays so for as long as the route may go back by itself: then the version listens nowhere else. */
export function lightenPlan({deps}: Session, {wanted: {entity, legs}, options}: ChangePlan): Promise<string[]> {
  return options.expiresAt === undefined ? lightenLegs(deps.control, entity, legs) : Promise.resolve([])
}
