import type {Msg, NatsConnection} from '@nats-io/transport-node'
import {z} from 'zod'

import {NoRespondersError, parseReply, requestMany, RequestTimeoutError} from './request.js'

const serverSchema = z.object({server: z.object({id: z.string()})})

/** After another server's answer, how long that of our own may still take. */
const stallMs = 500

/**
 * The JSON answer of the server that we are connected to. Servers of leaf nodes answer what users may ask of all servers
 * too, about themselves, and may be first. Throws as `request` does.
 */
export async function requestOwnServer(nc: NatsConnection, subject: string, timeoutMs: number): Promise<unknown> {
  const started = performance.now()
  const isOwn = (reply: Msg): boolean => idOf(reply, subject) === nc.info?.server_id
  const replies = await requestMany(nc, subject, '', {timeoutMs, stallMs, expect: (all) => all.some(isOwn)})
  const reply = replies.find(isOwn) ?? replies[0]
  if (reply !== undefined) return parseReply(reply.string(), subject)
  const waitedMs = performance.now() - started
  throw waitedMs >= timeoutMs ? new RequestTimeoutError(subject, waitedMs) : new NoRespondersError(subject)
}

function idOf(reply: Msg, subject: string): string | undefined {
  return serverSchema.safeParse(parseReply(reply.string(), subject)).data?.server.id
}
