import {
  isLive,
  SentUnknownError,
  type Applied,
  type TableChange,
  type TableView,
  type Verification,
} from '../apply/driver.js'
import {entityName} from '../entity/require.js'
import {ConflictError, LatticeError} from '../errors.js'
import {readBefore} from './before.js'
import {changesOf, type ChangePlan} from './draft.js'
import {NotLiveError, OvertakenError, RefusedPushError, SilentServersError, UnknownOutcomeError} from './failure.js'
import {absentServers, entitiesOf, isFine} from './outcomes.js'
import {probeChange} from './proof/probe.js'
import {beginRecords, endRecords, releaseRecords, restoreRecords, type BegunPlan} from './record-change.js'
import {changeResult, type RouteChange} from './result.js'
import type {Session} from './session.js'
import {lightenPlan} from './settle.js'
import {StillComingError} from './still-coming.js'
import type {Lease} from './store/take-lease.js'

/** How long what was handed to the servers may take to be live everywhere. */
const verifyWithinMs = 2000

function within({driver}: Session): number {
  return driver.withinMs ?? verifyWithinMs
}

/**
 * Hands plans to the servers under the lease and proves that they are live, records before and after. What is not live is
 * taken back by writing the previous mappings into what is stored by then; throws the error that says so.
 */
export async function applyPlans(session: Session, plans: readonly ChangePlan[], lease: Lease): Promise<RouteChange[]> {
  const begun = await beginRecords(session, plans)
  const entities = entitiesOf(plans)
  const applied = await apply(session, plans, lease).catch(async (error: unknown) => {
    // What may have been sent stays `applying`: the next command finds out what is live and goes on from there.
    if (!(error instanceof UnknownOutcomeError)) await restoreRecords(session, begun)
    throw error
  })
  if ((applied.rendered?.length ?? 0) > 0 || applied.printed !== undefined)
    return renderedResults(session, begun, applied)
  const verification = await verify(session, applied, plans)
  const outcomes = [...verification.outcomes, ...absentServers(session, verification.outcomes, plans)]
  if (verification.pending !== undefined) {
    await releaseRecords(session, begun)
    throw new StillComingError(entities, {...verification, outcomes, pending: verification.pending})
  }
  if (outcomes.some(({outcome}) => outcome === 'differs' || outcome === 'refused')) {
    throw await takeBack(session, begun, {outcomes, overtaken: verification.overtaken})
  }
  const servers = verification.outcomes.filter(isLive).map(({server}) => server.name)
  const revisions = await endRecords(session, begun, {servers, durationMs: applied.pushMs})
  if (!outcomes.every((outcome) => isFine(session, outcome))) throw new NotLiveError(entities, outcomes, undefined)
  const {notes} = applied
  const {tookMs: pushMs = applied.pushMs, confirmedAt = applied.confirmedAt} = verification
  return Promise.all(
    plans.map(async (plan, index) => {
      const warnings = await lightenPlan(session, plan)
      return changeResult(
        session,
        {...plan, warnings: [...new Set([...plan.warnings, ...notes, ...warnings])]},
        {changed: true, outcomes, pushMs, confirmedAt, revision: revisions[index]!},
      )
    }),
  )
}

/** Everything is looked up right before; others may have changed a source since our first look. */
async function apply(session: Session, plans: readonly ChangePlan[], lease: Lease): Promise<Applied> {
  const {driver, lattice} = session
  const inspect = (view: TableView): void => {
    lease.check()
    for (const {wanted, before} of plans) {
      if (readBefore(view, lattice, wanted.entity).digest === before.digest) continue
      throw new ConflictError(
        `The mapping of '${entityName(wanted.entity)}' was changed by someone else in the meantime.`,
        {suggestions: [`lattice route show ${entityName(wanted.entity)}`, 'Run the same command again.']},
      )
    }
  }
  try {
    return await driver.apply(plans.flatMap(changesOf), {inspect, newest: plans.some(({options}) => options.repair)})
  } catch (error) {
    throw error instanceof SentUnknownError ? new UnknownOutcomeError(entitiesOf(plans), error) : error
  }
}

async function verify(session: Session, applied: Applied, plans: readonly ChangePlan[]): Promise<Verification> {
  try {
    const verification = session.blind ? await probe(session, applied, plans) : await applied.verify(within(session))
    const {outcomes, pending} = verification
    if (pending === undefined && outcomes.every(({outcome}) => outcome === 'missing')) throw new SilentServersError()
    return verification
  } catch (error) {
    throw error instanceof LatticeError ? new UnknownOutcomeError(entitiesOf(plans), error) : error
  }
}

/** What nobody can be asked is tried. */
async function probe(session: Session, applied: Applied, plans: readonly ChangePlan[]): Promise<Verification> {
  const {overtaken} = await applied.verify(0)
  return {outcomes: await probeChange(session, plans.flatMap(changesOf), within(session)), overtaken}
}

/** The files are written and their servers do not have them yet: the record waits for `route verify`. */
async function renderedResults(
  session: Session,
  begun: readonly BegunPlan[],
  {pushMs, notes, rendered = [], printed}: Applied,
): Promise<RouteChange[]> {
  const revisions = await releaseRecords(session, begun)
  return begun.map(({plan}, index) => {
    const told = {...plan, warnings: [...plan.warnings, ...notes]}
    const outcome = {changed: true, outcomes: [], pushMs, revision: revisions[index]!, rendered}
    const result = changeResult(session, told, outcome)
    // What several routes have in common is written out once.
    return printed === undefined || index > 0 ? result : {...result, printed}
  })
}

/** Brings the previous mappings and records back, and returns the error to throw. */
async function takeBack(
  session: Session,
  begun: readonly BegunPlan[],
  {outcomes, overtaken}: Verification,
): Promise<LatticeError> {
  const plans = begun.map(({plan}) => plan)
  const entities = entitiesOf(plans)
  const change = plans.flatMap(changesOf)
  const previous: TableChange = plans.flatMap(({before}) => before.mappings)
  const back = await session.driver.takeBack({change, previous}, within(session))
  if (back !== 'failed') await restoreRecords(session, begun)
  if (overtaken) return new OvertakenError(entities, outcomes, back)
  const nowhere = outcomes.every(({outcome}) => outcome === 'refused')
  return nowhere && back === 'not needed'
    ? new RefusedPushError(entities, outcomes)
    : new NotLiveError(entities, outcomes, back)
}
