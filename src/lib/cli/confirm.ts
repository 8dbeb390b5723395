import type {Readable, Writable} from 'node:stream'

import * as Flags from '@oclif/core/flags'

import {shellWord} from '../entity/require.js'
import {InterruptedError, UsageError} from '../errors.js'
import {clean} from '../output/text.js'
import {endOfInput} from './end-of-input.js'

/** The answer of a script to the question that a protected context asks. */
export const confirmFlag = Flags.string({
  helpValue: 'NAME',
  summary: 'Name of the protected context this acts on; asked for on a terminal.',
})

/** Where a person can be asked: both streams are a terminal. */
export interface Terminal {
  readonly input: Readable
  readonly output: Writable
}

export interface Confirmation {
  /** Name of the protected context. */
  readonly context: string
  /** What `--confirm` said. */
  readonly given: string | undefined
  /** The command as it was typed. */
  readonly line: string
  /** Undefined where nobody can answer. */
  readonly terminal: Terminal | undefined
}

/**
 * Resolves when the protected context was named, by `--confirm` or by the person at the terminal. Throws a UsageError
 * when another one was, or when nobody can be asked.
 */
export async function confirmContext({context, given, line, terminal}: Confirmation): Promise<void> {
  refuseOther(context, given)
  if (given === context) return
  if (terminal === undefined) throw new UnconfirmedError(context, line)
  const typed = await ask(`Context '${clean(context)}' is protected. Type its name to run this`, terminal)
  if (typed !== context) throw new WrongNameError(context, typed)
}

/** Throws a UsageError when `--confirm` names another context than the one that is acted on, protected or not. */
export function refuseOther(context: string | undefined, given: string | undefined): void {
  if (given !== undefined && given !== context) throw new WrongNameError(context ?? 'none', given)
}

/** The typed command with its confirmation, as a line to paste; `id` is oclif's, such as `cache:del`. */
export function confirmedLine(id: string, argv: readonly string[], context: string): string {
  const command = ['lattice', ...id.split(':')]
  return [...command, '--confirm', shellWord(context), ...argv.map(shellWord)].join(' ')
}

/** The terminal of this process, when a person can read the question and answer it. */
export function ownTerminal(): Terminal | undefined {
  const {stdin: input, stderr: output} = process
  return input.isTTY && output.isTTY ? {input, output} : undefined
}

class UnconfirmedError extends UsageError {
  constructor(context: string, line: string) {
    super(`The context '${context}' is protected.`, {
      suggestions: [line, `lattice context show ${shellWord(context)}`],
      details: {context},
    })
  }
}

class WrongNameError extends UsageError {
  constructor(context: string, given: string) {
    super(`The context is '${context}' and not '${given}', so nothing was done.`, {details: {context, given}})
  }
}

async function ask(message: string, {input, output}: Terminal): Promise<string> {
  const {input: prompt} = await import('@inquirer/prompts')
  using end = endOfInput(input)
  try {
    return (await prompt({message}, {input, output, signal: end.signal})).trim()
  } catch (cause) {
    throw new InterruptedError('Nothing was confirmed, so nothing was done.', {cause})
  }
}
