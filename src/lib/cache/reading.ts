import type {BucketEntry} from './bucket-entry.js'
import type {KnownKeys} from './known-keys.js'

/** The first part of a delivery, all that stood there when it began, seen against what was known before. */
export class Reading {
  readonly #known: KnownKeys
  readonly #began = performance.now()
  readonly #unseen: Set<string>
  /** Older revisions than those that were yielded, by key. */
  readonly #older = new Map<string, BucketEntry>()
  #tookMs: number | undefined

  constructor(known: KnownKeys) {
    this.#known = known
    this.#unseen = new Set(known.keys)
  }

  get complete(): boolean {
    return this.#tookMs !== undefined
  }

  /** False for an entry that has to wait until the reading is complete. */
  admits(entry: BucketEntry): boolean {
    if (this.complete) return true
    this.#unseen.delete(entry.key)
    this.#older.delete(entry.key)
    if (!this.#known.isAhead(entry)) return true
    this.#older.set(entry.key, entry)
    return false
  }

  /** Completes the reading; what it leaves in doubt, by key. */
  end(): Map<string, BucketEntry | undefined> {
    this.#tookMs = performance.now() - this.#began
    const doubts = new Map<string, BucketEntry | undefined>(this.#older)
    for (const key of this.#unseen) doubts.set(key, undefined)
    this.#older.clear()
    this.#unseen.clear()
    return doubts
  }

  /** False while to read everything again would take a good part of the time. */
  mayRepeat(): boolean {
    return this.#tookMs !== undefined && performance.now() - this.#began > Math.max(1000, 10 * this.#tookMs)
  }
}
