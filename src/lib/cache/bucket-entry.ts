/** One stored revision of a key. */
export interface BucketEntry {
  readonly key: string
  /** `DEL` for any marker that says the key is gone. */
  readonly operation: 'PUT' | 'DEL'
  /** Empty for `DEL`. */
  readonly value: Uint8Array
  readonly revision: number
  /** ISO time. */
  readonly created: string
}

/** What a watch of a bucket follows, and what it tells on the way. */
export interface WatchOptions {
  readonly signal: AbortSignal
  /** Only keys that start with it; it must be empty or end at a dot. */
  readonly prefix?: string
  /** `current` once all present values were taken, and again after each trouble; `stale` while nothing is known to arrive. */
  readonly report?: (state: 'current' | 'stale') => void
}
