import type {Applied, ServerOutcome, TableChange, TableView, Verification} from '../apply/driver.js'
import {holds, isLive, SentUnknownError} from '../apply/driver.js'
import {entityName} from '../entity/require.js'
import {ConflictError, LatticeError} from '../errors.js'
import {predictTable} from '../routing/effective.js'
import {planRoute} from '../routing/plan.js'
import {routeKey} from '../routing/source.js'
import {judgeRecord, readBefore} from './before.js'
import {
  applyingRecord,
  changesOf,
  presentRevision,
  type ChangeOptions,
  type ChangePlan,
  type WantedRoute,
} from './draft.js'
import {NotLiveError, OvertakenError, RefusedPushError, SilentServersError, UnknownOutcomeError} from './failure.js'
import {isUnrecorded, refuseDrift, refuseOtherRevision, refuseOtherWorld} from './guards.js'
import {probeChange} from './proof/probe.js'
import {examinePlans, refuseProblems} from './preflight/preflight.js'
import {beginRecords, endRecords, restoreRecords, type BegunPlan} from './record-change.js'
import {changeResult, presentServers, type RouteChange} from './result.js'
import {serverNow, type Session} from './session.js'
import {takeLease, type Lease} from './store/take-lease.js'
import {lightenPlan, settleRecord} from './settle.js'
import {refuseOneWay} from './strategies/way-back.js'

/** How long what was handed to the servers may take to be live everywhere. */
const verifyWithinMs = 2000

/** Changes one route; see changeRoutes. */
export async function changeRoute(session: Session, wanted: WantedRoute, options: ChangeOptions): Promise<RouteChange> {
  const [change] = await changeRoutes(session, [wanted], options)
  return change!
}

/**
 * Makes routes live in one step: preflight, lease, records `applying`, apply, verify on every server, records `live`.
 * What cannot be verified is taken back by writing the previous mappings into what is stored by then.
 */
export async function changeRoutes(
  session: Session,
  wanted: readonly WantedRoute[],
  options: ChangeOptions,
): Promise<RouteChange[]> {
  const plans = await planChanges(session, wanted, options)
  // What is printed is for elsewhere, where it may not be done.
  const written = plans.filter((plan) => options.print === undefined && isDone(session, plan))
  const present = await presentOutcomes(session, written)
  const done = present.some(({outcome}) => outcome === 'differs') ? [] : written
  const open = plans.filter((plan) => !done.includes(plan))
  const unchanged = await nothingToDo(session, done, present)
  const changed = open.length === 0 ? [] : await changePlans(session, warnOf(session, open), options)
  return [...unchanged, ...changed].sort((a, b) => orderOf(wanted, a) - orderOf(wanted, b))
}

async function changePlans(
  session: Session,
  plans: readonly ChangePlan[],
  options: ChangeOptions,
): Promise<RouteChange[]> {
  if (options.dryRun) {
    const outcomes = presentServers(session.view)
    const planned = plans.map((plan) => {
      const revision = presentRevision(plan.wanted)
      return changeResult(session, plan, {changed: true, outcomes, revision, record: applyingRecord(session, plan)})
    })
    if (options.print === undefined) return planned
    const {printChanges} = await import('./text/print.js')
    return printChanges(session, plans, planned)
  }
  await using lease = await takeLease(session, plans)
  return await applyPlans(session, plans, lease)
}

function orderOf(wanted: readonly WantedRoute[], {key, link}: RouteChange): number {
  return wanted.findIndex(({entity}) => entity.key === key && entity.link === link)
}

/** What the servers have of changes that token or file hold already; where nobody can be asked, that is tried. */
async function presentOutcomes(session: Session, plans: readonly ChangePlan[]): Promise<readonly ServerOutcome[]> {
  if (plans.length === 0 || !session.blind) return presentServers(session.view)
  return probeChange(session, plans.flatMap(changesOf), 0)
}

/** The results where nothing has to be changed; a NotLiveError when that is unknown of a server that should be there. */
async function nothingToDo(
  session: Session,
  plans: readonly ChangePlan[],
  present: readonly ServerOutcome[],
): Promise<RouteChange[]> {
  if (plans.length === 0) return []
  const outcomes = [...present, ...absentServers(session, present, plans)]
  if (!outcomes.every((outcome) => isFine(session, outcome))) {
    const servers = present.map(({server}) => server.name)
    for (const {wanted, options} of plans) {
      const {stored} = wanted
      // As after a change: a server that is gone for good is missed once.
      if (stored === undefined || options.dryRun || session.blind) continue
      await session.store.put(stored.key, {...stored.record, servers}, stored.revision)
    }
    throw new NotLiveError(entitiesOf(plans), outcomes, undefined)
  }
  return Promise.all(plans.map((plan) => settleRecord(session, plan, outcomes)))
}

/** What the driver has to say of every change. */
function warnOf({driver}: Session, plans: readonly ChangePlan[]): ChangePlan[] {
  return plans.map((plan) => ({...plan, warnings: [...plan.warnings, ...driver.notes]}))
}

