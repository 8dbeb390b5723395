import type {BucketEntry, WatchOptions} from '../../src/lib/cache/bucket-entry.js'
import type {Bucket} from '../../src/lib/cache/bucket.js'

/** A reader of a watch that applies every change. */
export interface Watching extends AsyncDisposable {
  /** What it holds now. */
  readonly state: ReadonlyMap<string, string>
  /** Every change in order, `key=value` or `key deleted`. */
  readonly seen: readonly string[]
  readonly entries: readonly BucketEntry[]
  readonly reports: readonly ('current' | 'stale')[]
  /** When each report came, by `performance.now()`. */
  readonly reportedAt: readonly number[]
}

/** Starts it: `await using watching = startWatching(bucket)`; what the watch throws comes when it is disposed. */
export function startWatching(bucket: Bucket, options: Omit<WatchOptions, 'signal' | 'report'> = {}): Watching {
  const controller = new AbortController()
  const state = new Map<string, string>()
  const seen: string[] = []
  const entries: BucketEntry[] = []
  const reports: ('current' | 'stale')[] = []
  const reportedAt: number[] = []
  const report = (word: 'current' | 'stale'): void => {
    reports.push(word)
    reportedAt.push(performance.now())
  }
  const running = (async () => {
    for await (const entry of bucket.watch({...options, signal: controller.signal, report})) {
      const {key, operation} = entry
      const word = new TextDecoder().decode(entry.value)
      entries.push(entry)
      seen.push(operation === 'PUT' ? `${key}=${word}` : `${key} deleted`)
      if (operation === 'PUT') state.set(key, word)
      else state.delete(key)
    }
  })()
  // It is awaited at the end; until then a failure is nobody's.
  running.catch(() => undefined)
  return {
    state,
    seen,
    entries,
    reports,
    reportedAt,
    [Symbol.asyncDispose]: async () => {
      controller.abort()
      await running
    },
  }
}
