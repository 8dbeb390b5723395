import type {Msg, NatsConnection} from '@nats-io/transport-node'
import {z} from 'zod'

import {ConnectionError} from '../errors.js'
import {openConnection} from './connect.js'
import {parseReply, requestMany} from './request.js'
import type {ConnectSpec} from './spec.js'
import {systemSpec} from './system-user.js'

export interface ServerIdentity {
  readonly id: string
  readonly name: string
  readonly version: string
  readonly cluster?: string
}

export interface SystemReply {
  readonly server: ServerIdentity
  readonly data?: unknown
  readonly error?: {readonly code: number; readonly description: string}
}

const serverSchema = z
  .object({id: z.string(), name: z.string(), ver: z.string(), cluster: z.string().optional()})
  .transform(({ver, cluster, ...rest}): ServerIdentity => ({...rest, version: ver, ...(cluster ? {cluster} : {})}))

const replySchema = z.object({
  server: serverSchema,
  data: z.unknown().optional(),
  statsz: z.object({active_servers: z.number().optional(), gateways: z.array(z.unknown()).optional()}).optional(),
  error: z.object({code: z.number().default(500), description: z.string().default('')}).optional(),
})

const stallMs = 250
/** After the last server that the others told of. */
const completeMs = 100
/** While a server that the others told of is missing, which on a busy machine takes its time. */
const incompleteMs = 1000
/** How long a list of servers holds: longer than a change takes, shorter than anybody watches. */
const serversForMs = 10_000

/** Whatever asks servers about themselves: the system account, or their monitoring ports. */
export interface Monitoring {
  /** Longest wait for the answers of all servers, in milliseconds. */
  readonly timeoutMs: number
  servers: () => Promise<ServerIdentity[]>
  ask: (endpoint: string, body?: unknown, options?: {expect?: number}) => Promise<SystemReply[]>
}

/** A connection of the system account: asks every server and gathers their answers. */
export class SystemClient implements Monitoring, AsyncDisposable {
  readonly connection: NatsConnection
  /** Longest wait for the answers of all servers, in milliseconds. */
  readonly timeoutMs: number
  #servers: {readonly asked: number; readonly list: Promise<ServerIdentity[]>} | undefined

  private constructor(connection: NatsConnection, timeoutMs: number) {
    this.connection = connection
    this.timeoutMs = timeoutMs
  }

  /** Connects with the spec's system user; ConnectionError when there is no way to one or the server refuses it. */
  static async open(spec: ConnectSpec): Promise<SystemClient> {
    const {spec: wanted, hint} = await systemSpec(spec)
    try {
      return new SystemClient(await openConnection(wanted, {name: 'lattice system'}), spec.timeoutMs)
    } catch (error) {
      if (hint === undefined || !(error instanceof ConnectionError)) throw error
      const {message, suggestions, details} = error
      throw new ConnectionError(message, {suggestions: [...suggestions, hint], details, cause: error})
    }
  }

  /** All servers that answer a ping, sorted by name; asked again after a while, because servers come and go. */
  servers(): Promise<ServerIdentity[]> {
    const now = performance.now()
    if (this.#servers === undefined || now - this.#servers.asked > serversForMs) {
      this.#servers = {asked: now, list: this.#ping()}
    }
    return this.#servers.list
  }

  /** Asks one monitoring endpoint (`ACCOUNTZ`, `SUBSZ`, `VARZ` …) of every server; one reply a server. */
  async ask(endpoint: string, body?: unknown, {expect}: {expect?: number} = {}): Promise<SystemReply[]> {
    const subject = `$SYS.REQ.SERVER.PING.${endpoint}`
    const payload = body === undefined ? '' : JSON.stringify(body)
    const messages = await this.request(subject, payload, {expect: expect ?? (await this.servers()).length})
    return messages.map((message) => parseSystemReply(message, subject))
  }

  /** Any system request, raw replies gathered until `expect` are in or nothing more comes. */
  request(subject: string, payload: Uint8Array | string, {expect}: {expect?: number} = {}): Promise<Msg[]> {
    // With a known number the wait for a missing server is the whole timeout, so that a slow one is not called missing.
    return requestMany(this.connection, subject, payload, {
      timeoutMs: Math.min(this.timeoutMs, expect === undefined ? 2000 : 5000),
      ...(expect === undefined ? {stallMs} : {expect}),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close()
  }

  /** `active_servers` counts the cluster, and others behind gateways only later, so beyond one server a stall ends the wait. */
  async #ping(): Promise<ServerIdentity[]> {
    const subject = '$SYS.REQ.SERVER.PING'
    const parse = (message: Msg): z.infer<typeof replySchema> =>
      replySchema.parse(parseReply(message.string(), subject))
    const clustered = this.connection.info?.cluster !== undefined
    const timeoutMs = Math.min(this.timeoutMs, 2000)
    const started = performance.now()
    const wait = (replies: readonly Msg[]): number => {
      const told = replies.map((reply) => parse(reply).statsz)
      if (told.some((statsz) => replies.length < (statsz?.active_servers ?? 0))) return incompleteMs
      return told.some((statsz) => statsz?.gateways !== undefined) ? stallMs : completeMs
    }
    const messages = await requestMany(this.connection, subject, '', {
      timeoutMs,
      stallMs: wait,
      ...(clustered
        ? {}
        : {expect: (replies) => replies.length >= (parse(replies[0]!).statsz?.active_servers ?? Infinity)}),
    })
    // Users of other accounts are told at once that nobody listens.
    if (messages.length === 0 && performance.now() - started >= timeoutMs) {
      throw new ConnectionError(`No server answers the system account within ${timeoutMs} ms.`, {
        suggestions: ['Run the same command again.'],
      })
    }
    if (messages.length === 0) {
      throw new ConnectionError('The system credentials are not of the system account: no server answers a ping.', {
        suggestions: ['--sys-creds FILE or LATTICE_SYS_CREDS with a user of the system account'],
      })
    }
    return messages.map((message) => parse(message).server).sort((a, b) => (a.name < b.name ? -1 : 1))
  }
}

/** Parses the envelope of one server's reply; throws a ServerError when it is none. */
export function parseSystemReply(message: Msg, subject: string): SystemReply {
  const {server, data, error} = replySchema.parse(parseReply(message.string(), subject))
  return {server, ...(data === undefined ? {} : {data}), ...(error === undefined ? {} : {error})}
}

/** True when the spec names a way to the system account; whether it leads there is found out when it is opened. */
export function hasSystemCredentials({sysCreds, sysContext, sysAccountKeyFile, nscStore}: ConnectSpec): boolean {
  return [sysCreds, sysContext, sysAccountKeyFile, nscStore].some((way) => way !== undefined)
}
