import {prepareChange, sendChange, type PreparedChange, type Receipt} from '../apply/account-jwt.js'
import type {AccountView} from '../apply/account-state.js'
import type {ServerOutcome} from '../apply/applier.js'
import {verifyPush, type Verification} from '../apply/verify.js'
import {holds, writeBack} from '../apply/write-back.js'
import {entityName} from '../entity/require.js'
import {ConflictError, LatticeError} from '../errors.js'
import {predictTable} from '../routing/effective.js'
import {planRoute} from '../routing/plan.js'
import {routeKey} from '../routing/source.js'
import {judgeRecord, readBefore} from './before.js'
import {
  applyingRecord,
  formerRecord,
  liveRecord,
  type ChangeOptions,
  type ChangePlan,
  type WantedRoute,
} from './draft.js'
import {
  DriftedRouteError,
  isLive,
  NotLiveError,
  OvertakenError,
  RefusedPushError,
  SilentServersError,
  UnknownOutcomeError,
  unrecorded,
} from './failure.js'
import {AccountLease} from './lease.js'
import {lightenLegs} from './lighten.js'
import {findProblems, refuseProblems} from './preflight.js'
import {changeResult, presentServers, type RouteChange} from './result.js'
import type {Session} from './session.js'
import {replicasOfData, type StoredRoute} from './store.js'
import {formatWho} from './who.js'

/** How long a pushed token may take to be live everywhere. */
const verifyWithinMs = 2000

/**
 * Makes a route live: preflight, lease, record `applying`, push, verify on every server, record `live`. What cannot be
 * verified is taken back by writing the previous legs into the token that is stored by then.
 */
export async function changeRoute(session: Session, wanted: WantedRoute, options: ChangeOptions): Promise<RouteChange> {
  const plan = await planChange(session, wanted, options)
  if (isDone(plan, session.view)) return nothingToDo(session, plan)
  const warned = warnExporter(plan, session.view)
  if (options.dryRun) {
    const planned = warnKeyless(warned, session)
    const outcomes = presentServers(session.view)
    const revision = presentRevision(wanted)
    return changeResult(session, planned, {changed: true, outcomes, revision, record: applyingRecord(session, planned)})
  }
  await using lease = await takeLease(session, wanted)
  return await applyPlan(session, warned, lease)
}

/** The result where nothing has to be changed; a NotLiveError when that is unknown of a server that should be there. */
async function nothingToDo(session: Session, plan: ChangePlan): Promise<RouteChange> {
  const {entity, stored} = plan.wanted
  const present = presentServers(session.view)
  const outcomes = [...present, ...absentServers(session, present, stored)]
  if (outcomes.every(isLive)) {
    return changeResult(session, plan, {changed: false, outcomes, ...(stored && {revision: stored.revision})})
  }
  // As after a change: a server that is gone for good is missed once.
  if (stored !== undefined && !plan.options.dryRun) {
    const servers = present.map(({server}) => server.name)
    await session.store.put(stored.key, {...stored.record, servers}, stored.revision)
  }
  throw new NotLiveError(entity, outcomes, undefined)
}

/** Every push of an exporting account, whatever it changes, drops the replies that other accounts wait for. */
function warnExporter(plan: ChangePlan, {token}: AccountView): ChangePlan {
  if (!token.exportsServices) return plan
  const warning = 'The account exports services: calls of other accounts that are in flight at the change are lost.'
  return {...plan, warnings: [...plan.warnings, warning]}
}

/** A plan may be made where no key is; that the key will do is then not known. */
function warnKeyless(plan: ChangePlan, {driver}: Session): ChangePlan {
  if (driver.key !== undefined) return plan
  return {...plan, warnings: [...plan.warnings, 'No operator signing key is known here, so none was checked.']}
}

/** Decides what would be written and throws what speaks against it: drift, guards, legs that nobody serves. */
async function planChange(session: Session, wanted: WantedRoute, options: ChangeOptions): Promise<ChangePlan> {
  const {lattice, view} = session
  refuseOtherRevision(wanted, options)
  const before = readBefore(view.token, lattice, wanted.entity)
  const state = judgeRecord(wanted.stored?.record, before)
  if ((state === 'drifted' || state === 'foreign') && !options.repair) throw new DriftedRouteError(wanted.entity, state)
  const warnings = refuseProblems(wanted.entity, await findProblems(session, wanted, view))
  const destinations =
    wanted.legs.length === 0 ? undefined : planRoute(lattice, wanted.entity, wanted.legs).destinations
  return {wanted, options, before, destinations, warnings: [...(wanted.warnings ?? []), ...warnings]}
}

function presentRevision({stored, unreadable}: WantedRoute): number {
  return stored?.revision ?? unreadable ?? 0
}

