import {holds, type ServerOutcome} from '../apply/driver.js'
import {predictTable} from '../routing/effective.js'
import {planRoute} from '../routing/plan.js'
import {applyPlans} from './apply-plans.js'
import {judgeRecord, readBefore} from './before.js'
import {
  applyingRecord,
  changesOf,
  presentRevision,
  type ChangeOptions,
  type ChangePlan,
  type WantedRoute,
} from './draft.js'
import {NotLiveError} from './failure.js'
import {isUnrecorded, refuseDrift, refuseOtherRevision, refuseOtherWorld} from './guards.js'
import {absentServers, entitiesOf, isFine} from './outcomes.js'
import {examinePlans, refuseProblems} from './preflight/preflight.js'
import {probeChange} from './proof/probe.js'
import {changeResult, presentServers, type RouteChange} from './result.js'
import type {Session} from './session.js'
import {settleRecord} from './settle.js'
import {takeLease} from './store/take-lease.js'
import {refuseOneWay} from './strategies/way-back.js'

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
    session.driver.refuse?.(changesOf(plan))
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
