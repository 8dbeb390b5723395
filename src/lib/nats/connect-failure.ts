import {shellWord} from '../entity/require.js'
import {ConnectionError} from '../errors.js'
import {withoutUserInfo} from './addresses.js'
import type {ConnectReason} from './connect-reason.js'
import type {Attempt, Plan} from './open-target.js'
import {explainRefusal} from './refusal.js'
import type {ConnectSpec} from './spec.js'
import type {Target} from './target.js'

type Failed = Extract<Attempt, {kind: 'failed'}>

/** No server could be connected to: one sentence for each reason, `details.reason` is the same in one word. */
export class CannotConnectError extends ConnectionError {
  constructor(servers: readonly string[], failures: readonly Failed[], {context}: Pick<ConnectSpec, 'context'>) {
    const reasons = failures.map(({reason}) => reason)
    const where = context === undefined ? '' : ` (context '${context}')`
    super(`Cannot connect to ${sentence(servers, reasons, where)}.`, {
      suggestions: [
        ...new Set([
          ...reasons.flatMap(({suggestions}) => suggestions),
          ...(context === undefined ? [] : [`lattice context show ${shellWord(context)}`]),
        ]),
      ],
      details: {
        servers,
        ...(reasons[0] === undefined ? {} : {reason: reasons[0].word}),
        ...(reasons.length > 1
          ? {reasons: reasons.map(({word}, index) => ({server: servers[index], reason: word}))}
          : {}),
        ...(context === undefined ? {} : {context}),
      },
      cause: failures[0]?.cause,
    })
  }
}

/** What was tried in vain. */
export interface Ended extends Pick<Plan, 'login'> {
  readonly targets: readonly Target[]
  /** One for each target. */
  readonly attempts: readonly Attempt[]
  /** Longest wait for what the system account knows of a refused user; 0 asks nobody. */
  readonly inquiryMs: number
}

/** The error that failed attempts stand for; why credentials were refused is found out once for all. */
export async function connectFailure(
  spec: ConnectSpec,
  {login, targets, attempts, inquiryMs}: Ended,
): Promise<CannotConnectError> {
  const refused = attempts.find((attempt) => attempt.kind === 'refused')
  const refusal =
    refused === undefined
      ? undefined
      : await explainRefusal({spec, login, challenges: refused.challenges, timeoutMs: inquiryMs})
  const failures = attempts.flatMap((attempt): Failed[] => {
    if (attempt.kind === 'failed') return [attempt]
    return attempt.kind === 'refused' ? [{kind: 'failed', reason: refusal!}] : []
  })
  return new CannotConnectError(
    targets.map(({address}) => withoutUserInfo(address)),
    failures,
    spec,
  )
}

function sentence(servers: readonly string[], reasons: readonly ConnectReason[], where: string): string {
  const clauses = [...new Set(reasons.map(({clause}) => clause))]
  const named = servers.map((server) => `'${server}'`)
  if (clauses.length <= 1) {
    return `${named.length === 1 ? '' : 'any of '}${named.join(', ')}${where}: ${clauses[0] ?? 'no reason is known'}`
  }
  const each = reasons.map(({clause}, index) => `${named[index] ?? ''} (${clause})`)
  return `any server${where}: ${each.join(', ')}`
}
