import {createHash} from 'node:crypto'

import {ServerError} from '../errors.js'
import type {SigningKey} from '../keys/nkey.js'
import {decodeToken, encodeToken, formatLossless, type JsonObject} from '../keys/token.js'
import type {TokenMappings} from './effective.js'
import type {Destination} from './plan.js'

/** An account token as it is stored and served. */
export interface AccountToken {
  readonly text: string
  /** Public key `A…`. */
  readonly account: string
  /** Public key `O…` that signed it. */
  readonly issuer: string
  /** `iat`, in seconds since the epoch. */
  readonly issuedAt: number
  /** `exp`, in seconds since the epoch; undefined: it never ends. */
  readonly expires?: number
  /** True when the issuer's signature is right; whether servers trust that issuer is another question. */
  readonly signed: boolean
  readonly mappings: TokenMappings
}

/** Reads an account token; throws a ServerError when it is none. */
export function readAccountToken(text: string): AccountToken {
  const {payload, signed} = decodeToken(text)
  const {sub, iss, iat, exp, nats} = payload
  if (typeof sub !== 'string' || !sub.startsWith('A') || typeof iss !== 'string' || !isObject(nats)) {
    throw new ServerError('The stored account token is not one: subject, issuer or body are missing.')
  }
  return {
    text: text.trim(),
    account: sub,
    issuer: iss,
    issuedAt: typeof iat === 'number' ? iat : 0,
    ...(typeof exp === 'number' && exp > 0 ? {expires: exp} : {}),
    signed,
    mappings: readMappings(nats['mappings']),
  }
}

/** Changes of sources of a token; `undefined` destinations remove a mapping. */
export interface TokenEdit {
  readonly change: readonly {readonly source: string; readonly destinations: readonly Destination[] | undefined}[]
  /** From nextIssuedAt. */
  readonly issuedAt: number
}

/**
 * The token with these sources changed, newly signed; every other claim, mapping and limit stays as it is, to the last
 * digit. Destinations of weight 0 are left out, because in a token 0 means 100.
 */
export function editToken(token: AccountToken, edit: TokenEdit, key: SigningKey): string {
  const {header, payload} = decodeToken(token.text)
  const present = payload['nats'] as JsonObject
  const edited = edit.change.reduce(editMappings, (present['mappings'] ?? {}) as JsonObject)
  const nats = keepOrder(present, {...present, mappings: edited})
  const unnamed = keepOrder(payload, {...payload, iss: key.publicKey, iat: edit.issuedAt, nats})
  // Servers skip a token whose `jti` they already have, so it must differ whenever anything else does.
  const jti = createHash('sha256')
    .update(formatLossless({...unnamed, jti: ''}))
    .digest('base64url')
  return encodeToken(header, keepOrder(payload, {...unnamed, jti}), key)
}

/** Longest time that `iat` may run ahead of the clock, in seconds. */
export const mostSecondsAhead = 30

/**
 * The `iat` of the next token: never below the present one's plus 1, because servers let equal ones revert each other.
 * `waitMs` is how long to wait first so that it runs at most `ahead` seconds ahead of the clock.
 */
export function nextIssuedAt(
  present: number,
  nowMs: number,
  ahead: number = mostSecondsAhead,
): {readonly issuedAt: number; readonly waitMs: number} {
  const next = present + 1
  const issuedAt = Math.max(Math.floor(nowMs / 1000), next)
  return {issuedAt, waitMs: Math.max(0, Math.ceil((next - ahead) * 1000 - nowMs))}
}

function editMappings(mappings: JsonObject, {source, destinations}: TokenEdit['change'][number]): JsonObject {
  const {[source]: previous, ...others} = mappings
  if (destinations === undefined) return others
  const list = destinations
    .filter(({weight}) => weight > 0)
    .map(({subject, weight, cluster}) => ({subject, weight, ...(cluster === undefined ? {} : {cluster})}))
  return previous === undefined ? {...others, [source]: list} : {...mappings, [source]: list}
}

/** Rewritten objects keep their keys where they were: a token stays comparable with its predecessor. */
function keepOrder(model: JsonObject, object: JsonObject): JsonObject {
  const known = Object.keys(model).filter((key) => Object.hasOwn(object, key))
  const added = Object.keys(object).filter((key) => !Object.hasOwn(model, key))
  return Object.fromEntries([...known, ...added].map((key) => [key, object[key]]))
}

function readMappings(value: unknown): TokenMappings {
  if (value === undefined || value === null) return {}
  if (!isObject(value)) throw malformed('mappings')
  return Object.fromEntries(Object.entries(value).map(([source, list]) => [source, readDestinations(source, list)]))
}

function readDestinations(source: string, list: unknown): TokenMappings[string] {
  if (list === null) return []
  if (!Array.isArray(list)) throw malformed(`mappings['${source}']`)
  return list.map((item: unknown) => {
    const {subject, weight, cluster} = isObject(item) ? item : {}
    if (typeof subject !== 'string' || (weight !== undefined && typeof weight !== 'number')) {
      throw malformed(`mappings['${source}']`)
    }
    return {
      subject,
      ...(weight === undefined ? {} : {weight}),
      ...(typeof cluster === 'string' && cluster !== '' ? {cluster} : {}),
    }
  })
}

function malformed(path: string): ServerError {
  return new ServerError(`The stored account token fits no known form: nats.${path}.`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
