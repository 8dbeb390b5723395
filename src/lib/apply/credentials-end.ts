import {z} from 'zod'

import {decodeToken} from '../keys/token.js'
import {userToken} from '../nats/creds.js'
import type {ConnectSpec} from '../nats/spec.js'
import {hasSystemCredentials, type Monitoring} from '../nats/system.js'
import {systemSpec} from '../nats/system-user.js'
import type {AccountToken} from '../routing/account-jwt.js'

/** Something without which a change cannot be taken back, and when it ends. */
export interface CredentialsEnd {
  /** Such as `user` or `account token`. */
  readonly what: 'user' | 'system user' | 'account token' | 'operator token'
  /** In seconds since the epoch. */
  readonly at: number
}

/** What is open already, and need not be looked up again. */
export interface KnownCredentials {
  readonly token?: Pick<AccountToken, 'expires'>
  /** Tells when the operator's token ends. */
  readonly system?: Pick<Monitoring, 'ask'>
}

/**
 * The earliest end among user, system user, account token and operator token; undefined when none of them ends. A
 * system user that is made of a key is as old as this call.
 */
export async function credentialsEnd(
  spec: ConnectSpec,
  {token, system}: KnownCredentials = {},
): Promise<CredentialsEnd | undefined> {
  const [user, systemUser, operator] = await Promise.all([
    endOfUser(spec),
    hasSystemCredentials(spec) ? systemSpec(spec).then((found) => endOfUser(found.spec)) : undefined,
    system === undefined ? undefined : endOfOperator(system),
  ])
  const ends = [
    {what: 'user', at: user},
    {what: 'system user', at: systemUser},
    {what: 'account token', at: token?.expires},
    {what: 'operator token', at: operator},
  ] as const
  return ends
    .flatMap(({what, at}) => (at === undefined ? [] : [{what, at}]))
    .reduce<CredentialsEnd | undefined>(
      (first, end) => (first === undefined || end.at < first.at ? end : first),
      undefined,
    )
}

async function endOfUser(spec: ConnectSpec): Promise<number | undefined> {
  const text = await userToken(spec)
  const end = text === undefined ? undefined : decodeToken(text).payload['exp']
  return typeof end === 'number' && end > 0 ? end : undefined
}

async function endOfOperator(system: Pick<Monitoring, 'ask'>): Promise<number | undefined> {
  const replies = await system.ask('VARZ')
  const ends = replies.flatMap(({data}) =>
    (varzSchema.safeParse(data).data?.trusted_operators_claim ?? []).flatMap(({exp}) => (exp > 0 ? [exp] : [])),
  )
  return ends.length === 0 ? undefined : Math.min(...ends)
}

const varzSchema = z.object({
  trusted_operators_claim: z.array(z.object({exp: z.number().default(0)})).nullish(),
})
