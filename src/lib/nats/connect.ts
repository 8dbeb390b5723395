import {connect, type ConnectionOptions, type NatsConnection} from '@nats-io/transport-node'

import {ConnectionError} from '../errors.js'
import {authenticator} from './creds.js'
import {expandHome} from '../files/paths.js'
import type {ConnectSpec} from './spec.js'

export interface OpenOptions {
  /** Client name shown by the server; default `lattice`. */
  readonly name?: string
  /** Long-running services stay; a command gives up with its timeout. */
  readonly reconnect?: 'forever' | 'while-open'
}

/**
 * Opens a connection: the only place that does. Throws a ConnectionError that says which of the many reasons it was;
 * takes at most `spec.connectTimeoutMs` in all.
 */
export async function openConnection(
  spec: ConnectSpec,
  {name = 'lattice', reconnect = 'while-open'}: OpenOptions = {},
): Promise<NatsConnection> {
  const options: ConnectionOptions = {
    servers: [...spec.servers],
    name,
    timeout: spec.connectTimeoutMs,
    maxReconnectAttempts: reconnect === 'forever' ? -1 : 10,
    reconnectTimeWait: reconnect === 'forever' ? 250 : 100,
    ...(reconnect === 'forever' ? serviceOptions : {}),
    ...(spec.inboxPrefix === undefined ? {} : {inboxPrefix: spec.inboxPrefix}),
    ...(spec.credentials === undefined ? {} : {authenticator: (await authenticator(spec))!}),
    ...(spec.tls === undefined ? {} : {tls: tlsOptions(spec.tls)}),
  }
  const deadline = AbortSignal.timeout(spec.connectTimeoutMs)
  const opening = connect(options)
  try {
    return await Promise.race([opening, rejectOnAbort(deadline)])
  } catch (error) {
    // A connection that comes up after we gave up must not keep the process alive.
    void opening.then((late) => late.close()).catch(() => undefined)
    throw connectFailure(error, spec)
  }
}

/**
 * A service outlives a server that does not know its account yet, and makes thousands of requests, of which each would
 * record the stack it came from.
 */
const serviceOptions = {pingInterval: 10_000, ignoreAuthErrorAbort: true, noAsyncTraces: true} as const

function tlsOptions({
  ca,
  cert,
  key,
  handshakeFirst,
}: NonNullable<ConnectSpec['tls']>): NonNullable<ConnectionOptions['tls']> {
  return {
    ...(ca === undefined ? {} : {caFile: expandHome(ca)}),
    ...(cert === undefined ? {} : {certFile: expandHome(cert)}),
    ...(key === undefined ? {} : {keyFile: expandHome(key)}),
    ...(handshakeFirst === true ? {handshakeFirst: true} : {}),
  }
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('timeout')), {once: true})
  })
}

/** One sentence for each reason why a connection can fail. */
function connectFailure(error: unknown, spec: ConnectSpec): ConnectionError {
  const servers = spec.servers.map(withoutUserInfo).join(', ')
  const from = spec.context === undefined ? '' : ` (context '${spec.context}')`
  const details = {
    servers: spec.servers.map(withoutUserInfo),
    ...(spec.context === undefined ? {} : {context: spec.context}),
  }
  return new ConnectionError(`Cannot connect to ${servers}${from}: ${reasonOf(error, spec)}.`, {
    suggestions: suggestionsFor(error, spec),
    details,
    cause: error,
  })
}

function reasonOf(error: unknown, spec: ConnectSpec): string {
  const text = allMessages(error)
  if (/ENOTFOUND|EAI_AGAIN|getaddrinfo/.test(text)) return 'the name does not resolve'
  if (text.includes('ECONNREFUSED')) return 'nobody listens there'
  if (/authorization|authentication/i.test(text)) {
    return spec.credentials === undefined
      ? 'the server wants credentials and none were given'
      : 'the server refused the credentials'
  }
  if (/certificate|self.signed|TLS|SSL/i.test(text)) return `the TLS handshake failed, ${firstLine(text)}`
  if (/timeout|TIMEOUT/.test(text)) return `no answer within ${spec.connectTimeoutMs} ms`
  return firstLine(text)
}

function suggestionsFor(error: unknown, spec: ConnectSpec): string[] {
  if (allMessages(error).includes('ECONNREFUSED')) return ['lattice up', 'lattice context ls']
  return spec.context === undefined ? ['lattice context ls'] : [`lattice context show ${spec.context}`]
}

function allMessages(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(allMessages).join('; ')
  if (!(error instanceof Error)) return String(error)
  const code = (error as NodeJS.ErrnoException).code
  const own = code === undefined || error.message.includes(code) ? error.message : `${error.message} ${code}`
  return error.cause === undefined ? own : `${own}; ${allMessages(error.cause)}`
}

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').replace(/[.\s]+$/, '').slice(0, 200)
}

function withoutUserInfo(server: string): string {
  return server.replace(/^(\w+:\/\/)?[^@/]*@/, '$1')
}
