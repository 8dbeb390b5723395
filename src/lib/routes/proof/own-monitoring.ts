import type {Msg, NatsConnection} from '@nats-io/transport-node'
import {z} from 'zod'

import {isOwnLeaf} from '../../leaf/subjects.js'
import {requestMany} from '../../nats/request.js'
import {parseSystemReply, type Monitoring, type ServerIdentity, type SystemReply} from '../../nats/system.js'
import {subjectsOverlap} from '../../routing/subject.js'

const connzSchema = z.object({
  connections: z
    .array(
      z.object({
        name: z.string().default(''),
        kind: z.string().optional(),
        subscriptions_list_detail: z.array(z.object({subject: z.string(), qgroup: z.string().optional()})).nullish(),
      }),
    )
    .nullish(),
})

const stallMs = 300

/**
 * The connections that a server told of, as it would tell their subscriptions. What leaf nodes of ours listen on is not
 * among it; without `links` neither is what any leaf node or hub does.
 */
export function asSubscriptions({server, data}: SystemReply, body: unknown, {links = true} = {}): SystemReply {
  const {test} = (body ?? {}) as {readonly test?: string}
  const {connections} = connzSchema.parse(data ?? {})
  const list = (connections ?? [])
    .filter(({name, kind}) => !isOwnLeaf(name) && (links || kind !== 'Leafnode'))
    .flatMap((one) => one.subscriptions_list_detail ?? [])
  return {
    server,
    data: {subscriptions_list: list.filter(({subject}) => test === undefined || subjectsOverlap(subject, test))},
  }
}

/**
 * What any user may ask of all servers: who of the own account is connected, and what it listens on. Everything else
 * that a Monitoring is asked for is answered by nobody.
 */
export class OwnMonitoring implements Monitoring {
  readonly timeoutMs: number
  readonly #connection: NatsConnection
  /** How many servers answered; others need not be waited for again. */
  #expect: number | undefined

  constructor(connection: NatsConnection, timeoutMs: number) {
    this.#connection = connection
    this.timeoutMs = timeoutMs
  }

  async servers(): Promise<ServerIdentity[]> {
    return (await this.#connections(false)).map(({server}) => server)
  }

  async ask(endpoint: string, body?: unknown): Promise<SystemReply[]> {
    // With the connections comes the time, which is all that VARZ is asked for.
    if (endpoint === 'VARZ') return this.#connections(false)
    if (endpoint !== 'SUBSZ') return []
    return (await this.#connections(true)).map((reply) => asSubscriptions(reply, body))
  }

  async #connections(detail: boolean): Promise<SystemReply[]> {
    const subject = '$SYS.REQ.ACCOUNT.PING.CONNZ'
    // Leaf nodes of ours are asked by themselves.
    const read = (messages: readonly Msg[]): SystemReply[] =>
      messages.map((message) => parseSystemReply(message, subject)).filter(({server}) => !isOwnLeaf(server.name))
    const messages = await requestMany(
      this.#connection,
      subject,
      JSON.stringify({subscriptions_detail: detail, limit: 4096}),
      {
        timeoutMs: Math.min(this.timeoutMs, 2000),
        stallMs,
        expect: (replies) => this.#isComplete(read(replies)),
      },
    )
    const replies = read(messages)
    this.#expect = replies.length > 0 ? replies.length : undefined
    return replies.sort((a, b) => (a.server.name < b.server.name ? -1 : 1))
  }

  /** Servers of leaf nodes answer too, and may be first: a lone server tells whether there are any. */
  #isComplete(replies: readonly SystemReply[]): boolean {
    if (this.#expect !== undefined) return replies.length >= this.#expect
    const {cluster, server_id: id} = this.#connection.info ?? {}
    const own = cluster === undefined ? replies.find(({server}) => server.id === id) : undefined
    const {connections} = connzSchema.safeParse(own?.data ?? {}).data ?? {}
    return own !== undefined && (connections ?? []).every(({name, kind}) => kind !== 'Leafnode' || isOwnLeaf(name))
  }
}
