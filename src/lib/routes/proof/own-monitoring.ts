import type {NatsConnection} from '@nats-io/transport-node'
import {z} from 'zod'

import {requestMany} from '../../nats/request.js'
import {parseSystemReply, type Monitoring, type ServerIdentity, type SystemReply} from '../../nats/system.js'
import {subjectsOverlap} from '../../routing/subject.js'

const connzSchema = z.object({
  connections: z
    .array(
      z.object({
        subscriptions_list_detail: z.array(z.object({subject: z.string(), qgroup: z.string().optional()})).nullish(),
      }),
    )
    .nullish(),
})

const stallMs = 300

/**
 * What any user may ask of all servers: who of the own account is connected, and what it listens on. Everything else
 * that a Monitoring is asked for is answered by nobody.
 */
export class OwnMonitoring implements Monitoring {
  readonly timeoutMs: number
  readonly #connection: NatsConnection

  constructor(connection: NatsConnection, timeoutMs: number) {
    this.#connection = connection
    this.timeoutMs = timeoutMs
  }

  async servers(): Promise<ServerIdentity[]> {
    return (await this.#connections(false)).map(({server}) => server)
  }

  async ask(endpoint: string, body?: unknown): Promise<SystemReply[]> {
    const {test} = (body ?? {}) as {readonly test?: string}
    if (endpoint !== 'SUBSZ') return []
    const replies = await this.#connections(true)
    return replies.map(({server, data}) => {
      const {connections} = connzSchema.parse(data ?? {})
      const list = (connections ?? []).flatMap((one) => one.subscriptions_list_detail ?? [])
      return {
        server,
        data: {subscriptions_list: list.filter(({subject}) => test === undefined || subjectsOverlap(subject, test))},
      }
    })
  }

  async #connections(detail: boolean): Promise<SystemReply[]> {
    const subject = '$SYS.REQ.ACCOUNT.PING.CONNZ'
    const messages = await requestMany(
      this.#connection,
      subject,
      JSON.stringify({subscriptions_detail: detail, limit: 4096}),
      {
        timeoutMs: Math.min(this.timeoutMs, 2000),
        stallMs,
      },
    )
    return messages
      .map((message) => parseSystemReply(message, subject))
      .sort((a, b) => (a.server.name < b.server.name ? -1 : 1))
  }
}
