import {setTimeout} from 'node:timers/promises'

import {TimeoutError} from '../errors.js'
import type {BucketEntry} from './bucket-entry.js'
import type {DeliveryOptions} from './delivery.js'
import type {JetStream} from './jetstream.js'
import {readAll} from './read-all.js'

/** Waits between looks at a server that is behind. */
const againMs = 50

/**
 * Everything that is stored now below a filter, up to what the leader knows of it: the server that reads may have missed
 * what was written, and would not say so. `lastRevision` asks the leader, and is 0 where nothing was ever stored.
 */
export async function readWhole(
  js: JetStream,
  bucket: string,
  {lastRevision, ...options}: DeliveryOptions & {readonly lastRevision: () => Promise<number>},
): Promise<BucketEntry[]> {
  const deadline = performance.now() + js.timeoutMs
  for (;;) {
    const [wanted, entries] = await Promise.all([lastRevision(), readAll(js, bucket, options)])
    if (entries.reduce((last, {revision}) => Math.max(last, revision), 0) >= wanted) return entries
    if (performance.now() > deadline) {
      throw new TimeoutError(`The servers of the bucket '${bucket}' are still behind its leader.`, {
        details: {bucket, revision: wanted, waitedMs: js.timeoutMs},
      })
    }
    await setTimeout(againMs)
  }
}
