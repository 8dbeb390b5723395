import {LatticeError} from '../errors.js'
import {routeKey} from '../routing/source.js'
import {applyingRecord, formerRecord, liveRecord, presentRevision, type ChangePlan} from './draft.js'
import {unrecorded} from './failure.js'
import {serverNow, type Session} from './session.js'

/** A plan whose record says `applying` by now. */
export interface BegunPlan {
  readonly plan: ChangePlan
  readonly record: ReturnType<typeof applyingRecord>
  readonly revision: number
}

/** Writes the records `applying`, all or none; throws a RouteMovedError. */
export async function beginRecords(session: Session, plans: readonly ChangePlan[]): Promise<BegunPlan[]> {
  const begun: BegunPlan[] = []
  for (const plan of plans) {
    const record = applyingRecord(session, plan)
    const key = routeKey(plan.wanted.entity)
    try {
      begun.push({plan, record, revision: await session.store.put(key, record, presentRevision(plan.wanted))})
    } catch (error) {
      await restoreRecords(session, begun)
      throw error
    }
  }
  return begun
}

/** Writes the records `live` and returns their revisions; throws an UnrecordedError. */
export async function endRecords(
  session: Session,
  begun: readonly BegunPlan[],
  {servers, durationMs}: {readonly servers: readonly string[]; readonly durationMs: number},
): Promise<number[]> {
  const revisions: number[] = []
  for (const {plan, record, revision} of begun) {
    const {entity} = plan.wanted
    try {
      revisions.push(await session.store.put(routeKey(entity), liveRecord(record, servers, durationMs), revision))
    } catch (error) {
      throw unrecorded(entity, error)
    }
  }
  return revisions
}

/** The records stay `applying`, and nobody is at them any more: `route verify` or the next change completes them. */
export function releaseRecords(session: Session, begun: readonly BegunPlan[]): Promise<number[]> {
  const deadline = new Date(serverNow(session)).toISOString()
  return Promise.all(
    begun.map(({plan, record, revision}) =>
      session.store.put(routeKey(plan.wanted.entity), {...record, deadline}, revision),
    ),
  )
}

/** A record that cannot be restored stays `applying` and is healed by the next command. */
export async function restoreRecords(session: Session, begun: readonly BegunPlan[]): Promise<void> {
  for (const {plan, revision} of begun) {
    try {
      await session.store.put(routeKey(plan.wanted.entity), formerRecord(session, plan), revision)
    } catch (error) {
      if (!(error instanceof LatticeError)) throw error
    }
  }
}
