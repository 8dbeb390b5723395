import type {NatsConnection} from '@nats-io/transport-node'

import type {SourceChange} from '../apply/driver.js'
import type {Clock} from '../clock.js'
import {LatticeError} from '../errors.js'
import {openConnection} from '../nats/connect.js'
import type {ConnectSpec} from '../nats/spec.js'
import {predictTable} from '../routing/effective.js'
import {covers, patternOf} from '../routing/subject.js'
import {falseAlarm, judgeProbes, missedDifference, noticedPoints, planProbes} from './probe-plan.js'
import {probeSubject} from './subjects.js'
import {traceSubject, TraceForbiddenError, TraceTooOldError} from './trace.js'
import type {TracedSubject} from './traced.js'

/** How one server sends on what is published to it. */
export interface ProbedServer {
  readonly server: {readonly name: string; readonly id?: string; readonly address: string}
  readonly outcome: 'applied' | 'differs' | 'unreachable'
  /** Why, where it is not applied. */
  readonly reason?: string
}

/** What probes through every server that can be reached come to. */
export interface ProbeVerification {
  /** Sorted by name. */
  readonly servers: readonly ProbedServer[]
  /** Messages that were traced at each server for one look at every source. */
  readonly probes: number
  /** How far the result can be trusted. */
  readonly confidence: {
    /** Chance that one look calls a right table wrong; it looks again until the time is over. */
    readonly falseAlarm: number
    /** Chance that a table is called right in which some share differs by so many points. */
    readonly missed: number
    readonly points: number
  }
}

export interface ProbeOptions {
  /** How long a table that differs may still become right. */
  readonly withinMs: number
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
}

/** More looks would let chance call a wrong table right. */
const mostLooks = 10

/**
 * Finds out without system credentials whether every server sends messages on as a change says: opens a connection to
 * each server that the given one knows and traces as many messages as it takes. Servers of other clusters are not known.
 */
