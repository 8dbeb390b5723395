import {z} from 'zod'

import type {AccountView} from '../apply/account-state.js'
import {runningVersions, type Entity} from '../entity/entity.js'
import {entityName} from '../entity/require.js'
import {UnsafeError} from '../errors.js'
import type {SystemClient} from '../nats/system.js'
import {predictTable} from '../routing/effective.js'
import {lintPlan, type Finding} from '../routing/lint.js'
import {planRoute} from '../routing/plan.js'
import {legAddress, queueGroup} from '../routing/source.js'
import type {Leg} from '../routing/weights.js'
import type {Session} from './session.js'

/** One subscription as a server lists it. */
export interface Subscriber {
  readonly subject: string
  readonly queue?: string
}

/** Subscriptions of the account that a message on the subject would reach, on all servers. */
export async function readSubscribers(
  system: SystemClient,
  {account, subject}: {readonly account: string; readonly subject: string},
): Promise<Subscriber[]> {
  const replies = await system.ask('SUBSZ', {account, subscriptions: true, test: subject, limit: 1024})
  return replies.flatMap(({data}) => {
    const {subscriptions_list: list} = subszSchema.parse(data ?? {})
    return (list ?? []).map(({subject: pattern, qgroup}) => ({subject: pattern, ...(qgroup && {queue: qgroup})}))
  })
}

/** Everything that speaks against a plan, all at once: guards of the table, and legs without live subscribers. */
export async function findProblems(
  {driver, lattice, deps}: Session,
  {entity, legs}: {readonly entity: Entity; readonly legs: readonly Leg[]},
  view: AccountView,
): Promise<Finding[]> {
  if (legs.length === 0) return []
  const {inboxPrefix} = deps.spec
  const plan = planRoute(lattice, entity, legs)
  const guards = lintPlan(predictTable(view.token.mappings), plan, inboxPrefix === undefined ? {} : {inboxPrefix})
  const findings = await Promise.all(
    legs.map(async ({version}) => {
      const subject = legAddress(lattice, entity, version)
      const subscribers = await readSubscribers(driver.system, {account: driver.account, subject})
      return judgeLeg(entity, version, {subscribers, queue: queueGroup(lattice, entity)})
    }),
  )
  return [...findings.flat(), ...guards]
}

/** Throws a RefusedRouteError that names every rule the plan breaks; returns the warnings. */
export function refuseProblems(entity: Entity, findings: readonly Finding[]): string[] {
  const refusals = findings.filter(({level}) => level === 'refuse')
  if (refusals.length > 0) throw new RefusedRouteError(entity, refusals)
  return findings.map(({sentence}) => sentence)
}

/** Wildcard taps watch and do not answer; another group on the very subject would get a copy of each message. */
function judgeLeg(
  entity: Entity,
  version: string,
  {subscribers, queue}: {readonly subscribers: readonly Subscriber[]; readonly queue: string},
): Finding[] {
  const leg = `${entityName(entity)}@${version}`
  if (subscribers.some((one) => one.queue === queue)) {
    const others = new Set(
      subscribers.flatMap((one) => (one.queue === undefined || one.queue === queue ? [] : [one.queue])),
    )
    return [...others].map((other) => ({
      rule: 'other-queue',
      level: 'warn',
      sentence: `Queue group '${other}' listens to '${leg}' too, and gets a copy of each of its messages.`,
    }))
  }
  const runs = runningVersions(entity).some((running) => running === version)
  const wrong = subscribers.find((one) => one.queue !== undefined)?.queue
  const sentence =
    wrong !== undefined
      ? `The subscribers of '${leg}' are in queue group '${wrong}' and not in that of '${entityName(entity)}'.`
      : runs
        ? `Nobody listens on the subject of '${leg}', although it runs: its hosts do not speak versioned RPC.`
        : `Nobody runs '${leg}'.`
  return [{rule: 'no-subscriber', level: 'refuse', sentence}]
}

/** The change breaks a safety rule, or several. */
export class RefusedRouteError extends UnsafeError {
  constructor(entity: Entity, findings: readonly Finding[]) {
    const running = runningVersions(entity)
    super(findings.map(({sentence}) => sentence).join(' '), {
      suggestions: running.length > 0 ? [`lattice entity inspect ${entityName(entity)}`] : ['lattice entity ls'],
      details: {entity: entity.name, key: entity.key, running, findings},
    })
  }
}

const subszSchema = z.object({
  subscriptions_list: z.array(z.object({subject: z.string(), qgroup: z.string().optional()})).nullish(),
})
