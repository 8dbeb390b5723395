import {ServerError, TimeoutError} from '../errors.js'
import type {BucketEntry} from './bucket-entry.js'
import {askBucketState} from './bucket-state.js'
import {Delivery, type DeliveryOptions} from './delivery.js'
import type {JetStream} from './jetstream.js'

/** Everything that is stored now below a filter, in stream order. */
export async function readAll(js: JetStream, bucket: string, options: DeliveryOptions): Promise<BucketEntry[]> {
  for (let attempt = 1; attempt <= 3; attempt++) {
    const entries = await readOnce(js, bucket, options)
    if (entries !== undefined) return entries
  }
  throw new ServerError(`The bucket '${bucket}' could not be listed: messages were lost three times.`)
}

/**
 * What the server counts as pending is short of a key that is overwritten while it is read: its old revision is gone
 * before it was sent. As long as a key is missing, reading goes on to what is the end of the stream then.
 */
async function readOnce(js: JetStream, bucket: string, options: DeliveryOptions): Promise<BucketEntry[] | undefined> {
  await using delivery = await Delivery.open(js, bucket, {heartbeatMs: 500, ...options})
  const entries: BucketEntry[] = []
  const found = new Set<string | number>()
  let [mayBeAll, upTo, end] = [false, 0, Infinity]
  let lastMessage = performance.now()
  while (found.size < delivery.pending && upTo < end) {
    if (mayBeAll && end === Infinity) end = (await askBucketState(js, bucket))?.last ?? 0
    const delivered = await delivery.next(js.timeoutMs)
    if (delivered.kind === 'lost') return undefined
    if (delivered.kind === 'entry') {
      entries.push(delivered.entry)
      found.add(options.policy === 'all' ? entries.length : delivered.entry.key)
      mayBeAll = delivered.pending === 0
      upTo = delivered.entry.revision
      lastMessage = performance.now()
    } else {
      mayBeAll = true
      upTo = delivered.upTo
      if (performance.now() - lastMessage < js.timeoutMs) continue
      throw new TimeoutError(`Listing the bucket '${bucket}' stopped after ${entries.length} entries.`, {
        details: {bucket, waitedMs: js.timeoutMs},
      })
    }
  }
  return options.policy === 'all' ? entries : latest(entries)
}

/** A key that was written while it was read came twice. */
function latest(entries: readonly BucketEntry[]): BucketEntry[] {
  const byKey = new Map<string, BucketEntry>()
  for (const entry of entries) {
    byKey.delete(entry.key)
    byKey.set(entry.key, entry)
  }
  return [...byKey.values()]
}
