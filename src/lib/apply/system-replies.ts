import type {Msg} from '@nats-io/transport-node'
import {z} from 'zod'

import {ServerError} from '../errors.js'
import {parseReply} from '../nats/request.js'
import type {SystemReply} from '../nats/system.js'
import type {TrustedOperator} from '../routing/trust.js'

const destinationSchema = z.object({
  subject: z.string(),
  weight: z.number().default(0),
  cluster: z
    .string()
    .optional()
    .transform((cluster) => (cluster === '' ? undefined : cluster)),
})

const accountSchema = z.object({
  account_detail: z.object({
    expired: z.boolean().default(false),
    jwt: z.string().default(''),
    mappings: z.record(z.string(), z.array(destinationSchema)).nullish(),
  }),
})

/** What ACCOUNTZ says of an account; the table is still in its cumulative form. */
export interface LoadedAccount {
  readonly token: string
  readonly expired: boolean
  readonly mappings: Readonly<Record<string, readonly {subject: string; weight: number; cluster?: string}[]>>
}

/** Reads an ACCOUNTZ reply; undefined when the account is not loaded there, which is normal on clusters. */
export function readAccountReply({server, data, error}: SystemReply): LoadedAccount | undefined {
  if (error !== undefined) {
    if (error.description.includes('does not exist')) return undefined
    throw new ServerError(`Server '${server.name}' does not show the account: ${error.description}.`)
  }
  const {jwt, expired, mappings} = parse(accountSchema, data, `ACCOUNTZ of server '${server.name}'`).account_detail
  const entries = Object.entries(mappings ?? {}).map(
    ([source, list]) =>
      [source, list.map(({cluster, ...rest}) => ({...rest, ...(cluster === undefined ? {} : {cluster})}))] as const,
  )
  return {token: jwt, expired, mappings: Object.fromEntries(entries)}
}

const varzSchema = z.object({
  now: z.string().optional(),
  trusted_operators_claim: z
    .array(
      z.object({
        sub: z.string(),
        name: z.string().optional(),
        nats: z
          .object({
            signing_keys: z.array(z.string()).nullish(),
            strict_signing_key_usage: z.boolean().nullish(),
          })
          .default({}),
      }),
    )
    .nullish(),
})

/** What VARZ says about time and trust. */
export interface ServerFacts {
  /** Milliseconds since the epoch by the server's clock. */
  readonly now: number | undefined
  /** Empty where the configuration holds bare trusted keys, which VARZ does not show. */
  readonly operators: readonly TrustedOperator[]
}

/** Reads a VARZ reply. */
export function readVarzReply({server, data, error}: SystemReply): ServerFacts {
  if (error !== undefined) throw new ServerError(`Server '${server.name}' does not answer VARZ: ${error.description}.`)
  const {now, trusted_operators_claim: claims} = parse(varzSchema, data, `VARZ of server '${server.name}'`)
  const time = Date.parse(now ?? '')
  return {
    now: Number.isNaN(time) ? undefined : time,
    operators: (claims ?? []).map(({sub, name, nats}) => ({
      key: sub,
      ...(name === undefined ? {} : {name}),
      signingKeys: nats.signing_keys ?? [],
      strict: nats.strict_signing_key_usage ?? false,
    })),
  }
}

const neighboursSchema = z.object({
  routes: z.array(z.object({remote_id: z.string(), remote_name: z.string().optional()})).nullish(),
  outbound_gateways: z
    .record(z.string(), z.object({connection: z.object({name: z.string().optional()}).nullish()}))
    .nullish(),
})

/** The servers that one server is connected to, from its ROUTEZ or GATEWAYZ reply; a gateway tells the id only. */
export function readNeighbours({data}: SystemReply): {readonly id: string; readonly name: string}[] {
  const {routes, outbound_gateways: gateways} = neighboursSchema.safeParse(data).data ?? {}
  return [
    ...(routes ?? []).map(({remote_id: id, remote_name: name}) => ({id, name: name ?? id})),
    ...Object.values(gateways ?? {}).flatMap(({connection}) =>
      connection?.name === undefined ? [] : [{id: connection.name, name: connection.name}],
    ),
  ]
}

const pushSchema = z.object({
  server: z.object({id: z.string(), name: z.string()}),
  data: z.object({code: z.number(), message: z.string().default('')}).optional(),
  error: z.object({code: z.number().default(500), description: z.string().default('')}).optional(),
})

/** One server's answer to a pushed token. A 200 does not prove that it is live. */
export interface PushReply {
  readonly server: {readonly id: string; readonly name: string}
  readonly accepted: boolean
  readonly message: string
}

/** Reads an answer to `$SYS.REQ.CLAIMS.UPDATE`. */
export function readPushReply(message: Msg, subject: string): PushReply {
  const {server, data, error} = parse(pushSchema, parseReply(message.string(), subject), 'answer to the push')
  return {
    server,
    accepted: error === undefined && data?.code === 200,
    message: error?.description ?? data?.message ?? '',
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const path = result.error.issues[0]?.path.join('.') ?? ''
  throw new ServerError(`The ${what} fits no known form: '${path}'.`)
}
