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
  /**
   * Only in a watch: nobody said that the key is gone, as when it expired or was purged, or the bucket was deleted.
   * `revision` is the last one that was known, and `created` is when it was noticed.
   */
  readonly vanished?: true
}

/** What a watch of a bucket follows, and what it tells on the way. */
export interface WatchOptions {
  readonly signal: AbortSignal
  /** Only keys that start with it; it must be empty or end at a dot. */
  readonly prefix?: string
  /** Only this key. */
  readonly key?: string
  /**
   * `current` once all present values were taken, and again after each trouble; `stale` when it is no longer known that
   * what was yielded is what stood there two seconds ago.
   */
  readonly report?: (state: 'current' | 'stale') => void
  /** How often the bucket's leader is asked how far it goes; default 500. What is stale shows after twice that and 0.6 s. */
  readonly checkMs?: number
}
