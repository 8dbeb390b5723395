import {accountOfUser, type JsonObject} from '../keys/token.js'
import {instant, reason, type ConnectReason} from './connect-reason.js'

/** What is known about a user that servers refuse; times in milliseconds. */
export interface RefusedUser {
  /** Payload of the user's token. */
  readonly user: JsonObject
  readonly now: number
  /** The servers' own clock, when somebody could ask them. */
  readonly serverNow?: number | undefined
  /** Payload of the token that the servers have for the account; `missing` when they have none. Undefined: unknown. */
  readonly account?: JsonObject | 'missing' | undefined
}

/** Why servers refuse a user, as far as tokens and clocks tell; the servers themselves never say. */
export function judgeUser({user, now, serverNow, account}: RefusedUser): ConnectReason {
  const name = `user '${nameOf(user)}'`
  return (
    judgeTimes(user, {name, now, serverNow}) ??
    judgeAccount(user, {name, now: serverNow ?? now, account}) ??
    (account === undefined
      ? reason(
          'user-refused',
          `the server refused the ${name} of account '${accountOfUser(user) ?? ''}', which may be revoked, unknown or of another operator`,
          'With --sys-creds FILE or --sys-context NAME the reason can be told.',
        )
      : reason(
          'user-refused',
          `the server refused the ${name} of account '${accountOfUser(user) ?? ''}', though its token is in order`,
          'Was the creds file mixed from two users?',
        ))
  )
}

interface Clocks {
  readonly name: string
  readonly now: number
  readonly serverNow?: number | undefined
}

function judgeTimes(user: JsonObject, {name, now, serverNow}: Clocks): ConnectReason | undefined {
  const [expires, from] = [timeOf(user, 'exp'), timeOf(user, 'nbf')]
  const time = serverNow ?? now
  const clocks =
    serverNow === undefined
      ? `it is ${instant(now)} here`
      : `it is ${instant(serverNow)} at the server and ${instant(now)} here`
  // Also what is wrong only by our clock is worth saying, while nothing is known of the servers'.
  if (expires !== undefined && expires <= time) {
    return reason(
      'user-expired',
      `the token of ${name} expired at ${instant(expires)}, and ${clocks}`,
      'nsc generate creds',
    )
  }
  if (from !== undefined && from > time) {
    return reason(
      'user-not-yet-valid',
      `the token of ${name} is valid only from ${instant(from)}, and ${clocks}`,
      'Are the clocks of this machine, of the server and of whoever made the token right?',
    )
  }
  return undefined
}

function judgeAccount(
  user: JsonObject,
  {name, now, account}: {name: string; now: number; account: RefusedUser['account']},
): ConnectReason | undefined {
  if (account === undefined) return undefined
  const id = accountOfUser(user) ?? ''
  if (account === 'missing') {
    return reason('account-unknown', `the servers do not know account '${id}' of ${name}`, 'nsc push -a ACCOUNT')
  }
  const expires = timeOf(account, 'exp')
  if (expires !== undefined && expires <= now) {
    return reason('account-expired', `account '${id}' of ${name} expired at ${instant(expires)}`, 'nsc push -a ACCOUNT')
  }
  const body = objectOf(account['nats'])
  const revoked = revocationOf(user, objectOf(body['revocations']))
  if (revoked !== undefined) {
    return reason(
      'user-revoked',
      `the ${name} of account '${id}' was revoked at ${instant(revoked)}`,
      'nsc generate creds',
    )
  }
  const issuer = String(user['iss'])
  if (issuer !== id && !signersOf(body['signing_keys']).includes(issuer)) {
    return reason(
      'user-signer-unknown',
      `the token of ${name} is signed by '${issuer}', which is no signing key of account '${id}' any more`,
      'nsc generate creds',
    )
  }
  return undefined
}

/** Tokens issued until then are void: those of one user, or of all. */
function revocationOf(user: JsonObject, revocations: JsonObject): number | undefined {
  const issued = timeOf(user, 'iat') ?? 0
  const times = [revocations[String(user['sub'])], revocations['*']]
  return times.flatMap((time) => (Number(time) * 1000 >= issued ? [Number(time) * 1000] : [])).at(0)
}

/** Keys that may sign users, plain or with a role. */
function signersOf(keys: unknown): string[] {
  if (!Array.isArray(keys)) return []
  return keys.map((entry: unknown) => (typeof entry === 'string' ? entry : String(objectOf(entry)['key'])))
}

function nameOf(user: JsonObject): string {
  return typeof user['name'] === 'string' && user['name'] !== '' ? user['name'] : String(user['sub'])
}

function timeOf(token: JsonObject, claim: 'exp' | 'nbf' | 'iat'): number | undefined {
  const seconds = Number(token[claim])
  return seconds > 0 ? seconds * 1000 : undefined
}

function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null ? (value as JsonObject) : {}
}
