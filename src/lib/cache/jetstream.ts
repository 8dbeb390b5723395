import type {NatsConnection} from '@nats-io/transport-node'

import {ConnectionError, ServerError} from '../errors.js'
import {NoRespondersError, parseReply, request, type RequestOptions} from '../nats/request.js'

/** The parts of a ConnectSpec that say how JetStream is reached. */
export interface JetStreamSpec {
  readonly jsDomain?: string
  readonly jsApiPrefix?: string
  readonly inboxPrefix?: string
  /** Longest wait for one answer. */
  readonly timeoutMs?: number
}

/** JetStream as one connection reaches it. */
export interface JetStream {
  readonly nc: NatsConnection
  /** Subject prefix of the API, without a dot at its end. */
  readonly prefix: string
  /** What stands before the subject of a write: empty, or the prefix of another domain with a dot. */
  readonly writePrefix: string
  readonly inboxPrefix?: string
  readonly timeoutMs: number
}

/** Error codes of the JetStream API that lead to a decision. */
export const jsCodes = {
  clusterUnavailable: 10008,
  noMessage: 10037,
  notEnabledForAccount: 10039,
  messageTooLarge: 10054,
  streamDifferent: 10058,
  streamMissing: 10059,
  wrongLastSequence: 10071,
  notEnabled: 10076,
  sameMessagePending: 10158,
  wrongLastSequencePending: 10163,
  wrongLastSequenceUnknown: 10164,
  tooManyRequests: 10167,
} as const

/** What the API said: its error, or the fields of its answer. */
export interface ApiAnswer {
  readonly error?: ApiError
  readonly fields: Readonly<Record<string, unknown>>
}

export interface ApiError {
  /** Status as in HTTP. */
  readonly status: number
  /** One of jsCodes, or another. */
  readonly code: number
  readonly description: string
}

/** Describes where JetStream is; touches nothing. */
export function jetStream(
  nc: NatsConnection,
  {jsDomain, jsApiPrefix, inboxPrefix, timeoutMs = 5000}: JetStreamSpec,
): JetStream {
  const prefix = jsApiPrefix ?? (jsDomain === undefined ? '$JS.API' : `$JS.${jsDomain}.API`)
  const writePrefix = prefix === '$JS.API' ? '' : `${prefix}.`
  return {nc, prefix, writePrefix, timeoutMs, ...(inboxPrefix === undefined ? {} : {inboxPrefix})}
}

/**
 * One request of the JetStream API, such as `STREAM.INFO.KV_b`. Errors of the API are returned; throws a
 * ConnectionError when there is no JetStream and a TimeoutError when nothing answers.
 */
export async function askApi(
  js: Pick<JetStream, 'nc' | 'prefix' | 'timeoutMs'>,
  operation: string,
  body?: unknown,
  {again = true}: Pick<RequestOptions, 'again'> = {},
): Promise<ApiAnswer> {
  const {nc, prefix, timeoutMs} = js
  const subject = `${prefix}.${operation}`
  const payload = body === undefined ? '' : JSON.stringify(body)
  const reply = await request(nc, subject, payload, {timeoutMs, again}).catch((error: unknown) => {
    throw error instanceof NoRespondersError ? new NoJetStreamError('server', js, error) : error
  })
  const answer = readAnswer(reply.string(), subject)
  if (answer.error?.code === jsCodes.notEnabledForAccount) throw new NoJetStreamError('account', js)
  if (answer.error?.code === jsCodes.notEnabled) throw new NoJetStreamError('server', js)
  return answer
}

/** Reads an answer of the API or a publish acknowledgement; throws a ServerError when it is neither. */
export function readAnswer(text: string, subject: string): ApiAnswer {
  const value = parseReply(text, subject)
  if (typeof value !== 'object' || value === null) throw new ServerError(`The answer on '${subject}' is not an object.`)
  const fields = value as Record<string, unknown>
  const error = fields['error'] as {code?: number; err_code?: number; description?: string} | undefined
  if (error === undefined) return {fields}
  return {
    fields,
    error: {status: error.code ?? 500, code: error.err_code ?? 0, description: error.description ?? 'unknown error'},
  }
}

/** There is no JetStream where it was looked for: in the account, on the server, or in a domain. */
export class NoJetStreamError extends ConnectionError {
  constructor(missingIn: 'account' | 'server', {nc, prefix}: Pick<JetStream, 'nc' | 'prefix'>, cause?: unknown) {
    const {sentence, suggestions, reason} =
      missingIn === 'account'
        ? missingInAccount
        : prefix === '$JS.API'
          ? missingOnServer(nc)
          : missingBehind(prefix, nc)
    super(sentence, {suggestions, details: {missingIn, reason, prefix}, cause})
  }
}

interface Missing {
  readonly sentence: string
  readonly suggestions: readonly string[]
  readonly reason: string
}

const missingInAccount: Missing = {
  sentence: 'JetStream is not enabled for this account.',
  suggestions: ['lattice context check', 'nsc edit account --js-enable 1'],
  reason: 'account-without-jetstream',
}

function missingOnServer({info}: NatsConnection): Missing {
  // A leaf node often leaves JetStream to its hub.
  const elsewhere = '--js-domain NAME, when another server has it'
  return info?.jetstream === true
    ? {
        sentence: 'JetStream does not answer, though the server has it.',
        suggestions: ['lattice context check', elsewhere],
        reason: 'jetstream-silent',
      }
    : {
        sentence: 'The server runs without JetStream.',
        suggestions: ['Start nats-server with -js, or use lattice up.', elsewhere],
        reason: 'server-without-jetstream',
      }
}

function missingBehind(prefix: string, {info}: NatsConnection): Missing {
  const domain = /^\$JS\.([^.]+)\.API$/.exec(prefix)?.[1]
  // Of all domains that there may be, a server tells its own.
  const {domain: known} = (info ?? {}) as {domain?: string}
  const own = known === undefined || known === domain ? [] : [`--js-domain ${known}`]
  return domain === undefined
    ? {
        sentence: `Nobody answers for JetStream under the prefix '${prefix}'.`,
        suggestions: ['lattice context show', ...own],
        reason: 'api-prefix-unknown',
      }
    : {
        sentence: `Nobody answers for the JetStream domain '${domain}'.`,
        suggestions: [...own, 'lattice context show'],
        reason: 'domain-unknown',
      }
}

/** The ServerError for an error of the API that nobody expected. */
export function unexpectedAnswer({description, code, status}: ApiError, what: string): ServerError {
  return new ServerError(`${what}: ${description}.`, {details: {code, status}})
}
