import {createHash} from 'node:crypto'

import {LatticeError} from '../errors.js'
import type {SigningKey} from '../keys/nkey.js'
import {decodeToken, encodeToken, formatLossless, type JsonObject} from '../keys/token.js'
import {entityUrl, type RpcEntity} from './address.js'
import type {Invocation} from './invocation.js'

/** What an antiforgery token vouches for. */
export interface Vouched {
  readonly origin: RpcEntity
  readonly target: RpcEntity
  readonly operation: string
  readonly msg: Uint8Array
}

/** Whose calls are accepted. */
export interface CallPolicy {
  /** Public keys `C…`. */
  readonly clusterIssuers: ReadonlySet<string>
  /** The one entity that may be meant. */
  readonly targetKey: string
  /** Seconds since the epoch. */
  readonly now: number
}

/** Clocks of two hosts may differ by so many seconds. */
const skew = 5

/** Upper-case hex SHA-256 over the two URLs, the operation and the payload (§5). */
export function invocationHash({origin, target, operation, msg}: Vouched): string {
  return createHash('sha256')
    .update(entityUrl(origin))
    .update(targetUrl(target, operation))
    .update(operation)
    .update(msg)
    .digest('hex')
    .toUpperCase()
}

/** Signs the token of a call with the cluster key; `issuedAt` is in seconds. */
export function signClaims(
  vouched: Vouched,
  {id, clusterKey, issuedAt}: {id: string; clusterKey: SigningKey; issuedAt: number},
): string {
  const payload = {
    jti: id.replaceAll('-', '').toUpperCase().slice(0, 22),
    iat: Math.floor(issuedAt),
    iss: clusterKey.publicKey,
    sub: id,
    wascap: {
      target_url: targetUrl(vouched.target, vouched.operation),
      origin_url: entityUrl(vouched.origin),
      hash: invocationHash(vouched),
    },
    wascap_revision: 3,
  }
  return encodeToken({typ: 'jwt', alg: 'Ed25519'}, payload, clusterKey)
}

/** Why a received call is not to be executed, as a sentence; undefined when it may be. */
export function refusalOf(invocation: Invocation, policy: CallPolicy): string | undefined {
  if (invocation.target.publicKey !== policy.targetKey) return 'The call is meant for another entity.'
  const token = readToken(invocation.encodedClaims)
  if (typeof token === 'string') return token
  const {iss, sub, exp, nbf, wascap} = token
  if (typeof iss !== 'string' || !policy.clusterIssuers.has(iss)) {
    return 'The call is signed by a cluster that this host does not know.'
  }
  if (sub !== invocation.id) return 'The token of the call belongs to another call.'
  if (exp != null && !(secondsOf(exp) + skew > policy.now)) return 'The token of the call has expired.'
  if (nbf != null && !(secondsOf(nbf) - skew <= policy.now)) return 'The token of the call is not valid yet.'
  const claims = (typeof wascap === 'object' && wascap !== null ? wascap : {}) as JsonObject
  if (claims['origin_url'] !== entityUrl(invocation.origin)) return 'The token of the call names another origin.'
  if (claims['target_url'] !== targetUrl(invocation.target, invocation.operation)) {
    return 'The token of the call names another target or operation.'
  }
  if (invocation.contentLength !== invocation.msg.length) return 'Calls in chunks are not supported by this host.'
  return claims['hash'] === invocationHash(invocation) ? undefined : 'The call was changed after it was signed.'
}

/** A number such as `1700000000.0` keeps its text when a token is read; what is no number is NaN and fits no time. */
function secondsOf(claim: unknown): number {
  return typeof claim === 'string' ? NaN : Number(formatLossless(claim))
}

function readToken(text: string): JsonObject | string {
  try {
    const {payload, signed} = decodeToken(text)
    return signed ? payload : 'The token of the call has no valid signature.'
  } catch (error) {
    if (error instanceof LatticeError) return 'The call carries no readable token.'
    throw error
  }
}

function targetUrl(target: RpcEntity, operation: string): string {
  return `${entityUrl(target)}/${operation}`
}
