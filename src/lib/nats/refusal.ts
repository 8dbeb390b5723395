import type {Authenticator} from '@nats-io/transport-node'

import {accountOfUser, decodeToken, type JsonObject} from '../keys/token.js'
import {reason, type ConnectReason} from './connect-reason.js'
import {judgeUser, type RefusedUser} from './judge-user.js'
import {parseReply} from './request.js'
import type {ConnectSpec} from './spec.js'
import type {SystemClient} from './system.js'

/** A login that a server refused. */
export interface Refusal {
  readonly spec: ConnectSpec
  readonly login: Authenticator | undefined
  /** False when the server sent nothing to sign, so that it knows no keys. */
  readonly challenges: boolean
  /** Longest wait for what the system account knows; 0 asks nobody. */
  readonly timeoutMs: number
}

/** Why a server refused a login; asks the system account about a user's token, when the spec has credentials for it. */
export async function explainRefusal({spec, login, challenges, timeoutMs}: Refusal): Promise<ConnectReason> {
  const shown = shownBy(login)
  if (shown.user !== undefined) {
    return reason('wrong-password', `the server does not know the user '${shown.user}' with this password`)
  }
  if (shown.auth_token !== undefined) return reason('wrong-token', 'the server does not know the token')
  if (shown.jwt === undefined && shown.nkey === undefined) {
    return reason(
      'no-credentials',
      'the server wants credentials and none were given',
      '--creds FILE',
      '--context NAME',
      'lattice context ls',
    )
  }
  if (!challenges) {
    return reason('no-operator', 'the server knows no keys of users, only passwords and tokens', 'lattice context ls')
  }
  if (shown.jwt === undefined) {
    return reason('nkey-unknown', `the server does not know the nkey '${shown.nkey ?? ''}'`)
  }
  const user = payloadOf(shown.jwt)
  if (user === undefined) return reason('user-refused', 'the server refused the token of the user, which is no token')
  const known = timeoutMs > 0 ? await askSystem(spec, user, timeoutMs).catch(() => ({})) : {}
  return judgeUser({user, now: Date.now(), ...known})
}

/** What goes to the server with the login, but for what it proves. */
function shownBy(
  login: Authenticator | undefined,
): Readonly<Partial<Record<'user' | 'auth_token' | 'jwt' | 'nkey', string>>> {
  return {...(login?.('') as Record<string, string> | undefined)}
}

async function askSystem(
  spec: ConnectSpec,
  user: JsonObject,
  timeoutMs: number,
): Promise<Pick<RefusedUser, 'serverNow' | 'account'>> {
  const {hasSystemCredentials, SystemClient} = await import('./system.js')
  if (!hasSystemCredentials(spec)) return {}
  await using system = await SystemClient.open({...spec, timeoutMs, connectTimeoutMs: timeoutMs})
  const [ping] = await system.request('$SYS.REQ.SERVER.PING', '', {expect: 1})
  const account = accountOfUser(user)
  const time = ping === undefined ? undefined : (parseReply(ping.string(), ping.subject) as Ping).server?.time
  return {
    serverNow: time === undefined ? undefined : Date.parse(time),
    account: account === undefined ? undefined : await readAccount(system, account),
  }
}

/** Servers that keep no tokens of their own are asked for the account as they have it in use. */
async function readAccount(system: SystemClient, id: string): Promise<RefusedUser['account']> {
  const [stored] = await system.request(`$SYS.REQ.ACCOUNT.${id}.CLAIMS.LOOKUP`, '', {expect: 1})
  if (stored !== undefined) return payloadOf(stored.string()) ?? 'missing'
  const [used] = await system.ask('ACCOUNTZ', {account: id}, {expect: 1})
  if (used?.error !== undefined) return used.error.description.includes('does not exist') ? 'missing' : undefined
  const {account_detail: detail} = (used?.data ?? {}) as {account_detail?: {jwt?: string}}
  return detail?.jwt === undefined ? undefined : payloadOf(detail.jwt)
}

interface Ping {
  readonly server?: {readonly time?: string}
}

function payloadOf(token: string): JsonObject | undefined {
  try {
    return decodeToken(token).payload
  } catch {
    return undefined
  }
}
