import {ConnectionError, InterruptedError, PartialError, TimeoutError, type ErrorOptions} from '../errors.js'
import type {BundleEndError} from './bundle-errors.js'
import type {Tally, Unwritten} from './tally.js'

/** How far an import got that did not end by itself. */
export interface HowFar {
  readonly tally: Tally
  /** Records that were sent and have no answer. */
  readonly unknown: number
  /** Everything up to this line of the bundle is settled. */
  readonly throughLine: number
}

/** Some records were not written; all others were. */
export class UnwrittenError extends PartialError {
  constructor(tally: Tally, {dryRun}: {readonly dryRun: boolean}) {
    const {refused, conflicts} = tally.counts
    const parts = [
      ...(refused > 0 ? [`${records(refused)} cannot be written as ${refused === 1 ? 'it is' : 'they are'}`] : []),
      ...(conflicts > 0
        ? [`${records(conflicts)} ${conflicts === 1 ? 'was' : 'were'} written by somebody else meanwhile`]
        : []),
    ]
    const rest = dryRun ? 'all others could be imported' : 'all others were imported'
    super(`${parts.join(', and ')}; ${rest}.`, {
      suggestions: [
        ...(conflicts > 0 ? ['Run it again: what is there already is not written twice.'] : []),
        ...(refused > 0 ? ['--no-validate   (for repair work: writes what no host may read)'] : []),
      ],
      lines: tally.unwritten.map(unwrittenLine),
      details: {...tally.counts, unwritten: tally.unwritten},
    })
  }
}

/** The same for a bundle of which it turned out at its end that it is not whole. */
export function endedError({message, suggestions, details}: BundleEndError, tally: Tally): PartialError {
  return new PartialError(message, {
    suggestions,
    lines: tally.unwritten.map(unwrittenLine),
    details: {...details, ...tally.counts, unwritten: tally.unwritten},
  })
}

/** The error for an import that stopped in the middle, by what is known of what was sent last. */
export function stoppedError(cause: unknown, {tally, unknown, throughLine}: HowFar): unknown {
  if (!(cause instanceof Error)) return cause
  const {written, counts} = tally
  // Nothing was done, so there is nothing to tell but why.
  if (written === 0 && unknown === 0 && !(cause instanceof InterruptedError)) return cause
  const open = unknown === 0 ? '' : ` Whether ${records(unknown)} more were is not known.`
  const sentence = `The import stopped when ${records(written)} were written, and everything up to line ${throughLine} is done.${open} ${cause.message}`
  const options: ErrorOptions = {
    suggestions: ['Run it again: what is there already is not written twice.'],
    details: {...counts, unknown, throughLine},
    cause,
  }
  if (cause instanceof InterruptedError) return new InterruptedError(sentence, options)
  if (unknown > 0 || cause instanceof TimeoutError || cause instanceof ConnectionError) {
    return new TimeoutError(sentence, options)
  }
  return new PartialError(sentence, options)
}

/** One of them as a person reads it. */
export function unwrittenLine({line, kind, key, reason}: Unwritten): string {
  const what = kind === undefined || key === undefined ? '' : `, ${kind} '${key}'`
  return `line ${line}${what}: ${reason}`
}

function records(count: number): string {
  return count === 1 ? '1 record' : `${count} records`
}
