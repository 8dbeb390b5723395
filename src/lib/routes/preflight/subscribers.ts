import {z} from 'zod'

import type {Monitoring} from '../../nats/system.js'
import {isLiteralSubject, subjectsOverlap} from '../../routing/subject.js'

/** One subscription as a server lists it. */
export interface Subscriber {
  readonly subject: string
  readonly queue?: string
  /** The connection that has it, among all of all servers; not every way to ask tells it. */
  readonly connection?: string
}

/** Servers list subscriptions in another order each time, so pages of them would miss some. */
const mostSubscriptions = 100_000

const subszSchema = z.object({
  subscriptions_list: z
    .array(z.object({subject: z.string(), qgroup: z.string().optional(), cid: z.number().optional()}))
    .nullish(),
})

/** Subscriptions of the account that a message on the subject, or on one of a pattern, would reach, on all servers. */
export async function readSubscribers(
  system: Monitoring,
  {account, subject}: {readonly account: string; readonly subject: string},
): Promise<Subscriber[]> {
  // Servers test literal subjects only; for a pattern all subscriptions are looked through.
  const test = isLiteralSubject(subject) ? {test: subject} : {}
  const replies = await system.ask('SUBSZ', {account, subscriptions: true, ...test, limit: mostSubscriptions})
  return replies.flatMap(({server, data}) => {
    const list = subszSchema.parse(data ?? {}).subscriptions_list ?? []
    return list
      .filter((one) => subjectsOverlap(one.subject, subject))
      .map(({subject: pattern, qgroup, cid}) => ({
        subject: pattern,
        ...(qgroup && {queue: qgroup}),
        ...(cid === undefined ? {} : {connection: `${server.id}/${cid}`}),
      }))
  })
}