/** Decides what would be written and throws what speaks against it: drift, guards, legs that nobody serves. */
async function planChanges(
  session: Session,
  wanted: readonly WantedRoute[],
  options: ChangeOptions,
): Promise<ChangePlan[]> {
  const {lattice, view} = session
  const plans = wanted.map((route): ChangePlan => {
    refuseOtherRevision(route, options)
    const before = readBefore(view, lattice, route.entity)
    const mappings = route.legs.length === 0 ? [] : planRoute(lattice, route.entity, route.legs)
    const warnings = [...(session.notes ?? []), ...(route.warnings ?? [])]
    const plan = {wanted: route, options, before, mappings, warnings}
    // Whatever else is to be said of it, a plan for another world is out of date.
    refuseOtherWorld(plan)
    refuseDrift(session, plan)
    refuseOneWay(plan)
    return plan
  })
  const found = await examinePlans(session, plans)
  refuseProblems(
    plans.map(({wanted: {entity}}, index) => ({entity, findings: found[index]!.findings})),
    options,
  )
  return plans.map((plan, index) => {
    const {findings, permissions} = found[index]!
    return {...plan, findings, permissions, warnings: [...plan.warnings, ...findings.map(({sentence}) => sentence)]}
  })
}

/** True when record, token or file, and every server that runs the account have it already. */
function isDone({view, deps}: Session, plan: ChangePlan): boolean {
  const {servers, mappings, agreed = true} = view
  const {wanted, before} = plan
  const change = changesOf(plan)
  const state = judgeRecord(wanted.stored?.record, before)
  const tables = servers.flatMap(({live}) => (live === undefined ? [] : [live.table]))
  return (
    agreed &&
    (state === 'current' || state === 'none' || isUnrecorded(deps)) &&
    wanted.stored?.record.state !== 'applying' &&
    holds(predictTable(mappings), change) &&
    tables.every((table) => holds(table, change))
  )
}

async function applyPlans(session: Session, plans: readonly ChangePlan[], lease: Lease): Promise<RouteChange[]> {
  const begun = await beginRecords(session, plans)
  const entities = entitiesOf(plans)
  const applied = await apply(session, plans, lease).catch(async (error: unknown) => {
    // What may have been sent stays `applying`: the next command finds out what is live and goes on from there.
    if (!(error instanceof UnknownOutcomeError)) await restoreRecords(session, begun)
    throw error
  })
  if ((applied.rendered?.length ?? 0) > 0) return renderedResults(session, begun, applied)
  const verification = await verify(session, applied, plans)
  const outcomes = [...verification.outcomes, ...absentServers(session, verification.outcomes, plans)]
  if (outcomes.some(({outcome}) => outcome === 'differs' || outcome === 'refused')) {
    throw await takeBack(session, begun, {outcomes, overtaken: verification.overtaken})
  }
  const servers = verification.outcomes.filter(isLive).map(({server}) => server.name)
  const revisions = await endRecords(session, begun, {servers, durationMs: applied.pushMs})
  if (!outcomes.every((outcome) => isFine(session, outcome))) throw new NotLiveError(entities, outcomes, undefined)
  const {pushMs, confirmedAt, notes} = applied
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

/** What cannot be shown may be accepted, and never what is known to be otherwise. */
function isFine({deps}: Session, outcome: ServerOutcome): boolean {
  return isLive(outcome) || (deps.access?.acceptUnverified === true && outcome.outcome === 'unverified')
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
    const verification = session.blind ? await probe(session, applied, plans) : await applied.verify(verifyWithinMs)
    if (verification.outcomes.every(({outcome}) => outcome === 'missing')) throw new SilentServersError()
    return verification
  } catch (error) {
    throw error instanceof LatticeError ? new UnknownOutcomeError(entitiesOf(plans), error) : error
  }
}

/** What nobody can be asked is tried. */
async function probe(session: Session, applied: Applied, plans: readonly ChangePlan[]): Promise<Verification> {
  const {overtaken} = await applied.verify(0)
  return {outcomes: await probeChange(session, plans.flatMap(changesOf), verifyWithinMs), overtaken}
}

/** The files are written and their servers do not have them yet: the record waits for `route verify`. */
async function renderedResults(
  session: Session,
  begun: readonly BegunPlan[],
  applied: Applied,
): Promise<RouteChange[]> {
  const {pushMs, notes} = applied
  return Promise.all(
    begun.map(async ({plan, record, revision}) => {
      // Nobody is at it any more from now on.
      const waiting = {...record, deadline: new Date(serverNow(session)).toISOString()}
      const written = await session.store.put(routeKey(plan.wanted.entity), waiting, revision)
      const told = {...plan, warnings: [...plan.warnings, ...notes]}
      const outcome = {changed: true, outcomes: [], pushMs, revision: written, rendered: applied.rendered ?? []}
      return changeResult(session, told, outcome)
    }),
  )
}

/** Servers seen at the last change, or named by their neighbours, that did not answer. Unnamed ones get a new name at each start. */
function absentServers(
  {facts}: Session,
  outcomes: readonly ServerOutcome[],
  plans: readonly ChangePlan[],
): ServerOutcome[] {
  const present = new Set(outcomes.flatMap(({server}) => [server.name, server.id]))
  const before = plans
    .flatMap(({wanted}) => wanted.stored?.record.servers ?? [])
    .filter((name) => !/^N[A-Z2-7]{55}$/.test(name))
  const names = [...new Set([...before, ...facts.silent.map(({name}) => name)])]
  return names
    .filter((name) => !present.has(name))
    .map((name) => ({server: {name, id: name}, outcome: 'missing', reason: 'it does not answer'}))
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
  const back = await session.driver.takeBack({change, previous}, verifyWithinMs)
  if (back !== 'failed') await restoreRecords(session, begun)
  if (overtaken) return new OvertakenError(entities, outcomes, back)
  const nowhere = outcomes.every(({outcome}) => outcome === 'refused')
  return nowhere && back === 'not needed'
    ? new RefusedPushError(entities, outcomes)
    : new NotLiveError(entities, outcomes, back)
}

function entitiesOf(plans: readonly ChangePlan[]): WantedRoute['entity'][] {
  return plans.map(({wanted}) => wanted.entity)
}
