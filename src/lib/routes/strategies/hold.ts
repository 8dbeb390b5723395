import type {Clock} from '../../clock.js'
import {ConflictError, ConnectionError, InterruptedError, UsageError} from '../../errors.js'
import type {ChangeOptions} from '../draft.js'
import {knownRoutes, type KnownRoutes} from '../find.js'
import type {RouteChange} from '../result.js'
import {openSession, serverNow, type RouteDeps, type Session} from '../session.js'
import {LeaseHeldError} from '../store/lease.js'
import type {StoredRoute} from '../store/store.js'
import {refuseEndings} from './credentials-end.js'
import {openReady} from './ready.js'
import {restoreRoute} from './restore.js'

/** How a route is put back: much may have become of a connection that waited, so it is opened anew. */
export type Reopen = <T>(use: (deps: RouteDeps) => Promise<T>) => Promise<T>

export interface Holding {
  /** How long the route is to stay, in milliseconds. */
  readonly forMs: number
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly reopen: Reopen
  /** Told of the route when it is live, and when it was put back. */
  readonly report: (change: RouteChange) => void
}

/** How a route that was there for some time ended. */
export interface Held {
  readonly change: RouteChange
  /** Undefined when nothing was to be put back, or another command did it. */
  readonly restored?: RouteChange
  readonly interrupted: boolean
}

/**
 * Makes a route live for some time: puts back what was before when the time is over or the signal comes. Its record says
 * when, so that another command does it where this process dies. Throws what restoreHeld throws.
 */
export async function holdRoute(
  deps: RouteDeps,
  act: (options: ChangeOptions) => Promise<RouteChange>,
  {options, holding}: {readonly options: ChangeOptions; readonly holding: Holding},
): Promise<Held> {
  const {forMs, signal, clock, reopen, report} = holding
  if (signal.aborted) throw new InterruptedError('Nothing was changed.')
  const timing = await openTiming(deps, {...options, forMs})
  const change = await act({...options, expiresAt: timing.expiresAt})
  report(change)
  if (change.dryRun || change.revision === undefined) return {change, interrupted: false}
  const interrupted = await sleepUntil(timing.endsAt ?? clock.now() + forMs, {signal, clock})
  const why = interrupted ?? 'its time is over'
  const restored = await patiently(clock, interrupted === undefined ? afterExpiryMs : afterSignalMs, () =>
    reopen((fresh) => restoreHeld(fresh, {held: change, why})),
  )
  if (restored !== undefined) report(restored)
  return {change, ...(restored === undefined ? {} : {restored}), interrupted: interrupted !== undefined}
}

/** How long to go on trying to put a route back while no server is there or another command holds the lease. */
const afterExpiryMs = 60_000
const afterSignalMs = 20_000
const retryMs = 200

/** When a route that is made now ends: by the servers' clock, for the record, and by ours. */
export interface Timing {
  readonly expiresAt: string
  /** Undefined: counted from when it is live, because that may take a while, which the record leaves it. */
  readonly endsAt: number | undefined
}

/** Throws an EndsFirstError when what is needed to put the route back ends before that. */
export async function openTiming(
  deps: RouteDeps,
  {forMs, ...options}: ChangeOptions & {readonly forMs: number},
): Promise<Timing> {
  if (deps.access?.state?.kind === 'none') throw new NoRecordError()
  const session = await openReady(deps, options)
  const {withinMs = 0} = session.driver
  const until = serverNow(session) + forMs + withinMs
  await refuseEndings(session, until)
  const endsAt = withinMs === 0 ? until - session.facts.clockOffsetMs : undefined
  return {expiresAt: new Date(until).toISOString(), endsAt}
}

/** A route that a command made and has to put back. */
export interface HeldRoute {
  readonly held: Pick<RouteChange, 'entity' | 'key' | 'link' | 'revision'>
  readonly why: string
}

/**
 * Puts back what was before a route that this process made. Undefined when another command did that already; a
 * LostHoldError when somebody gave the entity another route, which is left alone.
 */
export async function restoreHeld(deps: RouteDeps, {held, why}: HeldRoute): Promise<RouteChange | undefined> {
  const session = await openSession(deps)
  const known = await knownRoutes(deps, session.store)
  const stored = await findHeld(session, known, held)
  if (stored?.revision === held.revision) return restoreRoute(session, stored!, {known, why})
  if (stored?.record.strategy === 'restore' && stored.record.state === 'live') return undefined
  throw new LostHoldError(held, stored)
}

/** A list may come from a server that lags behind. */
async function findHeld(
  {store}: Session,
  {routes}: KnownRoutes,
  {key, link}: HeldRoute['held'],
): Promise<StoredRoute | undefined> {
  const listed = routes.find(({record}) => record.key === key && record.link === link)
  return listed && (await store.get(listed.key))
}

/** Waits for the time or the signal, whichever comes first; tells the signal. */
export async function sleepUntil(
  endsAt: number,
  {signal, clock}: {readonly signal: AbortSignal; readonly clock: Clock},
): Promise<string | undefined> {
  try {
    await clock.sleep(Math.max(0, endsAt - clock.now()), signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
  return interruptionOf(signal)
}

/** What the signal says of itself, once it came. */
export function interruptionOf(signal: AbortSignal): string | undefined {
  return signal.aborted ? `interrupted by ${String(signal.reason)}` : undefined
}

/** A server that restarts, and another command that is just at it, are no reason to leave a route as it is. */
export async function patiently<T>(clock: Clock, forMs: number, attempt: () => Promise<T>): Promise<T> {
  const until = clock.now() + forMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      const passes = error instanceof ConnectionError || error instanceof LeaseHeldError
      if (!passes || clock.now() >= until) throw error
      await clock.sleep(retryMs)
    }
  }
}

/** What is recorded nowhere cannot be told from what somebody else changed. */
class NoRecordError extends UsageError {
  constructor() {
    super('A route for some time needs a record of what it goes back to, and records are kept nowhere here.', {
      suggestions: ['--state file:PATH'],
    })
  }
}

/** Somebody changed the route while a command held it. */
export class LostHoldError extends ConflictError {
  constructor(
    {entity, revision}: {readonly entity: string; readonly revision?: number | undefined},
    now: StoredRoute | undefined,
  ) {
    super(`The route of '${entity}' was changed by someone else in the meantime, and nothing was put back over it.`, {
      suggestions: [`lattice route show ${entity}`],
      details: {entity, expected: revision, ...(now === undefined ? {} : {revision: now.revision})},
    })
  }
}
