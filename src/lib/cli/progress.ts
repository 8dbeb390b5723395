import type {Clock} from '../clock.js'
import {progressText} from '../output/progress.js'

/** How far some long work is. */
export interface Progress {
  readonly done: number
  /** Absent while nobody knows. */
  readonly total?: number | undefined
}

/** What of a stream is needed to write on the same line again and again. */
export interface ProgressTerminal {
  readonly isTTY?: boolean
  readonly columns?: number
  write: (text: string) => unknown
}

/** Whatever takes longer is shown. */
const silentMs = 1000
const everyMs = 100

/** One line at the foot of a terminal that tells how far long work is; nothing where nobody looks, or for short work. */
export class ProgressLine implements Disposable {
  readonly #what: string
  readonly #clock: Clock
  readonly #started: number
  readonly #terminal: ProgressTerminal
  #shownAt = 0
  #shown = false

  constructor(what: string, clock: Clock, terminal: ProgressTerminal = process.stderr) {
    this.#what = what
    this.#clock = clock
    this.#started = clock.now()
    this.#terminal = terminal
  }

  /** Shows the present state, at most ten times a second. */
  show({done, total}: Progress): void {
    const now = this.#clock.now()
    const elapsedMs = now - this.#started
    if (!this.#terminal.isTTY || elapsedMs < silentMs || now - this.#shownAt < everyMs) return
    this.#shownAt = now
    this.#shown = true
    const width = Math.max(20, (this.#terminal.columns ?? 80) - 1)
    this.#terminal.write(`\r\u001b[2K${progressText(this.#what, {done, total, elapsedMs}, width)}`)
  }

  /** Leaves no trace, so that what comes next has the line for itself. */
  [Symbol.dispose](): void {
    if (this.#shown) this.#terminal.write('\r\u001b[2K')
    this.#shown = false
  }
}
