import type {Msg, NatsConnection} from '@nats-io/transport-node'
import {z} from 'zod'

import {ServerError} from '../errors.js'
import {isOwnLeaf} from '../leaf/subjects.js'
import {requestMany, type GatherOptions} from '../nats/request.js'
import {parseSystemReply, SystemClient, type Monitoring, type SystemReply} from '../nats/system.js'
import {subjectsOverlap} from '../routing/subject.js'

/** What one subscription was sent since it began. */
export interface Counter {
  readonly subject: string
  readonly queue?: string
  readonly messages: number
}

export interface ServerCounters {
  readonly name: string
  /** By client and subscription id. */
  readonly counters: ReadonlyMap<string, Counter>
}

/** The counters of all servers at one moment, by server id. */
export interface Snapshot {
  /** In milliseconds. */
  readonly at: number
  readonly servers: ReadonlyMap<string, ServerCounters>
}

/** Who can be asked: the system account, or monitoring ports, about every account, and an ordinary user about the own one. */
export interface CounterSource {
  readonly system?: Monitoring | undefined
  readonly connection: NatsConnection
  /** Public key or name of the account. */
  readonly account: string
}

/** Servers list in an order of chance, so pages repeat some entries and miss others: one page must hold them all. */
const pageSize = 100_000
const timeoutMs = 5000

/** Reads the counters of all subscriptions that a message to one of the patterns may reach. */
export async function readCounters(source: CounterSource, patterns: readonly string[]): Promise<ServerReading[]> {
  const wanted = [...new Set(patterns)]
  const readings = await (source.system === undefined
    ? Promise.all(wanted.map((pattern) => askConnections(source.connection, pattern)))
    : askSubscriptions(source.system, {account: source.account, patterns: wanted}))
  return readings.flat().map((reading) => ({
    ...reading,
    subscriptions: reading.subscriptions.filter(({subject}) => wanted.some((one) => subjectsOverlap(one, subject))),
  }))
}

/** The readings of one moment, each subscription once. */
export function snapshotOf(readings: readonly ServerReading[], at: number): Snapshot {
  const servers = new Map<string, ServerCounters & {readonly counters: Map<string, Counter>}>()
  for (const {id, name, subscriptions} of readings) {
    const {counters} = servers.get(id) ?? {counters: new Map<string, Counter>()}
    for (const {key, ...counter} of subscriptions) counters.set(key, counter)
    servers.set(id, {name, counters})
  }
  return {at, servers}
}

/** What one server told. */
export interface ServerReading {
  readonly id: string
  readonly name: string
  readonly subscriptions: readonly (Counter & {readonly key: string})[]
}

const subscriptionSchema = z
  .object({
    subject: z.string(),
    qgroup: z.string().optional(),
    sid: z.string(),
    msgs: z.number().default(0),
    cid: z.number(),
  })
  .transform(({subject, qgroup, sid, msgs, cid}) => ({
    key: `${cid} ${sid}`,
    subject,
    messages: msgs,
    ...(qgroup ? {queue: qgroup} : {}),
  }))

const subszSchema = z.object({total: z.number().default(0), subscriptions_list: z.array(subscriptionSchema).nullish()})

const connzSchema = z.object({
  total: z.number().default(0),
  connections: z
    .array(
      z.object({
        name: z.string().default(''),
        kind: z.string().optional(),
        subscriptions_list_detail: z.array(subscriptionSchema).nullish(),
      }),
    )
    .nullish(),
})

/** The test of SUBSZ takes a literal subject only. */
async function askSubscriptions(
  system: Monitoring,
  {account, patterns}: {readonly account: string; readonly patterns: readonly string[]},
): Promise<ServerReading[]> {
  const literal = patterns.every((pattern) => !/(?:^|\.)[*>](?:\.|$)/.test(pattern))
  const filters = literal ? patterns.map((test) => ({test})) : [{}]
  const expect = (await system.servers()).length
  const ask = (body: object): Promise<SystemReply[]> =>
    system instanceof SystemClient
      ? gather(system.connection, {subject: '$SYS.REQ.SERVER.PING.SUBSZ', body, expect})
      : system.ask('SUBSZ', body)
  const readings = await Promise.all(
    filters.map((filter) => askWhole(ask, {account, subscriptions: true, ...filter}, readSubsz)),
  )
  return readings.flat()
}

