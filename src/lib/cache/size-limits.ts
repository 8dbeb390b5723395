import type {MsgHdrs} from '@nats-io/transport-node'

import {UsageError} from '../errors.js'
import {askApi, type JetStream} from './jetstream.js'

interface Write {
  readonly key: string
  readonly value: Uint8Array
  readonly head: MsgHdrs
}

/** Throws a UsageError when the server or the bucket does not take so much in one message, and says which and how much. */
export async function refuseLarge(js: JetStream, bucket: string, {key, value, head}: Write): Promise<void> {
  const size = value.length + headerSize(head)
  const {max_payload: most = Infinity} = js.nc.info ?? {}
  if (size > most) {
    throw tooLarge(key, value, {
      taker: 'the server',
      most,
      suggestions: ["Write less, or raise the server's max_payload."],
      details: {limit: 'max_payload'},
    })
  }
  // A bucket that is not there yet will be made without a limit.
  const {fields} = await askApi(js, `STREAM.INFO.KV_${bucket}`)
  const {max_msg_size: ofBucket = -1} = (fields['config'] ?? {}) as {max_msg_size?: number}
  if (ofBucket < 0 || size <= ofBucket) return
  throw tooLarge(key, value, {
    taker: `the bucket '${bucket}'`,
    most: ofBucket,
    suggestions: [`nats stream edit KV_${bucket} --max-msg-size ${size}`],
    details: {limit: 'max_value_size', bucket},
  })
}

function tooLarge(
  key: string,
  {length}: Uint8Array,
  {
    taker,
    most,
    suggestions,
    details,
  }: {taker: string; most: number; suggestions: readonly string[]; details: Readonly<Record<string, string>>},
): UsageError {
  const {limit} = details
  return new UsageError(
    `The value of '${key}' has ${length} bytes, and ${taker} takes at most ${most} in a message with its headers (${limit ?? ''}).`,
    {suggestions, details: {key, size: length, most, ...details}},
  )
}

/** As they stand on the wire: a first line, a line each, and an empty one. */
function headerSize(head: MsgHdrs): number {
  const lines = head.keys().flatMap((name) => head.values(name).map((value) => `${name}: ${value}\r\n`))
  return `NATS/1.0\r\n${lines.join('')}\r\n`.length
}
