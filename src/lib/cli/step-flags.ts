import * as Flags from '@oclif/core/flags'

import {UsageError} from '../errors.js'
import type {Steps} from '../routes/strategies/steps.js'
import {parseSteps} from '../routing/shift.js'
import {durationFlag} from './flags.js'

/** Flags of a canary that grows by itself. */
export const stepFlags = {
  step: Flags.custom<readonly number[]>({
    helpValue: 'A,B,…',
    summary: 'Shares to go through, each above the one before; stays in the foreground.',
    exclusive: ['weight', 'for'],
    parse: (text) => Promise.resolve(parseSteps(text)),
  })(),
  every: durationFlag({summary: 'How long each step stays before the gate is asked.', dependsOn: ['step']}),
  gate: Flags.string({
    helpValue: 'CMD',
    summary: 'Command that says whether to go on: exit 0 does; none lets time alone decide.',
    dependsOn: ['step'],
  }),
  'gate-timeout': durationFlag({summary: 'How long the gate may take; default 1m.', dependsOn: ['step']}),
}

const gateTimeoutMs = 60_000

interface StepFlags {
  readonly weight?: number | undefined
  readonly step?: readonly number[] | undefined
  readonly every?: number | undefined
  readonly gate?: string | undefined
  readonly 'gate-timeout'?: number | undefined
}

/** What is asked of a canary: one share, or steps. Throws a UsageError for neither, and for steps that say too little. */
export function stepsOf({weight, step, every, gate, ...flags}: StepFlags): {readonly weight: number} | Steps {
  if (step === undefined) {
    if (weight === undefined) throw tooLittle('A canary needs a share.')
    return {weight}
  }
  if (every === undefined) throw tooLittle('Steps need --every, the time that each of them stays.')
  // A shell says yes to nothing at all, such as a variable that is not set.
  if (gate === undefined || gate.trim() === '')
    throw tooLittle('Steps need a --gate; --gate none lets time alone decide.')
  const timeoutMs = flags['gate-timeout'] ?? gateTimeoutMs
  return {weights: step, everyMs: every, gate: gate === 'none' ? undefined : {command: gate, timeoutMs}}
}

function tooLittle(sentence: string): UsageError {
  return new UsageError(sentence, {suggestions: ['--weight 10', "--step 5,25,50,100 --every 2m --gate './check.sh'"]})
}
