import {setTimeout} from 'node:timers/promises'

import type {BucketEntry} from '../cache/bucket-entry.js'
import {ServerError} from '../errors.js'
import type {Planned} from './plan.js'

export interface Refusal {
  /** The revision that is to be expected now. */
  readonly expected: number
  /** What stands there, as far as it can be read. */
  readonly present: BucketEntry | undefined
  /** The revision that whoever refused took for the present one. */
  readonly told: number | undefined
}

/** Several writers of one key at once cannot keep an import for ever. */
const mostTries = 5
const restMs = 50

/**
 * Judges what was refused. A leader that stood still refuses by what it knew for a moment more, and one that lost the
 * others whatever is under way: then what is read does not bear the refusal out, and nobody else wrote anything.
 */
export class Refusals {
  readonly #timeoutMs: number
  #doubted = false

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** Whether a record may be sent once more; throws a ServerError when it was refused without reason for too long. */
  mayTry(planned: Planned, {expected, present, told}: Refusal): boolean {
    const isDoubtful = expected === planned.sent || (present?.revision ?? 0) < (told ?? 0)
    planned.sent = expected
    if (!isDoubtful) return ++planned.tries <= mostTries
    const now = performance.now()
    planned.doubtedSince ??= now
    if (now - planned.doubtedSince > this.#timeoutMs) throw falselyRefused(planned, expected)
    this.#doubted = true
    return true
  }

  /** Gives a server that refused without reason a moment to learn. */
  async rest(): Promise<void> {
    if (!this.#doubted) return
    this.#doubted = false
    await setTimeout(restMs)
  }
}

function falselyRefused({bucket, key}: Planned, expected: number): ServerError {
  const there = expected === 0 ? 'nothing stands there' : `it is at revision ${expected}, as expected`
  return new ServerError(`The bucket '${bucket}' refuses the write of '${key}' though ${there}.`, {
    suggestions: ['Run the same command again.'],
    details: {bucket, key},
  })
}
