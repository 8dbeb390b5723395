import {createInbox, type Msg, type MsgHdrs, type NatsConnection, type Subscription} from '@nats-io/transport-node'

import {ConnectionError, NotFoundError, ServerError, TimeoutError} from '../errors.js'
import {onReconnect, repeatUntilAnswered} from './again.js'

/** Nobody subscribes to the subject of a request. */
export class NoRespondersError extends NotFoundError {
  constructor(subject: string) {
    super(`Nobody answers on '${subject}'.`, {details: {subject}})
  }
}

/** No answer to a request in time; whether it was executed is unknown. */
export class RequestTimeoutError extends TimeoutError {
  constructor(subject: string, waitedMs: number) {
    super(`No answer on '${subject}' within ${waitedMs} ms.`, {details: {subject, waitedMs}})
  }
}

export interface RequestOptions {
  readonly timeoutMs: number
  /** It may be sent again where the first one may be lost, since to do it twice is to do it once. */
  readonly again?: boolean
  readonly headers?: MsgHdrs
}

/** One request and its answer's bytes. Throws NoRespondersError, RequestTimeoutError or ConnectionError. */
export async function request(
  nc: NatsConnection,
  subject: string,
  payload: Uint8Array | string,
  {timeoutMs, again = false, headers}: RequestOptions,
): Promise<Msg> {
  const send = (timeout: number): Promise<Msg> =>
    nc.request(subject, payload, {timeout, ...(headers === undefined ? {} : {headers})})
  try {
    return await (again ? repeatUntilAnswered(nc, timeoutMs, send) : send(timeoutMs))
  } catch (error) {
    throw requestFailure(error, subject, timeoutMs)
  }
}

/** One request with a JSON body; the answer parsed, not validated. An empty body is sent for `undefined`. */
export async function requestJson(
  nc: NatsConnection,
  subject: string,
  body: unknown,
  options: RequestOptions,
): Promise<unknown> {
  const reply = await request(nc, subject, body === undefined ? '' : JSON.stringify(body), options)
  return parseReply(reply.string(), subject)
}

/** Parses a JSON reply; throws a ServerError that names the subject. */
export function parseReply(text: string, subject: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ServerError(`The answer on '${subject}' is not JSON.`, {details: {subject}, cause})
  }
}

export interface GatherOptions {
  /** Longest wait in all. */
  readonly timeoutMs: number
  /** Stop this long after the latest reply; without it only `expect` and the timeout end the wait. */
  readonly stallMs?: number
  /** Stop as soon as so many replies are in. */
  readonly expect?: number | ((replies: readonly Msg[]) => boolean)
}

/**
 * Sends one request and gathers the replies of everyone who answers; empty when nobody listens. It begins anew when the
 * connection was lost and came back, so it is for requests that may be sent twice.
 */
export function requestMany(
  nc: NatsConnection,
  subject: string,
  payload: Uint8Array | string,
  {timeoutMs, stallMs, expect}: GatherOptions,
): Promise<Msg[]> {
  return new Promise((resolve, reject) => {
    let replies: Msg[] = []
    let stall: NodeJS.Timeout | undefined
    let subscription: Subscription | undefined
    const finish = (error?: Error): void => {
      clearTimeout(total)
      clearTimeout(stall)
      stopFollowing()
      subscription?.unsubscribe()
      if (error === undefined) resolve(replies)
      else reject(error)
    }
    const receive = (error: Error | null, msg: Msg): void => {
      if (error !== null) return finish(requestFailure(error, subject, timeoutMs))
      if (msg.headers?.code === 503 && msg.data.length === 0) return finish()
      replies.push(msg)
      if (typeof expect === 'function' ? expect(replies) : replies.length === expect) return finish()
      if (stallMs === undefined) return
      clearTimeout(stall)
      stall = setTimeout(finish, stallMs)
    }
    const send = (): void => {
      clearTimeout(stall)
      subscription?.unsubscribe()
      replies = []
      try {
        const inbox = createInbox(inboxPrefix(nc))
        subscription = nc.subscribe(inbox, {callback: receive})
        nc.publish(subject, payload, {reply: inbox})
      } catch (error) {
        finish(requestFailure(error, subject, timeoutMs))
      }
    }
    const total = setTimeout(finish, timeoutMs)
    const stopFollowing = onReconnect(nc, send)
    send()
  })
}

/** The client keeps the prefix it was opened with, but its interface does not show it. */
function inboxPrefix(nc: NatsConnection): string | undefined {
  return (nc as {options?: {inboxPrefix?: string}}).options?.inboxPrefix
}

/** The LatticeError that a failed request stands for. */
export function requestFailure(error: unknown, subject: string, timeoutMs: number): Error {
  if (!(error instanceof Error)) return new ServerError(`The request on '${subject}' failed.`, {cause: error})
  const chain = [error, ...(error.cause instanceof Error ? [error.cause] : [])]
  for (const {name, message} of chain) {
    if (name === 'NoRespondersError' || /no responders/i.test(message)) return new NoRespondersError(subject)
    if (name === 'TimeoutError') return new RequestTimeoutError(subject, timeoutMs)
    if (name === 'PermissionViolationError') {
      return new ConnectionError(`No permission to publish to '${subject}'.`, {details: {subject}, cause: error})
    }
    if (/^(Closed|Draining)?ConnectionError$/.test(name) || /^connection (closed|disconnected)$/.test(message)) {
      return new ConnectionError(`The connection was lost during the request on '${subject}'.`, {
        details: {subject},
        cause: error,
      })
    }
  }
  return new ServerError(`The request on '${subject}' failed: ${error.message}.`, {details: {subject}, cause: error})
}
