import {createInbox, headers, type Msg, type NatsConnection, type Subscription} from '@nats-io/transport-node'

import {ConnectionError, InterruptedError, TimeoutError, UsageError} from '../errors.js'
import {inboxPrefix} from '../nats/request.js'
import {isTooOld} from '../nats/server-version.js'
import {isLiteralSubject} from '../routing/subject.js'
import {probeHeader, readTraceHop, type ProbeHop} from './trace-events.js'
import {isComplete, summarise, type TracedSubject} from './traced.js'

export interface TraceOptions {
  /** How many messages are traced, each with a draw of its own. */
  readonly probes: number
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** The first release whose servers tell the way of a message. */
const oldestTracing = '2.11.0'

/** The server cannot tell the way of a message. */
export class TraceTooOldError extends ConnectionError {
  constructor(server: string, version: string) {
    super(`Server '${server}' runs nats-server ${version}, and tracing messages needs ${oldestTracing} or newer.`, {
      suggestions: ['lattice route show --window 5s'],
      details: {reason: 'server-too-old', server, version, needed: oldestTracing},
    })
  }
}

/** The user may not publish where the servers tell what they did. */
export class TraceForbiddenError extends ConnectionError {
  constructor(subject: string, inbox: string) {
    const allowed = `${inbox}.>`
    super(`Tracing '${subject}' needs permission to publish to '${allowed}', where servers report the way.`, {
      suggestions: [`Allow this user to publish to ${allowed}`, 'lattice context check'],
      details: {reason: 'no-permission', operation: 'publish', subject: allowed},
    })
  }
}

/** The servers report as long as they do not stop for this long. */
const stallMs = 500

/**
 * Finds out where messages to a subject would go now from this connection, by messages that no subscriber gets. Throws a
 * TraceTooOldError, a TraceForbiddenError, or a TimeoutError when the servers report nothing.
 */
export async function traceSubject(
  nc: NatsConnection,
  subject: string,
  {probes, timeoutMs, signal}: TraceOptions,
): Promise<TracedSubject> {
  if (!isLiteralSubject(subject)) {
    throw new UsageError(`${JSON.stringify(subject)} is not a subject that a message can have.`, {
      details: {subject},
    })
  }
  const {version = '', server_id: id = '', server_name: name = id, cluster} = nc.info ?? {}
  if (isTooOld(version, oldestTracing)) throw new TraceTooOldError(name, version)
  const hops = await gatherHops(nc, subject, {probes, timeoutMs, signal})
  if (hops.length === 0) {
    throw new TimeoutError(`No server reported the way of messages to '${subject}' within ${timeoutMs} ms.`, {
      suggestions: ['Run the same command again.'],
      details: {subject, probes, timeoutMs},
    })
  }
  return summarise(subject, hops, {probes, server: {id, name, ...(cluster === undefined ? {} : {cluster})}})
}

/** Sends the probes and waits until the way of every one is known, or nothing more comes. */
function gatherHops(
  nc: NatsConnection,
  subject: string,
  {probes, timeoutMs, signal}: TraceOptions,
): Promise<ProbeHop[]> {
  return new Promise((resolve, reject) => {
    const prefix = inboxPrefix(nc) ?? '_INBOX'
    const inbox = createInbox(prefix)
    const traces = new Map<number, ProbeHop[]>()
    let complete = 0
    let stall: NodeJS.Timeout | undefined
    let subscription: Subscription | undefined
    const end = (error?: Error): void => {
      clearTimeout(total)
      clearTimeout(stall)
      signal?.removeEventListener('abort', abort)
      if (!nc.isClosed()) subscription?.unsubscribe()
      if (error === undefined) resolve([...traces.values()].flat())
      else reject(error)
    }
    const abort = (): void => {
      const reason: unknown = signal?.reason
      end(reason instanceof Error ? reason : new InterruptedError('Tracing was interrupted.'))
    }
    const receive = (error: Error | null, message: Msg): void => {
      if (error !== null) return end(new TraceForbiddenError(subject, prefix))
      const hop = readTraceHop(message.string())
      if (hop === undefined) return
      const trace = traces.get(hop.probe) ?? []
      const before = isComplete(trace)
      trace.push(hop)
      traces.set(hop.probe, trace)
      if (!before && isComplete(trace)) complete++
      if (complete === probes) return end()
      clearTimeout(stall)
      stall = setTimeout(end, stallMs)
    }
    const total = setTimeout(end, timeoutMs)
    signal?.addEventListener('abort', abort, {once: true})
    if (signal?.aborted === true) return abort()
    try {
      subscription = nc.subscribe(inbox, {callback: receive})
      // By this the client knows whom to tell that the servers may not report there.
      Object.assign(subscription, {requestSubject: inbox})
      for (let probe = 1; probe <= probes; probe++) {
        const traced = headers()
        traced.set('Nats-Trace-Dest', inbox)
        traced.set('Nats-Trace-Only', 'true')
        traced.set(probeHeader, String(probe))
        nc.publish(subject, '', {headers: traced})
      }
    } catch (error) {
      end(error as Error)
    }
  })
}
