import {isIP} from 'node:net'

import {connect, type Authenticator, type ConnectionOptions, type NatsConnection} from '@nats-io/transport-node'

import {noAnswer, reason, type ConnectReason} from './connect-reason.js'
import {codesOf, firstLine} from './error-codes.js'
import {dialAddress, type Target} from './target.js'
import type {TlsMaterial} from './tls.js'

/** What every attempt of one connection has in common. */
export interface Plan {
  readonly options: ConnectionOptions
  readonly login: Authenticator | undefined
  /** Undefined: TLS only where a server insists. */
  readonly tls: TlsMaterial | undefined
  readonly tlsFirst: boolean
  /** TLS options that check the name of whichever of the targets is dialled. */
  readonly tlsOptions: (material: TlsMaterial) => Promise<Partial<ConnectionOptions>>
  /** Why a target was not reached through the proxy. */
  readonly proxyFailure: (target: Target) => ConnectReason | undefined
  /** When all has to be over, by `performance.now()`. */
  readonly deadline: number
  readonly waitMs: number
}

/** How an attempt ended; who is refused gets to know why only when no other server is left. */
export type Attempt =
  | {readonly kind: 'open'; readonly connection: NatsConnection}
  | {
      readonly kind: 'refused'
      /** False when the server sent nothing to sign, so that it knows no keys. */
      readonly challenges: boolean
    }
  | {readonly kind: 'failed'; readonly reason: ConnectReason; readonly cause?: unknown}

/** Somebody who went through the handshake found nothing wrong. */
export interface Usable {
  readonly kind: 'usable'
  readonly tlsRequired: boolean
}

type Dialled = Attempt | {readonly kind: 'error'; readonly error: unknown}

/** A client that is not connected by then is looked after: it does not notice every failure by itself. */
const patienceMs = 1000

/** Connects to one server; ends at the plan's deadline. Looks for reasons only while `wanted` says so. */
export async function openTarget(plan: Plan, target: Target, wanted: () => boolean): Promise<Attempt> {
  const opening = dial(plan, target, plan.tls === undefined ? {} : await plan.tlsOptions(plan.tls))
  let examined: Promise<Attempt | Usable> | undefined
  let dialled = await Promise.race([opening, after(Math.min(patienceMs, 0.4 * left(plan)))])
  if (dialled === undefined && wanted()) {
    examined = examineTarget(plan, target)
    const certain = examined.then((found) => (isCertain(found) ? found : forever<Attempt>()))
    dialled = await Promise.race([opening, certain, after(left(plan))])
  }
  if (dialled?.kind === 'open' || dialled?.kind === 'refused') return dialled
  closeLate(opening)
  if (dialled?.kind === 'failed') return dialled
  if (dialled === undefined || !wanted()) return {kind: 'failed', reason: noAnswer(plan.waitMs)}
  const found = await (examined ?? examineTarget(plan, target))
  if (found.kind !== 'usable') return withCause(found, dialled.error)
  return dialAgain(plan, target, {...found, error: dialled.error})
}

/**
 * The client takes TLS wherever it is offered, and checks a server's address as if it was `localhost` when it was given
 * no options; what it refused so may be as it should.
 */
async function dialAgain(
  plan: Plan,
  target: Target,
  {tlsRequired, error}: {tlsRequired: boolean; error: unknown},
): Promise<Attempt> {
  const failed: Attempt = {
    kind: 'failed',
    reason: reason('other', firstLine(codesOf(error).replace(/[^]*\n/, ''))),
    cause: error,
  }
  if (plan.tls !== undefined) return failed
  const opening = dial(plan, target, tlsRequired ? await plan.tlsOptions({}) : {tls: null})
  const dialled = await Promise.race([opening, after(left(plan))])
  if (dialled === undefined || dialled.kind === 'error') {
    closeLate(opening)
    return dialled === undefined ? {kind: 'failed', reason: noAnswer(plan.waitMs)} : failed
  }
  return dialled
}

async function dial(plan: Plan, target: Target, tls: Partial<ConnectionOptions>): Promise<Dialled> {
  // The client tries all addresses of a name one after the other, and a dead one must not take the time of the others.
  const share = target.via === undefined && isIP(target.host) === 0 ? 0.4 : 1
  const {login} = plan
  let challenges = false
  const authenticator: Authenticator = (nonce) => {
    challenges = Boolean(nonce)
    return login?.(nonce)
  }
  try {
    const timeout = Math.max(1, share * left(plan))
    const servers = [dialAddress(target)]
    const connection = await connect({...plan.options, ...tls, servers, timeout, authenticator})
    return {kind: 'open', connection}
  } catch (error) {
    return (error as Error).name === 'AuthorizationError' ? {kind: 'refused', challenges} : {kind: 'error', error}
  }
}

async function examineTarget(plan: Plan, target: Target): Promise<Attempt | Usable> {
  const {examine} = await import('./examine.js')
  return examine(plan, target)
}

/** What was only not heard may still come. */
function isCertain(found: Attempt | Usable): found is Attempt {
  return found.kind === 'refused' || (found.kind === 'failed' && found.reason.word !== 'no-answer')
}

function withCause(attempt: Attempt, cause: unknown): Attempt {
  return attempt.kind === 'failed' ? {...attempt, cause} : attempt
}

/** A connection that comes up after we gave up must not keep the process alive. */
function closeLate(opening: Promise<Dialled>): void {
  void opening.then((late) => (late.kind === 'open' ? late.connection.close() : undefined))
}

function left({deadline}: Plan): number {
  return Math.max(0, deadline - performance.now())
}

function after(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), ms).unref()
  })
}

function forever<T>(): Promise<T> {
  return new Promise<T>(() => undefined)
}