/** What was planned elsewhere holds only while the record is the one that was planned on. */
function refuseOtherRevision(wanted: WantedRoute, {revision}: ChangeOptions): void {
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

/** True when record, token and every server that runs the account have it already. */
function isDone({wanted, before, destinations}: ChangePlan, {servers, token}: AccountView): boolean {
  const change = {source: before.source, destinations}
  const state = judgeRecord(wanted.stored?.record, before)
  const tables = servers.flatMap(({live}) => (live === undefined ? [] : [live.table]))
  return (
    (state === 'current' || state === 'none') &&
    wanted.stored?.record.state !== 'applying' &&
    holds(predictTable(token.mappings), change) &&
    tables.every((table) => holds(table, change))
  )
}

function takeLease({clock, deps, driver, who}: Session, {strategy, entity}: WantedRoute): Promise<AccountLease> {
  return AccountLease.acquire(
    {holder: formatWho(who), what: `route ${strategy} ${entityName(entity)}`},
    {
      nc: deps.connection,
      spec: deps.spec,
      clock,
      clockOffsetMs: driver.facts.clockOffsetMs,
      timeoutMs: deps.spec.timeoutMs,
      replicas: () => replicasOfData(deps.connection, deps.spec, deps.spec.lattice),
    },
  )
}

async function applyPlan(session: Session, plan: ChangePlan, lease: AccountLease): Promise<RouteChange> {
  const {wanted} = plan
  const key = routeKey(wanted.entity)
  const applying = applyingRecord(session, plan)
  const expected = wanted.stored?.revision ?? wanted.unreadable ?? 0
  const revision = await session.store.put(key, applying, expected)
  const prepared = await prepare(session, plan, lease).catch(async (error: unknown) => {
    await restoreRecord(session, plan, revision)
    throw error
  })
  const {receipt, verification} = await sendAndVerify(session, plan, prepared)
  const outcomes = [...verification.outcomes, ...absentServers(session, verification.outcomes, wanted.stored)]
  if (outcomes.some(({outcome}) => outcome === 'differs' || outcome === 'refused')) {
    throw await takeBack(session, plan, {outcomes, overtaken: verification.overtaken, revision})
  }
  const servers = verification.outcomes.filter(isLive).map(({server}) => server.name)
  const liveRevision = await session.store
    .put(key, liveRecord(applying, servers), revision)
    .catch((error: unknown) => Promise.reject(unrecorded(wanted.entity, error)))
  if (!outcomes.every(isLive)) throw new NotLiveError(wanted.entity, outcomes, undefined)
  const warnings = await lightenLegs(session.deps.control, wanted.entity, wanted.legs)
  const {pushMs, confirmedAt} = receipt
  return changeResult(
    session,
    {...plan, warnings: [...plan.warnings, ...warnings]},
    {changed: true, outcomes, pushMs, confirmedAt, revision: liveRevision},
  )
}

/** Looks the token up right before the push; others may have changed the source since our first look. */
function prepare(
  {driver, lattice}: Session,
  {wanted, before, destinations}: ChangePlan,
  lease: AccountLease,
): Promise<PreparedChange> {
  const inspect = (view: AccountView): void => {
    lease.check()
    if (readBefore(view.token, lattice, wanted.entity).digest === before.digest) return
    throw new ConflictError(
      `The mapping of '${entityName(wanted.entity)}' was changed by someone else in the meantime.`,
      {
        suggestions: [`lattice route show ${entityName(wanted.entity)}`, 'Run the same command again.'],
      },
    )
  }
  return prepareChange(driver, {source: before.source, destinations}, {inspect})
}

async function sendAndVerify(
  {driver}: Session,
  {wanted}: ChangePlan,
  prepared: PreparedChange,
): Promise<{receipt: Receipt; verification: Verification}> {
  try {
    const receipt = await sendChange(driver, prepared)
    const verification = await verifyPush(driver, receipt, verifyWithinMs)
    if (verification.outcomes.every(({outcome}) => outcome === 'missing')) throw new SilentServersError()
    return {receipt, verification}
  } catch (error) {
    // The record stays `applying`: the next command finds out what is live and goes on from there.
    throw error instanceof LatticeError ? new UnknownOutcomeError(wanted.entity, error) : error
  }
}

/** Servers seen at the last change, or named by their neighbours, that did not answer. Unnamed ones get a new name at each start. */
function absentServers(
  {driver}: Session,
  outcomes: readonly ServerOutcome[],
  stored: StoredRoute | undefined,
): ServerOutcome[] {
  const present = new Set(outcomes.flatMap(({server}) => [server.name, server.id]))
  const before = (stored?.record.servers ?? []).filter((name) => !/^N[A-Z2-7]{55}$/.test(name))
  const names = [...new Set([...before, ...driver.facts.silent.map(({name}) => name)])]
  return names
    .filter((name) => !present.has(name))
    .map((name) => ({server: {name, id: name}, outcome: 'missing', reason: 'it does not answer'}))
}

interface Failed {
  readonly outcomes: readonly ServerOutcome[]
  readonly overtaken: boolean
  readonly revision: number
}

/** Brings the previous mapping and record back, and returns the error to throw. */
async function takeBack(session: Session, plan: ChangePlan, failed: Failed): Promise<LatticeError> {
  const {wanted, before, destinations} = plan
  const {outcomes, overtaken, revision} = failed
  const change = {source: before.source, destinations}
  const back = await writeBack(session.driver, {change, previous: before.destinations}, verifyWithinMs)
  if (back !== 'failed') await restoreRecord(session, plan, revision)
  if (overtaken) return new OvertakenError(wanted.entity, outcomes, back)
  const nowhere = outcomes.every(({outcome}) => outcome === 'refused')
  return nowhere && back === 'not needed'
    ? new RefusedPushError(wanted.entity, outcomes)
    : new NotLiveError(wanted.entity, outcomes, back)
}

/** A record that cannot be restored stays `applying` and is healed by the next command. */
async function restoreRecord(session: Session, plan: ChangePlan, revision: number): Promise<void> {
  try {
    await session.store.put(routeKey(plan.wanted.entity), formerRecord(session, plan), revision)
  } catch (error) {
    if (!(error instanceof LatticeError)) throw error
  }
}
