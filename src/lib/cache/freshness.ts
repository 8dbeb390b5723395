/**
 * Tells `current` from `stale`: what was shown is current for so long as it is known to have been the present a moment
 * ago. It depends on nothing that arrives, so that silence is told as well.
 */
export class Freshness implements Disposable {
  readonly #lastsMs: number
  readonly #report: (state: 'current' | 'stale') => void
  #provenAt = -Infinity
  /** What was not complete yet is not stale as long as more of it comes. */
  #startedAt = performance.now()
  #state: 'current' | 'stale' | undefined
  #timer: NodeJS.Timeout | undefined
  #ended = false

  constructor(lastsMs: number, report: (state: 'current' | 'stale') => void) {
    this.#lastsMs = lastsMs
    this.#report = report
    this.#watch()
  }

  /** What was shown is what stood there at this moment, by `performance.now()`. */
  prove(at: number): void {
    if (at < this.#provenAt) return
    this.#provenAt = at
    // What comes late and is nearly over already would only make it change its mind twice.
    if (performance.now() - at < this.#lastsMs / (this.#state === 'stale' ? 2 : 1)) this.#tell('current')
    this.#watch()
  }

  /** Something was shown of what was never complete so far. */
  progress(): void {
    if (this.#state === undefined) this.#startedAt = performance.now()
  }

  [Symbol.dispose](): void {
    this.#ended = true
    clearTimeout(this.#timer)
  }

  #watch(): void {
    clearTimeout(this.#timer)
    if (this.#ended) return
    const left = Math.max(this.#provenAt, this.#startedAt) + this.#lastsMs - performance.now()
    if (left > 0) this.#timer = setTimeout(() => this.#look(), left)
    else this.#tell('stale')
  }

  /** After a long computation, what arrived meanwhile has its turn first. */
  #look(): void {
    setImmediate(() => this.#watch())
  }

  #tell(state: 'current' | 'stale'): void {
    if (state === this.#state) return
    this.#state = state
    this.#report(state)
  }
}
