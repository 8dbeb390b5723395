import type {NatsConnection} from '@nats-io/transport-node'
import {z} from 'zod'

import {grantOf, refusal, type Grant} from '../nats/grants.js'
import {requestOwnServer} from '../nats/request-own.js'
import {NoRespondersError} from '../nats/request.js'
import type {SystemReply} from '../nats/system.js'
import {asSubscriptions, OwnMonitoring} from '../routes/proof/own-monitoring.js'
import {subjectsOverlap} from '../routing/subject.js'

const grantSchema = z.object({allow: z.array(z.string()).nullish(), deny: z.array(z.string()).nullish()}).nullish()

const userSchema = z.object({
  data: z
    .object({permissions: z.object({publish: grantSchema, subscribe: grantSchema}).nullish()})
    .nullish()
    .default({}),
})

/** What the leaf node's user may do at the account's servers. */
export interface HubUser {
  readonly publish: Grant
  readonly subscribe: Grant
}

/** Asks the account's servers what the user of a connection may do. */
export async function readHubUser(hub: NatsConnection, timeoutMs: number): Promise<HubUser> {
  const reply = await requestOwnServer(hub, '$SYS.REQ.USER.INFO', timeoutMs).catch(noAnswer)
  const {publish, subscribe} = userSchema.parse(reply).data?.permissions ?? {}
  return {publish: grantOf(publish), subscribe: grantOf(subscribe)}
}

/** Servers before 2.10 say nothing of users; what is forbidden shows at the first message. */
function noAnswer(error: unknown): unknown {
  if (error instanceof NoRespondersError) return {}
  throw error
}

/** True when the user may send to every subject of a pattern. */
export function maySend({publish}: HubUser, pattern: string): boolean {
  return refusal(pattern, publish) === undefined
}

/** True when the user may listen on every subject of a pattern. */
export function mayListen({subscribe}: HubUser, pattern: string): boolean {
  return refusal(pattern, subscribe) === undefined
}

const subsSchema = z.object({
  subscriptions_list: z.array(z.object({subject: z.string(), qgroup: z.string().optional()})).default([]),
})

/**
 * Subjects where workers at the account's servers listen who would answer calls of a source, as a user of the account
 * may ask; who taps a wildcard without a queue group only looks on.
 */
export async function readWorkers(
  hub: NatsConnection,
  sources: readonly string[],
  timeoutMs: number,
): Promise<string[]> {
  return among(await new OwnMonitoring(hub, timeoutMs).ask('SUBSZ'), sources)
}

/** The same among the connections that a leaf node's server told of; who listens at the account's servers is not there. */
export function workersAmong(connections: readonly SystemReply[], sources: readonly string[]): string[] {
  return among(
    connections.map((reply) => asSubscriptions(reply, {}, {links: false})),
    sources,
  )
}

function among(replies: readonly SystemReply[], sources: readonly string[]): string[] {
  const heard = replies.flatMap(({data}) => subsSchema.parse(data ?? {}).subscriptions_list)
  const workers = heard.filter(({subject, qgroup}) =>
    sources.some((source) => (qgroup === undefined ? subject === source : subjectsOverlap(subject, source))),
  )
  return [...new Set(workers.map(({subject}) => subject))].sort()
}
