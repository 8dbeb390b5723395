import type {NatsConnection} from '@nats-io/transport-node'

import {jetStream} from '../cache/jetstream.js'
import {bucketNames} from '../cache/key.js'
import type {Clock} from '../clock.js'
import {userToken} from '../nats/creds.js'
import {refusal} from '../nats/grants.js'
import {isTooOld} from '../nats/server-version.js'
import type {ConnectSpec} from '../nats/spec.js'
import {checkAbilities} from './ability.js'
import {checkClusterSeed} from './cluster-seed.js'
import {beforeAbort} from './deadline.js'
import {failed} from './failure.js'
import type {Grantee} from './fix.js'
import {checkHosts} from './hosts.js'
import {checkIdentity} from './identity.js'
import type {NeedsScope} from './needs.js'
import type {Permissions} from './permissions.js'
import {questions, type Answer, type CheckReport, type Facts, type Found, type Question} from './report.js'
import {checkServer} from './server.js'
import {checkStorage} from './storage.js'
import {checkSystem} from './system.js'
import {askUser, readUserToken, type TokenFacts, type ToldUser} from './user.js'
import {wantedOf, whyNotWanted, type Wanted, type Wishes} from './wanted.js'
import {inboxPrefixOf, mayUseInbox} from './wire.js'

export interface CheckOptions extends Wishes {
  readonly clock: Clock
  /** When to give up what has not answered by then, by `performance.now()`. */
  readonly deadline: number
}

/** All that the parts of a check share. */
interface Session {
  readonly nc: NatsConnection
  readonly spec: ConnectSpec
  readonly wanted: Wanted
  readonly options: CheckOptions
  readonly inboxWorks: boolean
  readonly told: ToldUser | undefined
  readonly token: TokenFacts | undefined
  readonly permissions: Permissions | undefined
}

/**
 * Finds out what an open connection is good for. It changes nothing, and never throws for what it finds: each question
 * has its answer, one that did not come by the deadline is that.
 */
export async function checkConnection(
  nc: NatsConnection,
  spec: ConnectSpec,
  options: CheckOptions,
): Promise<CheckReport> {
  const started = options.clock.now()
  const [session, rttMs] = await beforeAbort(
    openSession(nc, spec, options),
    AbortSignal.timeout(leftMs(options)),
    spec.timeoutMs,
  )
  const {wanted, told, token} = session
  const server = checkServer({nc, spec, clock: options.clock, rttMs, clockOffsetMs: offsetOf(told, started)})
  const identity = checkIdentity({told, token, now: told?.now ?? options.clock.now()})
  const parts = await Promise.all([
    inTime(session, 'jetstream', () => checkStorage({...storageOf(session), wanted})),
    inTime(session, 'hosts', () => checkHosts({nc, spec: hurried(session), wanted, mayPublish: mayPublish(session)})),
    checkSystem({...systemOf(session), clock: options.clock, signal: AbortSignal.timeout(leftMs(options))}),
    inTime(session, 'clusterSeed', () => checkClusterSeed(spec, wanted)),
  ])
  const found: Found[] = [server, identity, ...parts]
  const facts = Object.assign({buckets: []}, ...found.map((part) => part.facts)) as Facts
  const absent = new Set(facts.buckets.flatMap(({name, present}) => (present ? [] : [name])))
  const abilities = checkAbilities({
    ...{
      scope: scopeOf(session, facts),
      wanted,
      permissions: session.permissions,
      inboxWorks: session.inboxWorks,
      absent,
    },
    serverTells: !isTooOld(facts.server.version),
    grantee: granteeOf(session),
    whyNot: (ability) => whyNotWanted(ability, options),
  })
  const checks = inOrder([...found.flatMap(({answers}) => answers), ...abilities.answers])
  return {
    ...(spec.context === undefined ? {} : {context: spec.context}),
    lattice: spec.lattice,
    complete: checks.every(({state}) => state !== 'missing'),
    checks,
    ...facts,
    needs: abilities.needs,
  }
}

