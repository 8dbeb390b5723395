import {ServerError} from '../errors.js'
import type {BucketEntry} from './bucket-entry.js'

/** A message of a bucket as STREAM.MSG.GET shows it. */
export interface StoredMessage {
  readonly entry: BucketEntry
  /** What its writer called it, so as to know it again. */
  readonly id: string | undefined
}

/** Reads the `message` of an answer; throws a ServerError when it is none. */
export function readStoredMessage(message: unknown, bucket: string): StoredMessage {
  const {subject, seq, hdrs, data, time} = (message ?? {}) as {
    subject?: string
    seq?: number
    hdrs?: string
    data?: string
    time?: string
  }
  if (typeof subject !== 'string' || typeof seq !== 'number') {
    throw new ServerError(`The bucket '${bucket}' gave an unreadable message.`)
  }
  const head = hdrs === undefined ? '' : Buffer.from(hdrs, 'base64').toString('latin1')
  const operation = isMarker(head) ? 'DEL' : 'PUT'
  const entry = {
    key: subject.slice(`$KV.${bucket}.`.length),
    operation,
    value: operation === 'DEL' ? new Uint8Array() : Uint8Array.from(Buffer.from(data ?? '', 'base64')),
    revision: seq,
    created: new Date(time ?? 0).toISOString(),
  } as const
  return {entry, id: /^Nats-Msg-Id: *(\S+) *$/im.exec(head)?.[1]}
}

/** True for headers of a message that says the key is gone: deleted, purged or expired. */
function isMarker(headerText: string): boolean {
  return /^(KV-Operation: *(DEL|PURGE)|Nats-Marker-Reason: *\S+) *$/im.test(headerText)
}
