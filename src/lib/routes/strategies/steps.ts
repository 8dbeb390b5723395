import {LatticeError, type ErrorKind} from '../../errors.js'
import type {Leg} from '../../routing/weights.js'
import type {ChangeOptions} from '../draft.js'
import type {RouteChange} from '../result.js'
import type {RouteDeps} from '../session.js'
import {runGate, type Gate} from './gate.js'
import {interruptionOf, openTiming, patiently, restoreHeld, sleepUntil, type Holding} from './hold.js'
import {shiftTraffic, type Shift} from './strategies.js'

/** A canary that grows by itself. */
export interface Steps {
  /** Whole percents, each greater than the one before. */
  readonly weights: readonly number[]
  /** How long each step stays before the gate is asked. */
  readonly everyMs: number
  /** Undefined: time alone lets it go on. */
  readonly gate: Gate | undefined
}

/** What a canary in steps tells, one a step and one at the end; the JSON of `canary --step`, a document a line. */
export type StepEvent = RouteChange & {
  /** Counted from 1; the last of them once more when the route stays or was put back. */
  readonly step: number
  readonly steps: number
  readonly weight: number
  /** `live`: the step is. `done`: the last one is there to stay. `restored`: what was before is there again. */
  readonly event: 'live' | 'done' | 'restored'
}

export interface Stepping extends Omit<Holding, 'forMs' | 'report'> {
  readonly report: (event: StepEvent) => void
}

/** How a canary in steps ended. */
export interface Stepped {
  readonly last: StepEvent
  readonly interrupted: boolean
}

/** What a step that nobody follows up may outlast: the change, and the search for what runs. */
const spareMs = 60_000

/**
 * Raises a version's share step by step. Each step is a change of its own, which goes back by itself where this process
 * dies; the last one stays. Throws a GateFailedError after what was before is there again, and a ConflictError when
 * somebody else changes the route, which is then left alone.
 */
export async function stepTraffic(deps: RouteDeps, canary: SteppedCanary, stepping: Stepping): Promise<Stepped> {
  const {options, steps} = canary
  await openTiming(deps, {...options, forMs: steps.weights.length * stayMs(steps)})
  let done: DoneStep | undefined
  for (const [index, weight] of steps.weights.entries()) {
    const about = {step: index + 1, steps: steps.weights.length, weight}
    done = await orPutBack(stepping, done, (last) => takeStep(canary, stepping, {about, last}))
    if (done.change.dryRun) return {last: eventOf(done, 'live'), interrupted: false}
    const refusal = await waitAndAsk(canary, stepping, done)
    if (refusal === undefined) continue
    const event = await putBack(stepping, done, refusal)
    if (stepping.signal.aborted) return {last: event, interrupted: true}
    throw new GateFailedError(event, steps.gate?.command ?? '', refusal)
  }
  return {last: await orPutBack(stepping, done, (last) => keep(canary, stepping, last!)), interrupted: false}
}

/** A step that cannot be taken, because the version died for one, is no reason to stay at the one before it. */
async function orPutBack<T>(
  stepping: Stepping,
  last: DoneStep | undefined,
  next: (last: DoneStep | undefined) => Promise<T>,
): Promise<T> {
  try {
    return await next(last)
  } catch (error) {
    // What somebody else changed is left alone; what cannot go back now says in its record when it does.
    if (last !== undefined) await putBack(stepping, last, 'the next step could not be taken').catch(() => undefined)
    throw error
  }
}

/** What is to be raised, how, and with which options. */
export interface SteppedCanary {
  readonly shift: Omit<Shift, 'weight' | 'base'>
  readonly steps: Steps
  readonly options: ChangeOptions
}

interface DoneStep {
  readonly change: RouteChange
  readonly about: Pick<StepEvent, 'step' | 'steps' | 'weight'>
  /** What was there before the first step; undefined where that was no mapping. */
  readonly base: readonly Leg[] | undefined
}

function stayMs({everyMs, gate}: Steps): number {
  return everyMs + (gate?.timeoutMs ?? 0) + spareMs
}

function eventOf({change, about}: DoneStep, event: StepEvent['event']): StepEvent {
  return {...change, ...about, event}
}

async function takeStep(
  {shift, steps, options}: SteppedCanary,
  {reopen, report}: Stepping,
  {about, last}: Pick<DoneStep, 'about'> & {readonly last: DoneStep | undefined},
): Promise<DoneStep> {
  const change = await reopen(async (fresh) => {
    const {expiresAt} = await openTiming(fresh, {...options, forMs: stayMs(steps)})
    const revision = last?.change.revision ?? options.revision
    return shiftTraffic(fresh, {...shift, weight: about.weight, base: last?.base}, {...options, revision, expiresAt})
  })
  const done = {change, about, base: last === undefined ? (change.previous ?? undefined) : last.base}
  report(eventOf(done, 'live'))
  return done
}

/** Why what was before has to come back; undefined: it goes on. */
async function waitAndAsk(
  {shift, steps: {everyMs, gate}}: SteppedCanary,
  {signal, clock}: Stepping,
  {change, about}: DoneStep,
): Promise<string | undefined> {
  const interrupted = await sleepUntil(clock.now() + everyMs, {signal, clock})
  if (interrupted !== undefined || gate === undefined) return interrupted
  const answer = await runGate(gate, {entity: change.entity, version: shift.to, ...about}, {signal, clock})
  return interruptionOf(signal) ?? (answer.passed ? undefined : answer.reason)
}

async function putBack({clock, reopen, report}: Stepping, done: DoneStep, why: string): Promise<StepEvent> {
  const {change} = done
  const restored = await patiently(clock, patienceMs, () => reopen((fresh) => restoreHeld(fresh, {held: change, why})))
  const event = eventOf({...done, change: restored ?? change}, 'restored')
  report(event)
  return event
}

/** The last step stays, and from now on nothing puts it back by itself. */
async function keep(
  {shift, options}: SteppedCanary,
  {clock, reopen, report}: Stepping,
  done: DoneStep,
): Promise<StepEvent> {
  const {about, base, change} = done
  const kept = await patiently(clock, patienceMs, () =>
    reopen((fresh) =>
      shiftTraffic(fresh, {...shift, weight: about.weight, base}, {...options, revision: change.revision}),
    ),
  )
  const event = eventOf({...done, change: {...kept, previous: base ?? null}}, 'done')
  report(event)
  return event
}

/** How long to go on trying while no server is there or another command holds the lease. */
const patienceMs = 20_000

/** The gate did not let the canary go on, and what was before is there again. */
export class GateFailedError extends LatticeError {
  readonly kind: ErrorKind = 'gateFailed'

  constructor({entity, key, step, steps, weight, legs}: StepEvent, command: string, reason: string) {
    super(
      `The gate did not pass at ${weight} % of '${entity}' (step ${step} of ${steps}), and what was before is live again: ${reason}.`,
      {
        suggestions: [`lattice route show ${entity}`],
        details: {entity, key, step, steps, weight, gate: command, reason, legs},
      },
    )
  }
}
