import type {NatsConnection} from '@nats-io/transport-node'

import {openSource, readAccount, readFacts, type ServersFacts} from '../apply/account-state.js'
import {checkTrust} from '../apply/push.js'
import type {Clock} from '../clock.js'
import type {SigningKey} from '../keys/nkey.js'
import {hasOperatorKey, MissingOperatorKeyError, readOperatorKey} from '../nats/operator-key.js'
import {isTooOld, oldestServer} from '../nats/server-version.js'
import type {ConnectSpec} from '../nats/spec.js'
import {MissingSystemCredentialsError} from '../nats/system-user.js'
import {hasSystemCredentials, SystemClient, type ServerIdentity} from '../nats/system.js'
import {NoTokenAccountError} from '../routes/who.js'
import {beforeAbort} from './deadline.js'
import {failed} from './failure.js'
import {fixOf} from './fix.js'
import {pushSubject, systemNeeds} from './needs.js'
import {lacking, neededFor, type Lack, type Level} from './permissions.js'
import type {Answer, Found} from './report.js'
import {countOf} from './text.js'
import {askUser} from './user.js'
import {inboxPrefixOf} from './wire.js'

export interface SystemQuestion {
  readonly spec: ConnectSpec
  readonly clock: Clock
  /** How far routes are wanted. */
  readonly level: Level
  /** The user's account, as the server or the token names it. */
  readonly account: string | undefined
  /** Nobody waits any longer for what has not come by then. */
  readonly signal: AbortSignal
}

/** Looks whether the servers answer the system account, and whether they trust the operator key. */
export async function checkSystem(question: SystemQuestion): Promise<Found> {
  const {spec, level} = question
  if (level === 'none') {
    const detail = 'only routes need it'
    return {
      answers: [
        {check: 'system', state: 'notNeeded', detail},
        {check: 'operatorKey', state: 'notNeeded', detail: 'only route changes need it'},
      ],
    }
  }
  const key = readKey(question)
  if (!hasSystemCredentials(spec)) {
    const missing = failed('system', new MissingSystemCredentialsError(spec))
    return withKey({answers: [missing]}, await key, 'shows only to the system account')
  }
  return askServers(question, key)
}

async function askServers(question: SystemQuestion, key: Promise<KeyFound>): Promise<Found> {
  const {signal} = question
  try {
    await using system = await openInTime(question)
    const {connection} = system
    // Requests that are under way end with their connection.
    signal.addEventListener('abort', () => void connection.close(), {once: true})
    const servers = await inTime(question, system.servers())
    const lacks = await inTime(question, lackingOf(connection, question))
    // What may not be asked is not answered, and waiting for it would take all the time there is.
    const facts = lacks.some(({direction, subject}) => direction === 'subscribe' || subject !== pushSubject)
      ? undefined
      : await inTime(question, readFacts({system, clock: question.clock}))
    const found: Found = {
      answers: [judgeServers(servers, facts, lacks)],
      facts: {systemServers: servers.map(({name, id, version}) => ({name, id, version}))},
    }
    const ready = await key
    if (ready.key === undefined || facts === undefined) return withKey(found, ready, 'the system user may not find out')
    return withKey(found, {...ready, answer: await judgeKey(question, {system, facts, key: ready.key})}, '')
  } catch (error) {
    return withKey({answers: [failed('system', error)]}, await key, 'shows only to the system account')
  }
}

/** A connection that comes when nobody waits any longer is closed. */
function openInTime(question: SystemQuestion): Promise<SystemClient> {
  const opening = SystemClient.open(question.spec)
  const closeLate = (system: SystemClient): unknown => question.signal.aborted && system[Symbol.asyncDispose]()
  void opening.then(closeLate, () => undefined)
  return inTime(question, opening)
}

function inTime<T>({signal, spec}: SystemQuestion, promise: Promise<T>): Promise<T> {
  return beforeAbort(promise, signal, spec.timeoutMs)
}

