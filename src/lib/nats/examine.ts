import {setTimeout as sleep} from 'node:timers/promises'

import {codesOf} from './error-codes.js'
import {isRefusal, reasonOf, tlsFirstWanted, type Tried} from './diagnose.js'
import {tryHandshake, type Handshake} from './handshake.js'
import type {Attempt, Plan, Usable} from './open-target.js'
import type {Target} from './target.js'

/** A server that has said nothing for so long may be waiting for TLS. */
const greetingMs = 700
/** What an examination may take when the time is over already. */
const leastMs = 150

/** Goes through the handshake by hand to learn what hinders a client. */
export async function examine(plan: Plan, target: Target): Promise<Attempt | Usable> {
  const end = Math.max(plan.deadline, performance.now() + leastMs)
  const attempt = (tlsFirst: boolean): Promise<Handshake> =>
    tryHandshake(target, {
      tls: plan.tls,
      tlsFirst,
      login: plan.login,
      timeoutMs: Math.max(leastMs, end - performance.now()),
    })
  const asPlanned = attempt(plan.tlsFirst)
  const soon = await Promise.race([asPlanned, sleep(greetingMs, undefined, {ref: false})])
  const isMute = soon === undefined || (soon.step === 'greeting' && soon.got !== 'other')
  if (isMute && !plan.tlsFirst && speaksTls(await attempt(true))) return {kind: 'failed', reason: tlsFirstWanted()}
  const handshake = await asPlanned
  const proxy = plan.proxyFailure(target)
  if (proxy !== undefined) return {kind: 'failed', reason: proxy}
  return conclude(handshake, {
    target,
    tlsFirst: plan.tlsFirst,
    clientCertificate: plan.tls?.cert !== undefined,
    waitedMs: plan.waitMs,
  })
}

function conclude(handshake: Handshake, tried: Tried): Attempt | Usable {
  if (handshake.step === 'done') return {kind: 'usable', tlsRequired: handshake.greeting.tlsRequired}
  if (handshake.step === 'login' && isRefusal(handshake.said)) {
    return {kind: 'refused', challenges: handshake.greeting.nonce !== undefined}
  }
  return {kind: 'failed', reason: reasonOf(handshake, tried, Date.now())}
}

/** True when there was TLS at all, whatever became of it. */
function speaksTls(handshake: Handshake): boolean {
  if (handshake.step === 'login' || handshake.step === 'done') return true
  return (
    handshake.step === 'tls' && (handshake.certificate !== undefined || codesOf(handshake.error).includes('_ALERT_'))
  )
}