export async function verifyByProbe(
  {connection, spec}: {readonly connection: NatsConnection; readonly spec: ConnectSpec},
  change: readonly SourceChange[],
  options: ProbeOptions,
): Promise<ProbeVerification> {
  const known = connection.getServers().map(({listen}) => listen)
  const own = connection.getServer()
  const addresses = [...new Set([own, ...known, ...spec.servers].map((address) => address.replace(/^\w+:\/\//, '')))]
  const probed = await Promise.all(
    addresses.map((address) => probeServer({...spec, servers: [schemeOf(spec) + address]}, change, options)),
  )
  // One server may have several addresses.
  const unique = new Map(probed.map((one) => [one.server.id ?? one.server.address, one]))
  const plans = change.map((one) => planProbes(expectedOf(one, undefined).map(({share}) => share)))
  return {
    servers: [...unique.values()].sort((a, b) => (a.server.name < b.server.name ? -1 : 1)),
    probes: plans.reduce((sum, {probes}) => sum + probes, 0),
    confidence: {falseAlarm, missed: missedDifference * mostLooks, points: noticedPoints},
  }
}

async function probeServer(
  spec: ConnectSpec,
  change: readonly SourceChange[],
  options: ProbeOptions,
): Promise<ProbedServer> {
  const address = spec.servers[0]!
  let connection: NatsConnection | undefined
  try {
    connection = await openConnection(spec, {name: 'lattice probe'})
    const {server_id: id = '', server_name: name = id} = connection.info ?? {}
    const found = await lookUntil(connection, {change, timeoutMs: spec.timeoutMs}, options)
    return {server: {name, id, address}, ...(found ?? {outcome: 'applied'})}
  } catch (error) {
    if (!(error instanceof LatticeError) || isBeyond(error)) throw error
    const {server_id: id, server_name: name = address} = connection?.info ?? {}
    return {server: {name, address, ...(id && {id})}, outcome: 'unreachable', reason: error.message}
  } finally {
    await connection?.close()
  }
}

/** What no server will ever tell is not what a server that cannot be reached may have. */
function isBeyond(error: LatticeError): boolean {
  return error instanceof TraceForbiddenError || error instanceof TraceTooOldError
}

/** Why the server's table is not right, or not known; undefined as soon as it is right. */
async function lookUntil(
  connection: NatsConnection,
  {change, timeoutMs}: {readonly change: readonly SourceChange[]; readonly timeoutMs: number},
  {withinMs, clock, signal}: ProbeOptions,
): Promise<Trouble | undefined> {
  const deadline = clock.now() + withinMs
  for (let look = 1; ; look++) {
    const troubles: Trouble[] = []
    for (const one of change) troubles.push(...(await lookAt(connection, one, {timeoutMs, signal})))
    if (troubles.length === 0) return undefined
    if (look >= mostLooks || clock.now() >= deadline) return worstOf(troubles)
    await clock.sleep(withinMs / mostLooks, signal)
  }
}

interface Trouble {
  /** A server whose answers are lost on the way may well be right. */
  readonly outcome: 'differs' | 'unreachable'
  readonly reason: string
}

function worstOf(troubles: readonly Trouble[]): Trouble {
  const differing = troubles.filter(({outcome}) => outcome === 'differs')
  const worst = differing.length > 0 ? differing : troubles
  return {outcome: worst[0]!.outcome, reason: worst.map(({reason}) => reason).join(' ')}
}

async function lookAt(
  connection: NatsConnection,
  change: SourceChange,
  {timeoutMs, signal}: {readonly timeoutMs: number; readonly signal: AbortSignal | undefined},
): Promise<Trouble[]> {
  const expected = expectedOf(change, connection.info?.cluster)
  const plan = planProbes(expected.map(({share}) => share))
  const traced = await traceSubject(connection, probeSubject(change.source), {probes: plan.probes, timeoutMs, signal})
  if (traced.answered < plan.probes) {
    const reason = `Only ${traced.answered} of ${plan.probes} probes of '${change.source}' were answered.`
    return [{outcome: 'unreachable', reason}]
  }
  const seen = expected.map(() => 0)
  let elsewhere = 0
  for (const {mapped, subject, probes} of traced.destinations) {
    const index = expected.findIndex(({pattern}) => matches(pattern, mapped ?? subject))
    if (index < 0) elsewhere += probes
    else seen[index]! += probes
  }
  return judgeProbes(plan, seen, elsewhere) ? [] : [{outcome: 'differs', reason: differenceText(change, traced)}]
}

interface Expected {
  /** Empty for what the mapping drops. */
  readonly pattern: string
  readonly share: number
}

/** Where a server of the cluster sends what is published to the source. */
function expectedOf({source, destinations}: SourceChange, cluster: string | undefined): Expected[] {
  const all =
    destinations === undefined
      ? [{subject: source, weight: 100}]
      : (predictTable({[source]: destinations}).get(source) ?? [])
  const own = all.filter((one) => 'cluster' in one && one.cluster === cluster)
  const used = cluster !== undefined && own.length > 0 ? own : all.filter((one) => !('cluster' in one))
  const shares = used.map(({subject, weight}) => ({pattern: probeSubject(subject), share: weight}))
  const rest = 100 - shares.reduce((sum, {share}) => sum + share, 0)
  return [...shares, {pattern: '', share: rest}].filter(({share}) => share > 0)
}

/** Other functions of a destination make any token. */
function matches(pattern: string, subject: string): boolean {
  return pattern === '' || subject === '' ? pattern === subject : covers(patternOf(pattern), subject)
}

function differenceText({source}: SourceChange, {destinations}: TracedSubject): string {
  const parts = destinations.map(({mapped, subject, share}) => {
    const to = mapped ?? subject
    return `${share} % ${to === '' ? 'dropped' : `to '${to}'`}`
  })
  return `Messages to '${source}' go ${parts.join(', ')}.`
}

function schemeOf({servers, tls}: ConnectSpec): string {
  return tls !== undefined || servers.some((server) => /^tls:/i.test(server)) ? 'tls://' : 'nats://'
}