/** What the system user may not do and route changes, or looks at routes, need; nothing where it is not told. */
async function lackingOf(connection: NatsConnection, {account, level, spec}: SystemQuestion): Promise<Lack[]> {
  const told = await askUser(connection, spec.timeoutMs)
  if (told === undefined) return []
  const needs = systemNeeds(account ?? '*', inboxPrefixOf(connection))
  return lacking(neededFor(needs, {level, absent: new Set()}), told.permissions)
}

function judgeServers(
  servers: readonly ServerIdentity[],
  facts: ServersFacts | undefined,
  lacks: readonly Lack[],
): Answer {
  const list = servers.map(({name, version}) => `${name} ${version}`).join(', ')
  const detail = `${countOf(servers.length, 'server')} ${servers.length === 1 ? 'answers' : 'answer'}: ${list}`
  const old = servers.filter(({version}) => isTooOld(version)).map(({name}) => name)
  const silent = (facts?.silent ?? []).map(({name}) => name)
  const check = 'system'
  if (lacks.length > 0) {
    const fix = fixOf(lacks, {user: 'of the system account', token: false})
    return {check, state: 'missing', detail: `${detail}; the user lacks permissions`, lacks, fix}
  }
  if (old.length > 0) {
    const trouble = `${old.join(', ')} ${old.length === 1 ? 'is' : 'are'} older than ${oldestServer}`
    return {check, state: 'missing', detail: `${detail}; ${trouble}`, fix: ['Update nats-server.']}
  }
  if (silent.length > 0) {
    const trouble = `${silent.join(', ')} ${silent.length === 1 ? 'is' : 'are'} known to the others and silent`
    return {check, state: 'warning', detail: `${detail}; ${trouble}`, fix: ['nats server list']}
  }
  return {check, state: 'ok', detail}
}

interface KeyFound {
  readonly key?: SigningKey
  /** Undefined while only the servers can tell. */
  readonly answer?: Answer
}

async function readKey({spec, level, account}: SystemQuestion): Promise<KeyFound> {
  if (level !== 'write') {
    const detail = hasOperatorKey(spec) ? 'only route changes need it' : 'none is set, and only route changes need it'
    return {answer: {check: 'operatorKey', state: 'notNeeded', detail}}
  }
  if (!hasOperatorKey(spec)) return {answer: failed('operatorKey', new MissingOperatorKeyError(spec))}
  try {
    const key = await readOperatorKey(spec)
    if (account === undefined || !/^A[A-Z2-7]{55}$/.test(account)) {
      return {key, answer: failed('operatorKey', new NoTokenAccountError(account ?? '?'))}
    }
    return {key}
  } catch (error) {
    return {answer: failed('operatorKey', error)}
  }
}

/** Judges the key as a route change does, right before it would push. */
async function judgeKey(
  question: SystemQuestion,
  {system, facts, key}: {readonly system: SystemClient; readonly facts: ServersFacts; readonly key: SigningKey},
): Promise<Answer> {
  const {spec, clock, account = ''} = question
  try {
    const source = await inTime(question, openSource({system, account, clock}))
    const view = await inTime(question, readAccount(source))
    checkTrust({...source, key, facts, timeoutMs: spec.timeoutMs}, view)
    const expires = view.token.expires
    const until = expires === undefined ? '' : `, whose token expires ${new Date(expires * 1000).toISOString()}`
    const detail = `${key.publicKey} may sign for the account${until}`
    return {check: 'operatorKey', state: 'ok', detail}
  } catch (error) {
    return failed('operatorKey', error)
  }
}

function withKey(found: Found, {key, answer}: KeyFound, why: string): Found {
  const open = `${key?.publicKey ?? ''} is at hand; whether the servers trust it ${why}`
  return {
    answers: [...found.answers, answer ?? {check: 'operatorKey', state: 'unknown', detail: open}],
    facts: {...found.facts, ...(key === undefined ? {} : {operatorKey: key.publicKey})},
  }
}
