import {spawn, type ChildProcess} from 'node:child_process'

import type {Clock} from '../../clock.js'

/** A command that says whether a rollout may go on. */
export interface Gate {
  readonly command: string
  readonly timeoutMs: number
}

/** What a gate is asked about; it gets that in variables. */
export interface GateState {
  readonly entity: string
  readonly version: string
  readonly weight: number
  /** Counted from 1. */
  readonly step: number
  readonly steps: number
}

/** `reason` says why it did not pass. */
export type GateAnswer = {readonly passed: true} | {readonly passed: false; readonly reason: string}

/**
 * Runs a gate in a shell: exit 0 passes, and all else does not. Its output goes to our stderr. It has a process group of
 * its own, which is ended when the time is over or the signal comes.
 */
export async function runGate(
  {command, timeoutMs}: Gate,
  state: GateState,
  {signal, clock}: {readonly signal: AbortSignal; readonly clock: Clock},
): Promise<GateAnswer> {
  const child = start(command, state)
  if (child instanceof Error) return {passed: false, reason: `it cannot be started: ${child.message}`}
  const ended = endOf(child)
  const over = new AbortController()
  const late = clock.sleep(timeoutMs, AbortSignal.any([signal, over.signal])).then(
    () => `it did not end within ${timeoutMs} ms`,
    () => 'it was interrupted',
  )
  const first = await Promise.race([ended, late])
  over.abort()
  if (typeof first !== 'string') return first
  await endGroup(child, ended, clock)
  return {passed: false, reason: first}
}

/** What the system refuses at once is an answer too: what was before has to come back. */
function start(command: string, state: GateState): ChildProcess | Error {
  try {
    const env = {...process.env, ...variablesOf(state)}
    return spawn(command, {shell: true, detached: true, stdio: ['ignore', 2, 2], env})
  } catch (error) {
    return error as Error
  }
}

function variablesOf({entity, version, weight, step, steps}: GateState): Record<string, string> {
  return {
    LATTICE_ROUTE_ENTITY: entity,
    LATTICE_ROUTE_VERSION: version,
    LATTICE_ROUTE_WEIGHT: String(weight),
    LATTICE_ROUTE_STEP: String(step),
    LATTICE_ROUTE_STEPS: String(steps),
  }
}

function endOf(child: ChildProcess): Promise<GateAnswer> {
  return new Promise((resolve) => {
    child.once('error', ({message}) => resolve({passed: false, reason: `it cannot be started: ${message}`}))
    child.once('exit', (code, name) => {
      if (code === 0) resolve({passed: true})
      else
        resolve({passed: false, reason: code === null ? `it ended by ${String(name)}` : `it ended with exit ${code}`})
    })
  })
}

/** How long a gate may take to end itself. */
const politelyMs = 1000

async function endGroup({pid}: ChildProcess, ended: Promise<GateAnswer>, clock: Clock): Promise<void> {
  if (pid === undefined) return
  for (const name of ['SIGTERM', 'SIGKILL'] as const) {
    try {
      process.kill(-pid, name)
    } catch {
      return
    }
    const over = new AbortController()
    const waiting = clock.sleep(politelyMs, over.signal).then(
      () => false,
      () => false,
    )
    const gone = await Promise.race([ended.then(() => true), waiting])
    over.abort()
    if (gone) return
  }
}
