import type {Version} from '../entity/version.js'
import {covers, patternOf, subjectsOverlap} from '../routing/subject.js'
import type {Counter, ServerCounters, Snapshot} from './counters.js'
import {holds, measuredShare} from './interval.js'

/** Where one version listens; several addresses of one version are added up. */
export interface ObservedAddress {
  /** Undefined for what stays on the source without being anybody's share. */
  readonly version?: Version
  /** Its wildcards as `*` or `$1`. */
  readonly subject: string
  /** Asked share in percent. */
  readonly weight?: number
  /** The queue group that does the work, where it is known. */
  readonly queue?: string
}

/** What one version got in the window. */
export interface ObservedLeg {
  readonly version?: Version
  /** Subscriptions that share the work; 0: nobody listens, so whatever is sent there is lost and cannot be counted. */
  readonly listeners: number
  /** Other subscriptions that get copies. */
  readonly taps: number
  readonly messages: number
  readonly ratePerSecond: number
  /** Of all messages that were counted, in percent with two decimals. */
  readonly share: number
  /** Holds the true share in 95 of 100 measurements. */
  readonly interval: readonly [low: number, high: number]
  /** The share that was asked for, of what can be counted. */
  readonly asked?: number
  /** Whether the interval holds the asked share; absent where nothing was asked. */
  readonly agrees?: boolean
}

/** How traffic was really split over a window. */
export interface ObservedSplit {
  readonly legs: readonly ObservedLeg[]
  readonly messages: number
  readonly ratePerSecond: number
  readonly windowMs: number
  /** Whether every leg got the share that was asked for. */
  readonly agrees: boolean
  /** Servers that were counted. */
  readonly servers: readonly string[]
  /** What was not counted, a sentence each. */
  readonly gaps: readonly string[]
}

/** What the counters of two moments come to, a leg a version in the order of the addresses. */
export function tallySplit(before: Snapshot, after: Snapshot, addresses: readonly ObservedAddress[]): ObservedSplit {
  const windowMs = Math.max(1, Math.round(after.at - before.at))
  const {grown, gaps} = growth(before, after)
  const tallies = addresses.map((address) => tallyAddress(address, grown, addresses))
  const versions = [...new Set(addresses.map(({version}) => version))]
  const merged = versions.map((version) => merge(tallies.filter((tally) => tally.version === version)))
  const total = merged.reduce((sum, {messages}) => sum + messages, 0)
  const heard = merged.filter(({listeners}) => listeners > 0)
  const weightHeard = heard.reduce((sum, {weight = 0}) => sum + weight, 0)
  const legs = merged.map((leg) => {
    const asked = leg.weight === undefined || leg.listeners === 0 || weightHeard === 0 ? undefined : leg.weight
    return finishLeg(leg, {total, windowMs, asked: asked === undefined ? undefined : (asked / weightHeard) * 100})
  })
  const deaf = merged.filter(({listeners, weight = 0}) => listeners === 0 && weight > 0)
  return {
    legs,
    messages: total,
    ratePerSecond: rate(total, windowMs),
    windowMs,
    agrees: total > 0 && deaf.length === 0 && legs.every(({agrees = true}) => agrees),
    servers: [...after.servers.values()].map(({name}) => name).sort(),
    gaps: [
      ...gaps,
      ...deaf.map(
        ({version}) =>
          `No subscription of ${version ?? 'the rest'} is seen: nobody listens, or behind a leaf node, and what it gets is not counted.`,
      ),
    ],
  }
}

/** A subscription, and by how much its counter grew. */
interface Grown extends Pick<Counter, 'subject' | 'queue'> {
  readonly messages: number
}

/** Counters live as long as their subscription: one that is new began at 0, and what one that is gone got is not known. */
function growth(before: Snapshot, after: Snapshot): {readonly grown: Grown[]; readonly gaps: string[]} {
  const gaps: string[] = []
  const grown = [...after.servers].flatMap(([id, server]) => {
    const earlier = before.servers.get(id)
    if (earlier !== undefined) return grownOn(earlier, server)
    if (restarted(server, before, after)) return [...server.counters.values()]
    gaps.push(`Server '${server.name}' was not there at the beginning and is not counted.`)
    return []
  })
  for (const [id, {name, counters}] of before.servers) {
    const later = after.servers.get(id)
    const gone = [...counters.keys()].filter((key) => later?.counters.has(key) !== true).length
    if (later === undefined)
      gaps.push(`Server '${name}' went away or does not answer: what it delivered is not counted.`)
    else if (gone > 0) gaps.push(endedText(gone, name))
  }
  return {grown, gaps}
}

