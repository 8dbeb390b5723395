import {encode} from '@msgpack/msgpack'
import {z} from 'zod'

import {parseWire} from './invocation.js'

/** The answer to one call (§5). */
export interface InvocationResponse {
  readonly invocationId: string
  /** Empty also when the payload came in chunks: compare with `contentLength`. */
  readonly msg: Uint8Array
  /** Why the call failed; undefined when it did not. */
  readonly error?: string
  /** Full size of the payload in bytes. */
  readonly contentLength: number
  /** Which running copy answered; OTP hosts and ours. */
  readonly instanceId?: string
}

/** What a host of ours answers when a call waited or ran past its deadline. */
export const deadlineText = 'The call ran past its deadline.'

const responseSchema = z.looseObject({
  invocation_id: z.string().nullish(),
  msg: z.instanceof(Uint8Array).nullish(),
  error: z.string().nullish(),
  content_length: z.number().nonnegative().nullish(),
  instance_id: z.string().nullish(),
})

/** The answer as bytes. */
export function encodeResponse({invocationId, msg, error, contentLength, instanceId}: InvocationResponse): Uint8Array {
  return encode({
    invocation_id: invocationId,
    msg,
    content_length: contentLength,
    ...(error === undefined ? {} : {error}),
    ...(instanceId === undefined ? {} : {instance_id: instanceId}),
  })
}

/** No invocation of a real caller has a longer id. */
const longestId = 256

/**
 * The answer as bytes that fit into one message, or the error that it does not. Ids and errors hold text of the caller,
 * which may be as long as a message: sent back as it is, it would cost whoever answers the connection.
 */
export function encodeResponseWithin(response: InvocationResponse, limit: number): Uint8Array {
  const data = encodeResponse(response)
  if (data.length <= limit) return data
  const {invocationId, instanceId} = response
  return encodeResponse({
    invocationId: invocationId.length > longestId ? '' : invocationId,
    msg: new Uint8Array(),
    contentLength: 0,
    error: `The answer has ${data.length} bytes, and the server takes at most ${limit} in a message.`,
    ...(instanceId === undefined ? {} : {instanceId}),
  })
}

/** Reads the answer of any v0 host or provider; throws a ServerError for bytes that are none. */
export function decodeResponse(data: Uint8Array): InvocationResponse {
  const wire = parseWire(responseSchema, data, 'invocation response')
  const msg = wire.msg ?? new Uint8Array()
  return {
    invocationId: wire.invocation_id ?? '',
    msg,
    contentLength: wire.content_length ?? msg.length,
    ...(typeof wire.error === 'string' ? {error: wire.error} : {}),
    ...(typeof wire.instance_id === 'string' ? {instanceId: wire.instance_id} : {}),
  }
}