async function openSession(
  nc: NatsConnection,
  spec: ConnectSpec,
  options: CheckOptions,
): Promise<[Session, rttMs: number]> {
  const wanted = wantedOf(spec, options)
  const inboxWorks = await mayUseInbox(nc)
  const [told, token] = await Promise.all([
    inboxWorks ? askUser(nc, Math.round(leftMs(options) / 2)) : undefined,
    // It was good enough to connect with.
    userToken(spec).then(readUserToken, () => undefined),
  ])
  const permissions = told?.permissions ?? token?.permissions
  return [{nc, spec, wanted, options, inboxWorks, told, token, permissions}, await measure(nc)]
}

/** Answers in time or not at all; what could not be asked for want of an inbox is unknown. */
async function inTime(
  session: Session,
  check: Question,
  find: (signal: AbortSignal) => Promise<Found>,
): Promise<Found> {
  if (!session.inboxWorks && (check === 'jetstream' || check === 'hosts')) {
    return {answers: [{check, state: 'unknown', detail: 'no answer can come: the user may not subscribe to its inbox'}]}
  }
  const signal = AbortSignal.timeout(leftMs(session.options))
  try {
    return await beforeAbort(find(signal), signal, session.spec.timeoutMs)
  } catch (error) {
    return {answers: [failed(check, error)]}
  }
}

function leftMs({deadline}: CheckOptions): number {
  return Math.max(100, Math.round(deadline - performance.now()))
}

/** The spec for what is opened now, with the time that is left. */
function hurried({spec, options}: Session): ConnectSpec {
  const left = leftMs(options)
  return {...spec, timeoutMs: left, connectTimeoutMs: Math.min(left, spec.connectTimeoutMs)}
}

function storageOf(session: Session): Omit<Parameters<typeof checkStorage>[0], 'wanted'> {
  const {nc, spec} = session
  return {
    js: jetStream(nc, hurried(session)),
    lattice: spec.lattice,
    dialect: spec.dialect,
    mayPublish: mayPublish(session),
  }
}

/** Its connection gives up a little earlier, so that it can say why. */
function systemOf(session: Session): Omit<Parameters<typeof checkSystem>[0], 'clock' | 'signal'> {
  const spec = hurried(session)
  const connectTimeoutMs = Math.max(100, Math.min(spec.connectTimeoutMs, spec.timeoutMs - 100))
  return {spec: {...spec, connectTimeoutMs}, level: session.wanted.routes, account: accountOf(session)}
}

function mayPublish({permissions}: Session): (subject: string) => boolean {
  return (subject) => permissions === undefined || refusal(subject, permissions.publish) === undefined
}

function scopeOf({nc, spec}: Session, {buckets}: Facts): NeedsScope {
  const {prefix: apiPrefix, writePrefix} = jetStream(nc, spec)
  const {lattice, dialect} = spec
  const configs = dialect === 'v1' || buckets.some(({name}) => name === bucketNames(lattice).config)
  return {lattice, dialect, configs, apiPrefix, writePrefix, inboxPrefix: inboxPrefixOf(nc)}
}

function accountOf({told, token}: Session): string | undefined {
  return told?.account ?? token?.account
}

function granteeOf({told, token}: Session): Grantee {
  const user = token?.name ?? told?.id
  const account = told?.accountName ?? accountOf({told, token} as Session)
  return {
    ...(user === undefined ? {} : {user}),
    ...(account === undefined ? {} : {account}),
    token: token !== undefined,
    ...(token?.scopedBy === undefined ? {} : {scopedBy: token.scopedBy}),
  }
}

/** The best of three: the first one may wait for whatever came before. */
async function measure(nc: NatsConnection): Promise<number> {
  let best = Infinity
  for (let round = 0; round < 3; round++) {
    const sent = performance.now()
    await nc.flush()
    best = Math.min(best, performance.now() - sent)
  }
  return best
}

function offsetOf(told: ToldUser | undefined, started: number): number | undefined {
  return told?.now === undefined ? undefined : Math.round(told.now - started)
}

function inOrder(answers: readonly Answer[]): Answer[] {
  return [...answers].sort((a, b) => questions.indexOf(a.check) - questions.indexOf(b.check))
}