/** An ordinary user sees the connections of the own account, on every server. */
async function askConnections(connection: NatsConnection, pattern: string): Promise<ServerReading[]> {
  const subject = '$SYS.REQ.ACCOUNT.PING.CONNZ'
  const alone = connection.info?.cluster === undefined
  const ask = (body: object): Promise<SystemReply[]> =>
    gather(connection, {subject, body, ...(alone ? {expect: (all) => isComplete(connection, all)} : {})})
  return askWhole(ask, {subscriptions: true, subscriptions_detail: true, filter_subject: pattern}, readConnz)
}

/** Servers of leaf nodes answer too, and may be first. */
function isComplete(connection: NatsConnection, replies: readonly Msg[]): boolean {
  const parsed = replies.map((reply) => parseSystemReply(reply, 'CONNZ'))
  const own = parsed.find(({server}) => server.id === connection.info?.server_id)
  const connections = connzSchema.safeParse(own?.data ?? {}).data?.connections ?? []
  return own !== undefined && connections.every(({kind}) => kind !== 'Leafnode')
}

interface Page {
  readonly total: number
  readonly subscriptions: ServerReading['subscriptions']
}

/** Asks once more, for more, when there were more than the page holds. */
async function askWhole(
  ask: (body: object) => Promise<SystemReply[]>,
  body: object,
  read: (reply: SystemReply) => Page,
): Promise<ServerReading[]> {
  for (let limit = pageSize; ;) {
    const pages = (await ask({...body, limit, offset: 0})).map((reply) => ({reply, page: read(reply)}))
    const most = Math.max(0, ...pages.map(({page}) => page.total))
    if (most <= limit) {
      return pages.map(({reply: {server}, page}) => ({
        id: server.id,
        name: server.name,
        subscriptions: page.subscriptions,
      }))
    }
    limit = most * 2
  }
}

function readSubsz(reply: SystemReply): Page {
  const {total, subscriptions_list: list} = parse(subszSchema, reply, 'SUBSZ')
  return {total, subscriptions: list ?? []}
}

function readConnz(reply: SystemReply): Page {
  const {total, connections} = parse(connzSchema, reply, 'CONNZ')
  // What a leaf node of ours hears comes back under another subject, and is counted there.
  const subscriptions = (connections ?? [])
    .filter(({name, kind}) => !isOwnLeaf(name) && !(kind === 'Leafnode' && isOwnLeaf(reply.server.name)))
    .flatMap(({subscriptions_list_detail: list}) => list ?? [])
  return {total, subscriptions}
}

/** A server that went away must not hold up every measurement for the whole timeout. */
async function gather(
  nc: NatsConnection,
  {subject, body, expect}: {readonly subject: string; readonly body: object; readonly expect?: GatherOptions['expect']},
): Promise<SystemReply[]> {
  const messages = await requestMany(nc, subject, JSON.stringify(body), {
    timeoutMs,
    stallMs: expect === undefined ? 300 : 1000,
    ...(expect === undefined ? {} : {expect}),
  })
  return messages.map((message) => parseSystemReply(message, subject))
}

function parse<T>(schema: z.ZodType<T>, {server, data, error}: SystemReply, what: string): T {
  if (error !== undefined)
    throw new ServerError(`Server '${server.name}' does not answer ${what}: ${error.description}.`)
  const result = schema.safeParse(data ?? {})
  if (result.success) return result.data
  const path = result.error.issues[0]?.path.join('.') ?? ''
  throw new ServerError(`The ${what} of server '${server.name}' fits no known form: '${path}'.`)
}
