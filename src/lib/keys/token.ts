import {ServerError} from '../errors.js'
import {verify, type SigningKey} from './nkey.js'

/** A JSON object as it stands in a token; numbers that a double cannot hold are kept as their own text. */
export type JsonObject = Record<string, unknown>

/** A decoded token: header, payload and whether the signature is the issuer's own. */
export interface DecodedToken {
  readonly header: JsonObject
  readonly payload: JsonObject
  /** True when `payload.iss` signed exactly these bytes; says nothing about whether that issuer is trusted. */
  readonly signed: boolean
}

// Source text access and raw JSON are in every Node this project runs on; TypeScript's library has neither yet.
interface SourceJson {
  parse: (text: string, reviver: (key: string, value: unknown, context: {source?: string}) => unknown) => unknown
  rawJSON: (text: string) => object
  stringify: (value: unknown) => string
}
const sourceJson = JSON as unknown as SourceJson

/** Parses JSON without rounding: a number whose double prints otherwise keeps its source text. */
export function parseLossless(text: string): unknown {
  return sourceJson.parse(text, (_key, value, {source}) =>
    typeof value === 'number' && source !== undefined && String(value) !== source ? sourceJson.rawJSON(source) : value,
  )
}

/** The inverse of parseLossless. */
export function formatLossless(value: unknown): string {
  return sourceJson.stringify(value)
}

/**
 * Decodes `header.payload.signature` (base64url, no padding) without losing a byte of meaning.
 * Throws a ServerError when the text is not such a token; an untrusted or wrong signature is not an error here.
 */
export function decodeToken(token: string): DecodedToken {
  const parts = token.trim().split('.')
  if (parts.length !== 3) throw new ServerError('The token is not a JWT: it does not have three parts.')
  const [header, payload] = [parsePart(parts[0]!, 'header'), parsePart(parts[1]!, 'payload')]
  const issuer = payload['iss']
  const signature = Buffer.from(parts[2]!, 'base64url')
  const signed = typeof issuer === 'string' && verify(issuer, Buffer.from(`${parts[0]!}.${parts[1]!}`), signature)
  return {header, payload, signed}
}

/** Encodes and signs a token; `payload.iss` must already be the key's public key. */
export function encodeToken(header: JsonObject, payload: JsonObject, key: SigningKey): string {
  const body = `${encodePart(header)}.${encodePart(payload)}`
  return `${body}.${Buffer.from(key.sign(Buffer.from(body))).toString('base64url')}`
}

const utf8 = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true})

function parsePart(part: string, name: string): JsonObject {
  try {
    const value = parseLossless(utf8.decode(Buffer.from(part, 'base64url')))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  } catch (cause) {
    throw new ServerError(`The token is not a JWT: its ${name} does not decode.`, {cause})
  }
  throw new ServerError(`The token is not a JWT: its ${name} is not an object.`)
}

function encodePart(value: JsonObject): string {
  return Buffer.from(formatLossless(value)).toString('base64url')
}

/** Key of the account that a user's token is for: it is named where another key of that account signed. */
export function accountOfUser({iss, nats}: JsonObject): string | undefined {
  const named = (nats as JsonObject | null | undefined)?.['issuer_account']
  const account = typeof named === 'string' && named !== '' ? named : iss
  return typeof account === 'string' && account !== '' ? account : undefined
}