function endedText(count: number, server: string): string {
  return count === 1
    ? `A subscription ended at server '${server}': its last messages are not counted.`
    : `${count} subscriptions ended at server '${server}': their last messages are not counted.`
}

function grownOn(earlier: ServerCounters, {counters}: ServerCounters): Grown[] {
  return [...counters].map(([key, now]) => {
    const then = earlier.counters.get(key)
    const same = then?.subject === now.subject && then.queue === now.queue && then.messages <= now.messages
    return {...now, messages: same ? now.messages - then.messages : now.messages}
  })
}

/** A server that restarts has a new id, and its counters began in the window. */
function restarted({name}: ServerCounters, before: Snapshot, after: Snapshot): boolean {
  return [...before.servers].some(([id, server]) => server.name === name && !after.servers.has(id))
}

interface Tally {
  readonly version: Version | undefined
  readonly weight: number | undefined
  readonly listeners: number
  readonly taps: number
  readonly messages: number
}

/** Every queue group gets each message once, and so does every plain subscription: one of them is counted. */
function tallyAddress(
  {version, weight, subject, queue}: ObservedAddress,
  grown: readonly Grown[],
  addresses: readonly ObservedAddress[],
): Tally {
  const pattern = patternOf(subject)
  const narrower = addresses
    .map((other) => patternOf(other.subject))
    .filter((other) => other !== pattern && covers(pattern, other))
  const near = grown.filter((one) => subjectsOverlap(pattern, one.subject))
  // What listens to more than this address counts more than its messages.
  const mine = near.filter(
    (one) => covers(pattern, one.subject) && !narrower.some((other) => covers(other, one.subject)),
  )
  const counted = workers(mine, queue)
  const messages = counted.reduce((sum, one) => sum + one.messages, 0)
  return {version, weight, listeners: counted.length, taps: near.length - counted.length, messages}
}

function workers(subscriptions: readonly Grown[], wanted: string | undefined): readonly Grown[] {
  const groups = Map.groupBy(
    subscriptions.filter(({queue}) => queue !== undefined),
    ({queue}) => queue!,
  )
  const expected = wanted === undefined ? undefined : groups.get(wanted)
  if (expected !== undefined) return expected
  const sum = (group: readonly Grown[]): number => group.reduce((total, {messages}) => total + messages, 0)
  const [most] = [...groups.values()].sort((a, b) => sum(b) - sum(a) || b.length - a.length)
  if (most !== undefined) return most
  const subjects = [...new Set(subscriptions.map(({subject}) => subject))]
  return subjects
    .filter((subject) => !subjects.some((other) => other !== subject && covers(other, subject)))
    .map((subject) =>
      subscriptions
        .filter((one) => one.subject === subject)
        .reduce((best, one) => (one.messages > best.messages ? one : best)),
    )
}

function merge(tallies: readonly Tally[]): Tally {
  const sum = (of: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + of(tally), 0)
  return {
    version: tallies[0]?.version,
    // All endpoints of a version have the same share.
    weight: tallies.find(({weight}) => weight !== undefined)?.weight,
    listeners: sum(({listeners}) => listeners),
    taps: sum(({taps}) => taps),
    messages: sum(({messages}) => messages),
  }
}

function finishLeg(
  {version, listeners, taps, messages}: Tally,
  {total, windowMs, asked}: {readonly total: number; readonly windowMs: number; readonly asked: number | undefined},
): ObservedLeg {
  const measured = measuredShare(messages, total)
  return {
    ...(version === undefined ? {} : {version}),
    listeners,
    taps,
    messages,
    ratePerSecond: rate(messages, windowMs),
    ...measured,
    ...(asked === undefined ? {} : {asked: Math.round(asked * 100) / 100, agrees: holds(measured, asked)}),
  }
}

function rate(messages: number, windowMs: number): number {
  return Math.round((messages / windowMs) * 10_000) / 10
}
