import {createInbox, type Msg} from '@nats-io/transport-node'

import type {BucketEntry} from './bucket-entry.js'
import type {Bucket} from './bucket.js'
import type {JetStream} from './jetstream.js'

export interface ReadManyOptions {
  /** The bucket itself, whose leader knows what a replica does not know yet. */
  readonly leader: Bucket
  /** The stream lets every replica answer. */
  readonly direct: boolean
  /** Ask the leader for what a replica does not know; without that a key may be missed that was just written. */
  readonly exact: boolean
}

/** One key to read, and the revision that is known to be there. */
export interface WantedKey {
  readonly key: string
  readonly revision?: number | undefined
}

/** How many keys are asked for at once. */
export const mostAtOnce = 512
const leaderReads = 32
const patienceMs = 2000

/**
 * The latest revisions of up to `mostAtOnce` keys, deletions included: from whichever replica answers, and from the leader
 * what that one knows nothing of. Keys that never were are not in the answer.
 */
export async function readMany(
  js: JetStream,
  bucket: string,
  wanted: readonly WantedKey[],
  {leader, direct, exact}: ReadManyOptions,
): Promise<Map<string, BucketEntry>> {
  const found = new Map<string, BucketEntry>()
  const unknown = direct ? await readDirectly(js, {bucket, wanted, found}) : new Set(wanted.map(({key}) => key))
  const missing = wanted.filter(({key, revision}) => {
    const entry = found.get(key)
    return unknown.has(key) || (exact && (entry === undefined || entry.revision < (revision ?? 0)))
  })
  const next = missing.values()
  const readers = Array.from({length: Math.min(leaderReads, missing.length)}, async () => {
    for (const {key} of next) {
      const entry = await leader.last(key)
      if (entry === undefined) found.delete(key)
      else found.set(key, entry)
    }
  })
  await Promise.all(readers)
  return found
}

interface DirectRead {
  readonly bucket: string
  readonly wanted: readonly WantedKey[]
  readonly found: Map<string, BucketEntry>
}

/** Asks for all keys without waiting in between; the keys of which nobody told anything. */
function readDirectly(js: JetStream, {bucket, wanted, found}: DirectRead): Promise<ReadonlySet<string>> {
  const inbox = `${createInbox(js.inboxPrefix)}.`
  const unknown = new Set(wanted.map(({key}) => key))
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(late)
      subscription.unsubscribe()
      resolve(unknown)
    }
    const subscription = js.nc.subscribe(`${inbox}*`, {
      callback: (error, msg) => {
        if (error !== null) return finish()
        const key = wanted[Number(msg.subject.slice(inbox.length))]?.key
        if (key === undefined || msg.headers?.code === 503) return
        const entry = readEntry(msg, key)
        if (entry !== undefined) found.set(key, entry)
        else if (msg.headers?.code !== 404) return
        unknown.delete(key)
        if (unknown.size === 0) finish()
      },
    })
    const late = setTimeout(finish, Math.min(js.timeoutMs, patienceMs))
    for (const [index, {key}] of wanted.entries()) {
      js.nc.publish(`${js.prefix}.DIRECT.GET.KV_${bucket}.$KV.${bucket}.${key}`, '', {reply: `${inbox}${index}`})
    }
  })
}

/** Undefined for what holds no revision. */
function readEntry({headers, data}: Msg, key: string): BucketEntry | undefined {
  const revision = Number(headers?.get('Nats-Sequence'))
  if (!Number.isSafeInteger(revision) || revision < 1) return undefined
  const operation = headers?.get('KV-Operation')
  const gone = operation === 'DEL' || operation === 'PURGE' || Boolean(headers?.get('Nats-Marker-Reason'))
  return {
    key,
    operation: gone ? 'DEL' : 'PUT',
    value: gone ? new Uint8Array() : new Uint8Array(data),
    revision,
    created: new Date(headers?.get('Nats-Time-Stamp') ?? 0).toISOString(),
  }
}
