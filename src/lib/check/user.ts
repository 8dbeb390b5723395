import type {NatsConnection} from '@nats-io/transport-node'
import {z} from 'zod'

import {LatticeError} from '../errors.js'
import {decodeToken} from '../keys/token.js'
import {requestOwnServer} from '../nats/request-own.js'
import {permissionsOf, type Permissions} from './permissions.js'

/** What the server tells a user about itself (2.10 and later). */
export interface ToldUser {
  readonly id?: string
  readonly account?: string
  readonly accountName?: string
  readonly permissions: Permissions
  /** Of the server's clock, in milliseconds since the epoch. */
  readonly now?: number
}

/** What the user's token says about it, before its account is looked at. */
export interface TokenFacts {
  readonly name?: string
  readonly account?: string
  /** In milliseconds since the epoch. */
  readonly issued?: number
  readonly expires?: number
  /** The key that signed the token, where the permissions are that key's and only the account's token says them. */
  readonly scopedBy?: string
  /** Undefined where the account may have permissions for all of its users. */
  readonly permissions?: Permissions
}

/** Subject on which a server tells a user about itself. */
export const userInfoSubject = '$SYS.REQ.USER.INFO'

const listSchema = z.array(z.string()).nullish()
const grantSchema = z.object({allow: listSchema, deny: listSchema}).nullish()
const infoSchema = z.object({
  server: z.object({time: z.string().optional()}).default({}),
  data: z.object({
    user: z.string().optional(),
    account: z.string().optional(),
    account_name: z.string().optional(),
    permissions: z
      .object({publish: grantSchema, subscribe: grantSchema, responses: z.looseObject({}).nullish()})
      .nullish(),
  }),
})

/** Asks the server who we are and what we may do; undefined when it does not tell: it is too old, or we may not ask. */
export async function askUser(nc: NatsConnection, timeoutMs: number): Promise<ToldUser | undefined> {
  try {
    const {server, data} = infoSchema.parse(await requestOwnServer(nc, userInfoSubject, timeoutMs))
    const {user: id, account, account_name: accountName, permissions} = data
    const now = Date.parse(server.time ?? '')
    return {
      ...(id && {id}),
      ...(account && {account}),
      ...(accountName && {accountName}),
      ...(Number.isNaN(now) ? {} : {now}),
      permissions: permissionsOf(permissions),
    }
  } catch (error) {
    if (error instanceof LatticeError || error instanceof z.ZodError) return undefined
    throw error
  }
}

const tokenSchema = z.object({
  name: z.string().optional(),
  iss: z.string().optional(),
  iat: z.number().optional(),
  exp: z.number().optional(),
  nats: z
    .looseObject({
      pub: grantSchema,
      sub: grantSchema,
      resp: z.looseObject({}).nullish(),
      subs: z.number().default(0),
      data: z.number().default(0),
      payload: z.number().default(0),
      issuer_account: z.string().optional(),
    })
    .optional(),
})

/** Reads a user's token; undefined without one, or when it is none. */
export function readUserToken(token: string | undefined): TokenFacts | undefined {
  if (token === undefined) return undefined
  try {
    const {name, iss, iat, exp, nats} = tokenSchema.parse(decodeToken(token).payload)
    const granted = nats !== undefined && (isSet(nats.pub) || isSet(nats.sub) || Boolean(nats.resp))
    const account = nats?.issuer_account || iss
    // The server asks the same: no permissions, and limits that would let it do nothing at all.
    const limitless = nats === undefined || (nats.subs === 0 && nats.data === 0 && nats.payload === 0)
    return {
      ...(name && {name}),
      ...(account && {account}),
      ...(iat !== undefined && {issued: iat * 1000}),
      ...(exp !== undefined && exp > 0 && {expires: exp * 1000}),
      ...(!granted && limitless && nats?.issuer_account && iss ? {scopedBy: iss} : {}),
      ...(granted && {permissions: permissionsOf({publish: nats.pub, subscribe: nats.sub, responses: nats.resp})}),
    }
  } catch (error) {
    if (error instanceof LatticeError || error instanceof z.ZodError) return undefined
    throw error
  }
}

function isSet(grant: z.infer<typeof grantSchema>): boolean {
  return (grant?.allow?.length ?? 0) + (grant?.deny?.length ?? 0) > 0
}
