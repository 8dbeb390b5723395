import {
  createInbox,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  PermissionViolationError,
  type Subscription,
} from '@nats-io/transport-node'

import {ConnectionError, NotFoundError, ServerError, TimeoutError} from '../errors.js'
import {onReconnect, repeatUntilAnswered} from './again.js'
import {farewellOf} from './farewell.js'

/** Nobody subscribes to the subject of a request. */
export class NoRespondersError extends NotFoundError {
  constructor(subject: string) {
    super(`Nobody answers on '${subject}'.`, {details: {subject}})
  }
}

/** No answer to a request in time; whether it was executed is unknown. */
export class RequestTimeoutError extends TimeoutError {
  constructor(subject: string, waitedMs: number) {
    const waited = Math.round(waitedMs)
    super(`No answer on '${subject}' within ${waited} ms.`, {details: {subject, waitedMs: waited}})
  }
}

/** The server went away between a request and its answer; whether it was executed is unknown. */
export class LostConnectionError extends ConnectionError {
  constructor(subject: string, {cause, because}: {cause?: unknown; because?: string | undefined} = {}) {
    const why = because === undefined ? '' : `: ${because}`
    super(`The connection was lost while waiting for the answer on '${subject}'${why}.`, {
      suggestions: ['Whether it was done is not known: look before doing it again.'],
      details: {subject, reason: 'lost'},
      cause,
    })
  }
}

/** The connection stands, and the server answers nothing at all, not even a ping. */
export class SilentServerError extends ConnectionError {
  constructor(subject: string, waitedMs: number) {
    const waited = Math.round(waitedMs)
    super(`The server says nothing any more: no answer on '${subject}' within ${waited} ms, and none to a ping.`, {
      suggestions: ['Run the same command again.'],
      details: {subject, waitedMs: waited, reason: 'silent'},
    })
  }
}

/** The server forbids this user a subject; `requested` is what was asked for, which an inbox is only needed for. */
export class NoPermissionError extends ConnectionError {
  constructor({operation, subject, message}: PermissionViolationError, requested: string) {
    const isInbox = operation === 'subscription' && subject !== requested
    const named = isInbox ? subject.replace(/(\.[^.]{22})?\.[^.]*$/, '.>') : subject || requested
    super(
      isInbox
        ? `No permission to subscribe to '${named}', where answers arrive.`
        : `No permission to ${operation === 'publish' ? 'publish' : 'subscribe'} to '${named}'.`,
      {
        suggestions: isInbox
          ? ['--inbox-prefix PREFIX, one that this user may subscribe to']
          : ['lattice context check'],
        details: {subject: named, operation, reason: 'no-permission', ...(isInbox ? {requested} : {})},
        cause: new Error(message),
      },
    )
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
  const asked = identityOf(nc)
  try {
    return await (again ? repeatUntilAnswered(nc, timeoutMs, send) : send(timeoutMs))
  } catch (error) {
    const failure = requestFailure(error, subject, timeoutMs)
    // What was sent over a connection that is gone is answered to nobody.
    const lost =
      failure instanceof LostConnectionError || (failure instanceof RequestTimeoutError && identityOf(nc) !== asked)
    throw lost ? new LostConnectionError(subject, {cause: error, because: await farewellOf(nc)}) : failure
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
  readonly stallMs?: number | ((replies: readonly Msg[]) => number)
  /** Stop when nobody answered so long after the server got the request: who taps all subjects hides that nobody is there. */
  readonly firstMs?: number
  /** Stop as soon as so many replies are in. */
  readonly expect?: number | ((replies: readonly Msg[]) => boolean)
}

/**
 * Sends one request and gathers the replies of everyone who answers; empty when nobody listens. It begins anew when the
 * connection was lost and came back, so it is for requests that may be sent twice. Throws a ConnectionError when the
 * request is forbidden or the server is gone.
 */
export function requestMany(
  nc: NatsConnection,
  subject: string,
  payload: Uint8Array | string,
  {timeoutMs, stallMs, firstMs, expect}: GatherOptions,
): Promise<Msg[]> {
  return new Promise((resolve, reject) => {
    let replies: Msg[] = []
    let stall: NodeJS.Timeout | undefined
    let heard = false
    let finished = false
    let subscription: Subscription | undefined
    const finish = (error?: Error): void => {
      finished = true
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
      clearTimeout(stall)
      if (stallMs === undefined) return
      stall = setTimeout(finish, typeof stallMs === 'function' ? stallMs(replies) : stallMs)
    }
    const send = (): void => {
      clearTimeout(stall)
      subscription?.unsubscribe()
      replies = []
      heard = false
      try {
        const inbox = createInbox(inboxPrefix(nc))
        subscription = nc.subscribe(inbox, {callback: receive})
        // By this the client knows whom to tell that the request is forbidden.
        Object.assign(subscription, {requestSubject: subject})
        nc.publish(subject, payload, {reply: inbox})
        nc.flush().then(
          () => {
            heard = true
            if (firstMs !== undefined && replies.length === 0 && !finished) stall = setTimeout(finish, firstMs)
          },
          () => undefined,
        )
      } catch (error) {
        finish(requestFailure(error, subject, timeoutMs))
      }
    }
    // Who hears nothing from the server itself must not conclude that nobody is there.
    const total = setTimeout(
      () => finish(heard || replies.length > 0 ? undefined : new SilentServerError(subject, timeoutMs)),
      timeoutMs,
    )
    const lost = (): void => void farewellOf(nc).then((because) => finish(new LostConnectionError(subject, {because})))
    const stopFollowing = onReconnect(nc, send, lost)
    send()
  })
}

/** Where answers to a connection arrive, unless at the usual place: the client keeps it, but its interface does not show it. */
export function inboxPrefix(nc: NatsConnection): string | undefined {
  return (nc as {options?: {inboxPrefix?: string}}).options?.inboxPrefix
}

/** The LatticeError that a failed request stands for. */
export function requestFailure(error: unknown, subject: string, timeoutMs: number): Error {
  for (let each = error; each instanceof Error; each = each.cause) {
    const {name, message} = each
    if (name.startsWith('NoResponders') || /no responders/i.test(message)) return new NoRespondersError(subject)
    if (name === 'TimeoutError') return new RequestTimeoutError(subject, timeoutMs)
    if (each instanceof PermissionViolationError) return new NoPermissionError(each, subject)
    if (/^(Closed|Draining)?ConnectionError$/.test(name) || /^connection (closed|disconnected)$/.test(message)) {
      return new LostConnectionError(subject, {cause: error})
    }
  }
  const why = error instanceof Error ? `: ${error.message}` : ''
  return new ServerError(`The request on '${subject}' failed${why}.`, {details: {subject}, cause: error})
}

/** Which connection this is, of those that a client has one after the other. */
function identityOf({info}: NatsConnection): string {
  return `${info?.server_id ?? ''} ${info?.client_id ?? ''}`
}
