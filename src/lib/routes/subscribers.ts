import {z} from 'zod'

import type {Monitoring} from '../nats/system.js'
import {isLiteralSubject, subjectsOverlap} from '../routing/subject.js'

/** One subscription as a server lists it. */
export interface Subscriber {
  readonly subject: string
  readonly queue?: string
  /** The connection that has it, among all of all servers; not every way to ask tells it. */
  readonly connection?: string
}

const pageSize = 1024

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
  const found: Subscriber[] = []
  for (let offset = 0; ; offset += pageSize) {
    const body = {account, subscriptions: true, ...test, limit: pageSize, offset}
    const pages = (await system.ask('SUBSZ', body)).map(({server, data}) => {
      const list = subszSchema.parse(data ?? {}).subscriptions_list ?? []
      return {size: list.length, reached: list.filter((one) => subjectsOverlap(one.subject, subject)), server}
    })
    for (const {reached, server} of pages) {
      found.push(
        ...reached.map(({subject: pattern, qgroup, cid}) => ({
          subject: pattern,
          ...(qgroup && {queue: qgroup}),
          ...(cid === undefined ? {} : {connection: `${server.id}/${cid}`}),
        })),
      )
    }
    if (pages.every(({size}) => size < pageSize)) return found
  }
}
