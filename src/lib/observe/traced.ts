import {measuredShare} from './interval.js'
import type {ProbeHop, TraceHop} from './trace-events.js'

/**
 * What would become of a message. `delivered`: somebody who works gets it. `watched`: only plain wildcard subscribers
 * do, who rarely answer. `nobody`: an immediate 503. `dropped`: lost by the mapping itself. `forbidden`: the publisher
 * may not publish there. `imported`: it leaves the account by an import whose export does not allow tracing, so that
 * nothing is known of it. `untraced`: some server on the way is too old to tell.
 */
export type Fate = 'delivered' | 'watched' | 'stored' | 'nobody' | 'dropped' | 'forbidden' | 'imported' | 'untraced'

/** One place where messages go, and what part of them. */
export interface TracedDestination {
  /** After mappings and imports; empty for what a mapping drops. */
  readonly subject: string
  /** Where it goes by mappings, when an import changes it further. */
  readonly mapped?: string
  readonly fate: Fate
  readonly probes: number
  /** In percent. */
  readonly share: number
  readonly interval: readonly [low: number, high: number]
  /** Who would have got it, each once: queue groups, and connections without one. */
  readonly subscribers: readonly TracedSubscriber[]
  /** The server's words, where it said no. */
  readonly error?: string
}

export interface TracedSubscriber {
  readonly server: string
  readonly client: string
  readonly subscription: string
  readonly queue?: string
}

/** Where messages to a subject go now, from one connection. */
export interface TracedSubject {
  readonly subject: string
  /** The server that the publisher is connected to. */
  readonly server: {readonly id: string; readonly name: string; readonly cluster?: string}
  readonly probes: number
  /** Probes of which enough came back to tell where they would go. */
  readonly answered: number
  /** Most of the messages first. */
  readonly destinations: readonly TracedDestination[]
  /** Every server that one probe went through, in order. */
  readonly path: readonly TraceHop[]
  /** Probes of which some server's part is missing. */
  readonly incomplete: number
}

/** What hops of many probes come to. */
export function summarise(
  subject: string,
  hops: readonly ProbeHop[],
  {probes, server}: Pick<TracedSubject, 'probes' | 'server'>,
): TracedSubject {
  const traces = [...Map.groupBy(hops, ({probe}) => probe).values()].filter((list) => list.some(isFirst))
  const known = traces.filter((trace) => !isLostAtLeaf(trace))
  const ends = known.map(endOf)
  const groups = Map.groupBy(ends, ({mapped, subject: end, fate}) => JSON.stringify([mapped, end, fate]))
  return {
    subject,
    server,
    probes,
    answered: known.length,
    destinations: [...groups.values()]
      .map((group) => destinationOf(group, known.length))
      .sort((a, b) => b.probes - a.probes || (a.subject < b.subject ? -1 : 1)),
    path: fullest(traces).map(({probe: _, ...hop}) => hop),
    incomplete: traces.filter((trace) => !isComplete(trace)).length,
  }
}

/** True when every server that a probe went on to has told. */
export function isComplete(trace: readonly TraceHop[]): boolean {
  const announced = trace.reduce((sum, {further}) => sum + further, 0)
  return trace.some(isFirst) && trace.length >= announced + 1
}

/** Nothing shows whether a leaf node mapped it. */
function isLostAtLeaf(trace: readonly TraceHop[]): boolean {
  const events = trace.flatMap((hop) => hop.events)
  return (
    !isComplete(trace) &&
    events.some((event) => event.type === 'out' && event.to === 'leaf' && event.error === undefined) &&
    !events.some(({type}) => type === 'mapped')
  )
}

interface End {
  readonly subject: string
  readonly mapped: string
  readonly fate: Fate
  readonly subscribers: readonly TracedSubscriber[]
  readonly error?: string
}

function isFirst({hop}: TraceHop): boolean {
  return hop === undefined
}

/** What became of one message. */
function endOf(trace: readonly TraceHop[]): End {
  const first = trace.find(isFirst)!
  const entry = first.events.find((event) => event.type === 'in')
  // A leaf node may map what the publisher's own server leaves as it is.
  const [mapping] = inOrder(trace)
    .flatMap(({events}) => events.filter((event) => event.type === 'mapped'))
    .toReversed()
  const mapped = mapping === undefined ? (entry?.subject ?? '') : mapping.to
  const imports = trace.flatMap(({events}) => events.filter((event) => event.type === 'imported'))
  const [last] = imports.toReversed()
  const subject = last?.to ?? mapped
  const subscribers = trace.flatMap(listenersOf)
  const error = entry?.error ?? failureOf(trace)
  const fate = fateOf(trace, {mapped, subject, subscribers, forbidden: entry?.error !== undefined})
  return {subject, mapped, fate, subscribers, ...(error === undefined ? {} : {error})}
}

function fateOf(
  trace: readonly TraceHop[],
  {
    mapped,
    subject,
    subscribers,
    forbidden,
  }: Pick<End, 'mapped' | 'subject' | 'subscribers'> & {readonly forbidden: boolean},
): Fate {
  if (forbidden) return 'forbidden'
  if (mapped === '') return 'dropped'
  const works = ({queue, subscription}: TracedSubscriber): boolean => queue !== undefined || subscription === subject
  if (subscribers.some(works)) return 'delivered'
  const events = trace.flatMap((hop) => hop.events)
  if (events.some(({type}) => type === 'stored')) return 'stored'
  if (events.some(({type}) => type === 'imported')) return 'imported'
  if (failureOf(trace) !== undefined) return 'untraced'
  return subscribers.length > 0 ? 'watched' : 'nobody'
}

function listenersOf({server, events}: TraceHop): TracedSubscriber[] {
  return events.flatMap((event) =>
    event.type === 'out' && event.to === 'client' && event.error === undefined && event.subscription !== undefined
      ? [
          {
            server: server.name,
            client: event.name,
            subscription: event.subscription,
            ...(event.queue === undefined ? {} : {queue: event.queue}),
          },
        ]
      : [],
  )
}

/** Why it went no further, such as to a server that is too old. */
function failureOf(trace: readonly TraceHop[]): string | undefined {
  return trace.flatMap(({events}) => events.flatMap((event) => (event.type === 'out' ? (event.error ?? []) : [])))[0]
}

function destinationOf(ends: readonly End[], draws: number): TracedDestination {
  const {subject, mapped, fate, error} = ends[0]!
  const subscribers = ends.flatMap((end) => end.subscribers)
  const unique = new Map(subscribers.map((one) => [JSON.stringify(Object.values(one)), one]))
  return {
    subject,
    ...(mapped === subject ? {} : {mapped}),
    fate,
    probes: ends.length,
    ...measuredShare(ends.length, draws),
    subscribers: [...unique.values()].sort((a, b) => (a.server + a.client < b.server + b.client ? -1 : 1)),
    ...(error === undefined ? {} : {error}),
  }
}

/** The path that tells most; in the order in which the message went. */
function fullest(traces: readonly (readonly ProbeHop[])[]): readonly ProbeHop[] {
  const [best = []] = traces.toSorted((a, b) => Number(isComplete(b)) - Number(isComplete(a)) || b.length - a.length)
  return inOrder(best)
}

function inOrder<T extends Pick<TraceHop, 'hop'>>(trace: readonly T[]): readonly T[] {
  return trace.toSorted((a, b) => (a.hop ?? '').localeCompare(b.hop ?? '', 'en', {numeric: true}))
}
