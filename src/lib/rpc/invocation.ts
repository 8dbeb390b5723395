import {decode, encode} from '@msgpack/msgpack'
import {z} from 'zod'

import {ServerError} from '../errors.js'
import type {RpcEntity} from './address.js'

/** One v0 call as it travels: MessagePack maps with string keys (§5). */
export interface Invocation {
  readonly origin: RpcEntity
  readonly target: RpcEntity
  /** Such as `HttpServer.HandleRequest`. */
  readonly operation: string
  /** Empty also when the payload came in chunks: compare with `contentLength`. */
  readonly msg: Uint8Array
  /** UUID. */
  readonly id: string
  /** Antiforgery token. */
  readonly encodedClaims: string
  /** Host key `N…` of the caller. */
  readonly hostId: string
  /** Full size of the payload in bytes. */
  readonly contentLength: number
}

const bytes = z.instanceof(Uint8Array)
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '')
const entitySchema = z
  .looseObject({public_key: z.string(), link_name: text, contract_id: text})
  .transform(({public_key, link_name, contract_id}) => ({
    publicKey: public_key,
    linkName: link_name,
    contractId: contract_id,
  }))
const invocationSchema = z.looseObject({
  origin: entitySchema,
  target: entitySchema,
  operation: z.string(),
  msg: bytes.nullish(),
  id: z.string(),
  encoded_claims: z.string(),
  host_id: text,
  content_length: z.number().nonnegative().nullish(),
})

/** The call as bytes. */
export function encodeInvocation(invocation: Invocation): Uint8Array {
  return encode({
    origin: wireEntity(invocation.origin),
    target: wireEntity(invocation.target),
    operation: invocation.operation,
    msg: invocation.msg,
    id: invocation.id,
    encoded_claims: invocation.encodedClaims,
    host_id: invocation.hostId,
    content_length: invocation.contentLength,
  })
}

/** Reads a call of any v0 host; throws a ServerError for bytes that are none. */
export function decodeInvocation(data: Uint8Array): Invocation {
  const wire = parseWire(invocationSchema, data, 'invocation')
  const msg = wire.msg ?? new Uint8Array()
  return {
    origin: wire.origin,
    target: wire.target,
    operation: wire.operation,
    msg,
    id: wire.id,
    encodedClaims: wire.encoded_claims,
    hostId: wire.host_id,
    contentLength: wire.content_length ?? msg.length,
  }
}

/** Decodes one MessagePack value and checks its shape; throws a ServerError that names what it should have been. */
export function parseWire<T>(schema: z.ZodType<T>, data: Uint8Array, what: string): T {
  let value: unknown
  try {
    value = decode(data)
  } catch (cause) {
    throw new ServerError(`The message is no ${what}: it is not MessagePack.`, {cause})
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const path = result.error.issues[0]?.path.join('.') ?? ''
  throw new ServerError(`The message is no ${what}: ${path === '' ? 'its form' : `its field '${path}'`} is wrong.`)
}

function wireEntity({publicKey, linkName, contractId}: RpcEntity): object {
  return {public_key: publicKey, link_name: linkName, contract_id: contractId}
}
