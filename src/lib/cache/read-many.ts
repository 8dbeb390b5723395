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

/** How many the server answers with at once is limited to 1024. */
export const mostAtOnce = 512
const mostBytes = 16 << 20
const leaderReads = 32

/**
 * The latest revisions of up to `mostAtOnce` keys, deletions included: in one request where the server can do that (2.11),
 * and from the leader what a replica knows nothing of. Keys that never were are not in the answer.
 */
export async function readMany(
  js: JetStream,
  bucket: string,
  wanted: readonly WantedKey[],
  {leader, direct, exact}: ReadManyOptions,
): Promise<Map<string, BucketEntry>> {
  const atOnce = direct && canReadMany(js.nc.info?.version)
  const keys = wanted.map(({key}) => key)
  const answer = atOnce ? await readAtOnce(js, bucket, keys) : undefined
  const found = new Map(answer?.map((entry) => [entry.key, entry]))
  if (answer !== undefined && !exact) return found
  const missing = wanted.filter(({key, revision}) => {
    const entry = found.get(key)
    return entry === undefined || entry.revision < (revision ?? 0)
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

function canReadMany(version: string | undefined): boolean {
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number)
  return major > 2 || (major === 2 && minor >= 11)
}

/** What one replica says; undefined where it does not answer as it should. */
function readAtOnce(
  js: JetStream,
  bucket: string,
  keys: readonly string[],
): Promise<readonly BucketEntry[] | undefined> {
  const prefix = `$KV.${bucket}.`
  const inbox = createInbox(js.inboxPrefix)
  return new Promise((resolve) => {
    const entries: BucketEntry[] = []
    const finish = (whole: boolean): void => {
      clearTimeout(late)
      subscription.unsubscribe()
      resolve(whole ? entries : undefined)
    }
    const subscription = js.nc.subscribe(inbox, {
      callback: (error, msg) => {
        const entry = error === null ? readDirect(msg, prefix) : undefined
        if (entry !== undefined) entries.push(entry)
        else finish(error === null && isEnd(msg))
      },
    })
    const late = setTimeout(() => finish(false), Math.min(js.timeoutMs, 2000))
    const query = {multi_last: keys.map((key) => prefix + key), max_bytes: mostBytes}
    js.nc.publish(`${js.prefix}.DIRECT.GET.KV_${bucket}`, JSON.stringify(query), {reply: inbox})
  })
}

/** The end of all results, or that there is none. */
function isEnd({headers}: Msg): boolean {
  return (headers?.code === 204 && Number(headers.get('Nats-Num-Pending') || 0) === 0) || headers?.code === 404
}

/** Undefined for the status that ends the answer. */
function readDirect(msg: Msg, prefix: string): BucketEntry | undefined {
  const subject = msg.headers?.get('Nats-Subject') ?? ''
  const revision = Number(msg.headers?.get('Nats-Sequence'))
  if (!subject.startsWith(prefix) || !Number.isSafeInteger(revision) || revision < 1) return undefined
  const operation = msg.headers?.get('KV-Operation')
  const gone = operation === 'DEL' || operation === 'PURGE' || Boolean(msg.headers?.get('Nats-Marker-Reason'))
  return {
    key: subject.slice(prefix.length),
    operation: gone ? 'DEL' : 'PUT',
    value: gone ? new Uint8Array() : Uint8Array.from(msg.data),
    revision,
    created: new Date(msg.headers?.get('Nats-Time-Stamp') ?? 0).toISOString(),
  }
}
