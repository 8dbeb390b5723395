import {systemClock} from '../clock.js'
import {ConnectionError} from '../errors.js'
import type {BucketEntry, WatchOptions} from './bucket-entry.js'
import {Delivery, type Delivered} from './delivery.js'
import type {JetStream} from './jetstream.js'

const heartbeatMs = 500
const retryMs = 250

/**
 * Yields present values and then changes until the signal aborts. Each trouble (a gap, three missed heartbeats, a
 * consumer or bucket that is gone) leads to a new reading of everything: what has another revision is yielded, and what
 * is no longer there is yielded as `DEL`. Throws only when the connection is closed for good.
 */
export async function* watchBucket(
  js: JetStream,
  bucket: string,
  {signal, prefix = '', report = () => undefined}: WatchOptions,
): AsyncGenerator<BucketEntry> {
  const known = new Map<string, Known>()
  let last: 'current' | 'stale' | undefined
  const tell = (state: 'current' | 'stale'): void => {
    if (state !== last) report(state)
    last = state
  }
  for (;;) {
    if (js.nc.isClosed()) {
      throw new ConnectionError(`The connection was closed while the bucket '${bucket}' was watched.`)
    }
    const delivery = await tryOpen(js, bucket, `${prefix}>`)
    if (delivery !== undefined) yield* follow(delivery, known, {signal, report: tell})
    if (aborted(signal)) return
    tell('stale')
    await systemClock.sleep(retryMs, signal).catch(() => undefined)
    if (aborted(signal)) return
  }
}

/** What was yielded last for a key. A bucket that was made anew counts its revisions from one: the time tells. */
interface Known {
  readonly revision: number
  readonly created: string
}

/** A bucket that is missing or a server that does not answer is waited for. */
async function tryOpen(js: JetStream, bucket: string, filter: string): Promise<Delivery | undefined> {
  const options = {filter, policy: 'last_per_subject', heartbeatMs} as const
  return Delivery.open({...js, timeoutMs: Math.min(js.timeoutMs, 2000)}, bucket, options).catch(() => undefined)
}

async function* follow(
  delivery: Delivery,
  known: Map<string, Known>,
  {signal, report}: Required<Pick<WatchOptions, 'signal' | 'report'>>,
): AsyncGenerator<BucketEntry> {
  await using _ = delivery
  const seen = new Set<string>()
  let pending = delivery.pending
  let current = false
  for (;;) {
    if (!current && pending === 0) {
      yield* vanished(known, seen)
      report('current')
      current = true
    }
    const delivered = await nextAlive(delivery, signal)
    if (delivered.kind === 'lost' || signal.aborted) return
    if (delivered.kind === 'idle') continue
    pending = delivered.pending
    const {entry} = delivered
    if (!current) seen.add(entry.key)
    const before = known.get(entry.key)
    if (before?.revision === entry.revision && before.created === entry.created) continue
    if (entry.operation === 'DEL' && before === undefined) continue
    if (entry.operation === 'DEL') known.delete(entry.key)
    else known.set(entry.key, {revision: entry.revision, created: entry.created})
    yield entry
  }
}

/** Keys that were known and that a complete reading did not show: purged, or gone with the old bucket. */
function* vanished(known: Map<string, Known>, seen: ReadonlySet<string>): Generator<BucketEntry> {
  for (const [key, {revision}] of known) {
    if (seen.has(key)) continue
    known.delete(key)
    yield {key, operation: 'DEL', value: new Uint8Array(), revision, created: new Date().toISOString()}
  }
}

/** Three heartbeats without a word mean that nothing arrives any more, whatever the connection says. */
async function nextAlive(delivery: Delivery, signal: AbortSignal): Promise<Delivered> {
  const delivered = await delivery.next(3 * heartbeatMs, signal)
  return delivered.kind === 'idle' && delivery.silentMs >= 3 * heartbeatMs - 10 ? {kind: 'lost'} : delivered
}

/** A call, so that the compiler does not take an earlier answer for the present one. */
function aborted(signal: AbortSignal): boolean {
  return signal.aborted
}
