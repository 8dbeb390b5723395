import {systemClock} from '../clock.js'
import {askBucketState, type BucketState} from './bucket-state.js'
import type {JetStream} from './jetstream.js'

/** What a bucket's leader said, and when it was asked. */
export interface Asked {
  readonly state: BucketState
  /** By `performance.now()`. */
  readonly at: number
}

export interface ChecksOptions {
  readonly everyMs: number
  /** Called after each answer that proves something. */
  readonly answered: () => void
  /** The bucket is another one or none. */
  readonly gone: () => void
  /** Called as long as something is missing without anybody having said so. */
  readonly removed: () => void
}

const answerMs = 1500

/**
 * Asks the leader of a bucket again and again. What no consumer tells shows so: another bucket under the same name,
 * revisions that expired or were purged, and a server that says it is alive while it is cut off from the others.
 */
export class StateChecks implements Disposable {
  readonly #js: JetStream
  readonly #bucket: string
  readonly #options: ChecksOptions
  readonly #stop = new AbortController()
  #before: BucketState
  /** The oldest answer whose revisions were not all shown. */
  #open: Asked | undefined
  #provenAt = -Infinity
  #removed = false

  /** `first` is what was said before reading began. */
  constructor(js: JetStream, bucket: string, first: Asked, options: ChecksOptions) {
    this.#js = {...js, timeoutMs: Math.min(js.timeoutMs, answerMs)}
    this.#bucket = bucket
    this.#options = options
    this.#before = first.state
    this.#open = first.state.quorum ? first : undefined
    void this.#run(this.#stop.signal)
  }

  /** The latest moment of which everything was shown when all up to that revision was. */
  provenBy(revision: number): number {
    if (this.#open !== undefined && revision >= this.#open.state.last) {
      this.#provenAt = this.#open.at
      this.#open = undefined
    }
    return this.#provenAt
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await systemClock.sleep(this.#options.everyMs, signal).catch(() => undefined)
      if (signal.aborted) return
      const at = performance.now()
      const state = await askBucketState(this.#js, this.#bucket).catch(() => 'silent' as const)
      if (this.#stop.signal.aborted) return
      if (state !== 'silent') this.#take(state, at)
    }
  }

  #take(state: BucketState | undefined, at: number): void {
    const before = this.#before
    if (state?.created !== before.created || state.last < before.last) {
      return this.#options.gone()
    }
    this.#removed ||= state.last - before.last > state.messages - before.messages
    this.#before = state
    if (state.quorum) this.#open ??= {state, at}
    this.#options.answered()
    if (this.#removed) this.#options.removed()
  }
}
