import {UsageError} from '../errors.js'
import {decodeToken, type JsonObject} from '../keys/token.js'
import {repeatedKeys} from '../routing/json-keys.js'
import type {LintTarget} from '../routing/lint-report.js'
import {finding, type Finding} from '../routing/rule-book.js'
import type {RuleOptions} from '../routing/rules-destination.js'
import {lintMappings} from '../routing/rules.js'
import {writtenMappings} from '../routing/written.js'

/** Servers take a message of that size unless told otherwise, and newer ones refuse larger tokens. */
const largestToken = 2 ** 20
const mostSecondsAhead = 60

export interface TokenOptions extends RuleOptions {
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** The findings in an account token; throws a UsageError when it is none. */
export function lintToken(input: string, token: string, {now, ...options}: TokenOptions): LintTarget {
  const {payload, signed} = decode(input, token)
  const {sub, iss, name, nats} = payload
  if (typeof sub !== 'string' || !sub.startsWith('A') || !isObject(nats)) {
    throw new UsageError(`The token in '${input}' is not that of an account.`, {details: {file: input}})
  }
  const claims = lintClaims(Buffer.from(token.split('.')[1]!, 'base64url').toString('utf8'), nats, options)
  const exporter = claims.mappings > 0 && exportsServices(nats)
  return {
    input,
    form: 'jwt',
    account: typeof name === 'string' && name !== '' ? name : sub,
    mappings: claims.mappings,
    findings: [
      ...judgeIssuer({sub, iss, signed}),
      ...judgeTimes(payload, now),
      ...judgeSize(token),
      ...(exporter
        ? [finding('exporter', 'warn', {sentence: 'The account maps subjects and exports services to other accounts.'})]
        : []),
      ...claims.findings,
    ],
  }
}

/** The findings in the claims of a token, of which no more than a fragment may be there. */
export function lintClaims(
  text: string,
  nats: JsonObject,
  options: RuleOptions,
): {readonly mappings: number; readonly findings: readonly Finding[]} {
  const {mappings, problem} = writtenMappings(nats['mappings'])
  const twice = repeatedKeys(text).filter(([first, second]) => first === 'nats' && second === 'mappings')
  return {
    mappings: mappings.length,
    findings: [
      ...(problem === undefined ? [] : [finding('shape', 'refuse', {sentence: problem})]),
      ...twice.map(([, , source, ...rest]) => judgeTwice(source, rest.at(-1))),
      ...lintMappings(mappings, {...options, form: 'jwt'}),
    ],
  }
}

function judgeTwice(source: string | undefined, key: string | undefined): Finding {
  if (source === undefined) {
    return finding('second-block', 'refuse', {sentence: "The claims hold 'mappings' more than once."})
  }
  return key === undefined
    ? finding('duplicate-source', 'refuse', {source, sentence: `The source '${source}' stands there more than once.`})
    : finding('shape', 'refuse', {source, sentence: `A destination of '${source}' holds '${key}' more than once.`})
}

function judgeIssuer({sub, iss, signed}: {sub: string; iss: unknown; signed: boolean}): Finding[] {
  if (!signed) {
    return [finding('bad-signature', 'refuse', {sentence: 'The token was not signed by the issuer that it names.'})]
  }
  if (typeof iss === 'string' && iss.startsWith('O')) return []
  const own = iss === sub ? 'by the account itself' : 'by a key that is none of an operator'
  return [finding('bad-signature', 'refuse', {sentence: `The token was signed ${own}.`})]
}

function judgeTimes({exp, iat}: JsonObject, now: number): Finding[] {
  const seconds = Math.floor(now / 1000)
  const ahead = typeof iat === 'number' ? iat - seconds : 0
  return [
    ...(typeof exp === 'number' && exp > 0 && exp <= seconds
      ? [finding('expired', 'refuse', {sentence: `The token ended at ${isoTime(exp)}.`})]
      : []),
    ...(ahead > mostSecondsAhead
      ? [finding('issued-ahead', 'warn', {sentence: `The token was issued ${ahead} seconds ahead of the clock.`})]
      : []),
  ]
}

function judgeSize(token: string): Finding[] {
  const bytes = Buffer.byteLength(token)
  if (bytes <= largestToken * 0.8) return []
  const sentence = `The token has ${bytes} bytes, and servers take ${largestToken}.`
  return [finding('token-size', bytes > largestToken ? 'refuse' : 'warn', {sentence})]
}

function decode(input: string, token: string): ReturnType<typeof decodeToken> {
  try {
    return decodeToken(token)
  } catch (cause) {
    throw new UsageError(`The file '${input}' holds no token that can be read.`, {details: {file: input}, cause})
  }
}

/** A time beyond what a calendar has is told as its number. */
function isoTime(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString()
}

function exportsServices(nats: JsonObject): boolean {
  const list = nats['exports']
  return Array.isArray(list) && list.some((item: unknown) => isObject(item) && item['type'] === 'service')
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
