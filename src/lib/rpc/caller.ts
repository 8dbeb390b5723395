import {randomUUID} from 'node:crypto'

import type {NatsConnection} from '@nats-io/transport-node'

import {ServerError, UsageError} from '../errors.js'
import {keyFromText, type SigningKey} from '../keys/nkey.js'
import {request} from '../nats/request.js'
import {actorEntity, rpcSubject, type RpcEntity} from './address.js'
import {signClaims} from './antiforgery.js'
import {encodeInvocation} from './invocation.js'
import {decodeResponse} from './response.js'

/** The entity was reached and answered that the call failed. */
export class CallError extends ServerError {
  /** The error as the other side wrote it. */
  readonly reason: string

  constructor(target: string, operation: string, reason: string) {
    super(`The call of '${operation}' on '${target}' failed: ${reason.replace(/\.?$/, '.')}`, {
      details: {target, operation, reason},
    })
    this.reason = reason
  }
}

/** The call with its token is larger than the server takes in one message. */
export class CallTooLargeError extends UsageError {
  constructor(target: string, size: number, limit: number) {
    super(`The call on '${target}' has ${size} bytes, and the server takes at most ${limit} in a message.`, {
      details: {target, size, limit},
    })
  }
}

export interface Call {
  readonly lattice: string
  readonly origin: RpcEntity
  readonly target: RpcEntity
  /** Only this version may answer; without it the entity's unversioned subject, and so its route, decides. */
  readonly version?: string
  readonly operation: string
  readonly payload: Uint8Array
  /** Signs the call; receivers must know its public key. */
  readonly clusterKey: SigningKey
  /** Host key of the caller. */
  readonly hostId: string
  readonly timeoutMs: number
}

/**
 * Makes one signed call and returns the answer's payload. Throws NoRespondersError when nobody listens,
 * RequestTimeoutError, CallTooLargeError, and CallError for a failure on the other side.
 */
export async function invoke(nc: NatsConnection, call: Call): Promise<Uint8Array> {
  const {origin, target, operation, payload: msg} = call
  const id = randomUUID()
  const encodedClaims = signClaims(
    {origin, target, operation, msg},
    {id, clusterKey: call.clusterKey, issuedAt: Date.now() / 1000},
  )
  const {hostId} = call
  const data = encodeInvocation({origin, target, operation, msg, id, encodedClaims, hostId, contentLength: msg.length})
  const limit = nc.info?.max_payload ?? Infinity
  if (data.length > limit) throw new CallTooLargeError(target.publicKey, data.length, limit)
  const reply = await request(nc, rpcSubject(call.lattice, target, call.version), data, {timeoutMs: call.timeoutMs})
  const response = decodeResponse(reply.data)
  if (response.error !== undefined) throw new CallError(target.publicKey, operation, response.error)
  if (response.invocationId !== id) {
    throw new CallError(target.publicKey, operation, 'the answer belongs to another call')
  }
  if (response.contentLength !== response.msg.length) {
    throw new CallError(target.publicKey, operation, 'the answer came in chunks, which are not supported')
  }
  return response.msg
}

export interface ActorCall extends Omit<Call, 'origin' | 'target' | 'hostId'> {
  /** Public key `M…` of the actor. */
  readonly target: string
  /** Public key `M…` that the call says it comes from; default one that stands for this tool. */
  readonly origin?: string
}

/** Calls an actor from outside of any host; see invoke for what it throws. */
export function callActor(nc: NatsConnection, {target, origin, ...call}: ActorCall): Promise<Uint8Array> {
  return invoke(nc, {
    ...call,
    target: actorEntity(target),
    origin: actorEntity(origin ?? keyFromText('M', 'lattice call').publicKey),
    hostId: keyFromText('N', 'lattice call').publicKey,
  })
}
