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
  noMessage: 10037,
  notEnabledForAccount: 10039,
  streamDifferent: 10058,
  streamMissing: 10059,
  wrongLastSequence: 10071,
  notEnabled: 10076,
  sameMessagePending: 10158,
  wrongLastSequencePending: 10163,
  wrongLastSequenceUnknown: 10164,
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
  {nc, prefix, timeoutMs}: JetStream,
  operation: string,
  body?: unknown,
  {again = true}: Pick<RequestOptions, 'again'> = {},
): Promise<ApiAnswer> {
  const subject = `${prefix}.${operation}`
  const reply = await request(nc, subject, body === undefined ? '' : JSON.stringify(body), {
    timeoutMs,
    again,
  }).catch((error: unknown) => {
    throw error instanceof NoRespondersError ? new NoJetStreamError('server', error) : error
  })
  const answer = readAnswer(reply.string(), subject)
  if (answer.error?.code === jsCodes.notEnabledForAccount) throw new NoJetStreamError('account')
  if (answer.error?.code === jsCodes.notEnabled) throw new NoJetStreamError('server')
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

/** Neither the account nor the server has JetStream, or the domain is not one of this connection's. */
export class NoJetStreamError extends ConnectionError {
  constructor(missingIn: 'account' | 'server', cause?: unknown) {
    super(
      missingIn === 'account'
        ? 'JetStream is not enabled for this account.'
        : 'JetStream does not answer: the server runs without it, or the domain or API prefix is wrong.',
      {
        suggestions: [
          'lattice context show',
          missingIn === 'account'
            ? 'Give the account JetStream limits.'
            : 'Start nats-server with -js, or use lattice up.',
        ],
        details: {missingIn},
        ...(cause === undefined ? {} : {cause}),
      },
    )
  }
}

/** The ServerError for an error of the API that nobody expected. */
export function unexpectedAnswer({description, code, status}: ApiError, what: string): ServerError {
  return new ServerError(`${what}: ${description}.`, {details: {code, status}})
}
