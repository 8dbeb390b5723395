import {NoPermissionError} from '../nats/request.js'
import type {BucketEntry} from './bucket-entry.js'
import type {LatticeCache} from './cache.js'
import {readStoredRecord, type CacheEntry} from './entry.js'
import {addressAt} from './key.js'
import {findPlaces, type Watched, type WatchPlace, type WatchSelection} from './watch-places.js'

/** A record that is there, was written, or is gone, or what is known of what was shown. */
export type WatchEvent =
  | ({readonly event: 'put'} & CacheEntry)
  | ({readonly event: 'del'} & GoneEntry)
  | {
      /** All records were shown; again after `stale`, when the watch has caught up. */
      readonly event: 'current'
      /** ISO time. */
      readonly time: string
      readonly lattice: string
      /** How many records there are. */
      readonly records: number
    }
  | {
      /** It is not known any more that what was shown is what stood there two seconds ago. Comes again for more buckets. */
      readonly event: 'stale'
      readonly time: string
      readonly lattice: string
      /** Those that are stale now. */
      readonly buckets: readonly string[]
    }
  | {
      /** This user may not read a bucket of the lattice, which is left out. */
      readonly event: 'unreadable'
      readonly time: string
      readonly bucket: string
      readonly message: string
    }

/** A record that was shown and is no longer there. */
export interface GoneEntry extends Pick<CacheEntry, 'kind' | 'name' | 'title' | 'version' | 'bucket' | 'key'> {
  /** Of its deletion, or the last that was known when nobody said that it is gone. */
  readonly revision: number
  /** ISO time of its deletion, or when it was noticed. */
  readonly created: string
  /** It expired or was purged, or its bucket was deleted. */
  readonly vanished?: true
}

export interface WatchRecordsOptions {
  readonly signal: AbortSignal
  /** Told one after the other for each bucket; nothing more is read while it is busy. */
  readonly report: (event: WatchEvent) => Promise<void>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * Shows the selected records and then every change until the signal aborts; see `watchBucket` for what it survives.
 * Returns how many records there were at the end. Throws a NotFound- or AmbiguousError for a name that says nothing, and
 * a ConnectionError when nothing can be read.
 */
export async function watchRecords(
  cache: LatticeCache,
  selection: WatchSelection,
  options: WatchRecordsOptions,
): Promise<number> {
  const watched = await findPlaces(cache, selection)
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  const watch = new RecordsWatch(cache, watched, {...options, signal})
  const running = watched.places.map((place) => watch.follow(place))
  try {
    await Promise.all(running)
  } finally {
    failed.abort()
    await Promise.allSettled(running)
  }
  return watch.records
}

type Shown = Pick<GoneEntry, 'kind' | 'name' | 'title' | 'version'>

class RecordsWatch {
  readonly #cache: LatticeCache
  readonly #watched: Watched
  readonly #options: WatchRecordsOptions
  /** What was shown and is there, by bucket and key. */
  readonly #shown = new Map<string, Shown>()
  readonly #states = new Map<string, 'current' | 'stale'>()
  readonly #denied: NoPermissionError[] = []
  /** The buckets that were told to be stale since all were current; undefined before that. */
  #stale: ReadonlySet<string> | undefined

  constructor(cache: LatticeCache, watched: Watched, options: WatchRecordsOptions) {
    this.#cache = cache
    this.#watched = watched
    this.#options = options
  }

  get records(): number {
    return this.#shown.size
  }

  async follow({bucket, ...part}: WatchPlace): Promise<void> {
    const {signal} = this.#options
    const report = (state: 'current' | 'stale'): void => {
      this.#states.set(bucket, state)
      void this.#judge()
    }
    try {
      for await (const entry of this.#cache.bucket(bucket).watch({signal, report, ...part})) {
        await this.#take(bucket, entry)
        if (signal.aborted) return
      }
    } catch (error) {
      if (!(error instanceof NoPermissionError) || signal.aborted) throw error
      await this.#leaveOut(bucket, error)
    }
  }

  async #take(bucket: string, stored: BucketEntry): Promise<void> {
    const {key, operation, revision, created, vanished} = stored
    const place = `${bucket} ${key}`
    if (operation === 'PUT') {
      const address = addressAt({bucket, key}, this.#cache.lattice)
      const {entry} = await readStoredRecord(address, bucket, stored)
      if (this.#watched.wanted(entry)) {
        const {kind, name, title, version} = entry
        this.#shown.set(place, {kind, name, ...(title && {title}), ...(version && {version})})
        return this.#options.report({event: 'put', ...entry})
      }
    }
    // What is no longer as it was asked for is gone from what is watched.
    const shown = this.#shown.get(place)
    if (shown === undefined) return
    this.#shown.delete(place)
    await this.#options.report({event: 'del', ...shown, bucket, key, revision, created, ...(vanished && {vanished})})
  }

  /** Tells each bucket that becomes stale, and when all of them are current. */
  async #judge(): Promise<void> {
    const states = this.#watched.places.map(({bucket}) => this.#states.get(bucket))
    const buckets = [...this.#states].flatMap(([bucket, state]) => (state === 'stale' ? [bucket] : [])).sort()
    const head = {time: new Date(this.#options.now()).toISOString(), lattice: this.#cache.lattice}
    if (buckets.some((bucket) => this.#stale?.has(bucket) !== true)) {
      this.#stale = new Set([...(this.#stale ?? []), ...buckets])
      await this.#options.report({event: 'stale', ...head, buckets})
    } else if (states.every((state) => state === 'current') && this.#stale?.size !== 0) {
      this.#stale = new Set()
      await this.#options.report({event: 'current', ...head, records: this.records})
    }
  }

  /** A user of few rights sees what it may see, as in a listing. */
  async #leaveOut(bucket: string, error: NoPermissionError): Promise<void> {
    this.#denied.push(error)
    if (this.#denied.length === this.#watched.places.length) throw this.#denied[0]!
    this.#states.set(bucket, 'current')
    const time = new Date(this.#options.now()).toISOString()
    await this.#options.report({event: 'unreadable', time, bucket, message: error.message})
    await this.#judge()
  }
}
