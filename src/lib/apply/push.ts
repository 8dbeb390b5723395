import {ConflictError, ConnectionError} from '../errors.js'
import type {SigningKey} from '../keys/nkey.js'
import {MissingOperatorKeyError} from '../nats/operator-key.js'
import {RequestTimeoutError} from '../nats/request.js'
import {editToken, mostSecondsAhead, nextIssuedAt, readAccountToken, type AccountToken} from '../routing/account-jwt.js'
import {judgeTrust} from '../routing/trust.js'
import {readAccount, type AccountSource, type AccountView, type ServersFacts} from './account-state.js'
import type {ApplyOptions, TableChange} from './driver.js'
import {pushSubject} from './resolver-kind.js'
import {readPushReply, type PushReply} from './system-replies.js'

/** What signing and pushing need besides reading. */
export interface TokenSigner extends AccountSource {
  /** Undefined: changes can be planned and not made. */
  readonly key: SigningKey | undefined
  readonly facts: ServersFacts
  /** Longest wait for `iat` to come near the clock, in milliseconds. */
  readonly timeoutMs: number
  /** How far `iat` may run ahead of the clock, in seconds; default 30. More is for accounts that are thrown away. */
  readonly secondsAhead?: number
}

/** A signed token that changes some sources, not pushed yet. */
export interface PreparedChange {
  readonly before: AccountView
  readonly token: AccountToken
  readonly change: TableChange
}

/** A token that was pushed, with what every server said. */
export interface Receipt extends PreparedChange {
  readonly replies: readonly PushReply[]
  /** From sending to the last answer, in milliseconds. */
  readonly pushMs: number
  /** When the last server confirmed, in milliseconds since the epoch by our clock. */
  readonly confirmedAt: number
}

/**
 * Throws an UntrustedKeyError unless every server trusts our key, where there is one, for this account, and an
 * ExpiredTokenError when nobody may use the account any more. It runs before each push, because an untrusted token is
 * answered 200, stored, and locks the account out.
 */
export function checkTrust({key, facts, clock}: TokenSigner, {token, servers}: AccountView): void {
  if (token.expires !== undefined && token.expires * 1000 <= clock.now() + facts.clockOffsetMs) {
    throw new ExpiredTokenError(token.account, token.expires)
  }
  if (key === undefined) return
  if (!token.signed) throw new UntrustedKeyError(key.publicKey, 'the signature of the present token is wrong')
  const liveOn = servers.flatMap(({server, live}) => (live?.token === token.text ? [server.name] : []))
  const question = {signer: key.publicKey, issuer: token.issuer, liveOn, servers: facts.trust}
  const verdict = judgeTrust(question)
  if (verdict.kind === 'untrusted') throw new UntrustedKeyError(key.publicKey, verdict.reason)
}

/**
 * Looks the token up again, lets `inspect` judge it, and signs it with those sources changed; nothing is sent. Waits where
 * `iat` would run too far ahead. Throws an UntrustedKeyError, a TokensDifferError, a TokenAheadError or what `inspect` throws.
 */
export async function prepareChange(
  driver: TokenSigner,
  change: TableChange,
  {inspect, ...options}: ApplyOptions = {},
): Promise<PreparedChange> {
  let before = await readAccount(driver, options)
  const {waitMs} = issue(driver, before.token)
  if (waitMs > 0) {
    if (waitMs > driver.timeoutMs) throw new TokenAheadError(before.token, waitMs)
    await driver.clock.sleep(waitMs)
    before = await readAccount(driver, options)
  }
  if (driver.key === undefined) throw new MissingOperatorKeyError({})
  checkTrust(driver, before)
  inspect?.(before)
  const {issuedAt} = issue(driver, before.token)
  const token = readAccountToken(editToken(before.token, {change, issuedAt}, driver.key))
  return {before, token, change}
}

/** Pushes a prepared token to every server. Nothing is live for sure until verifyPush said so; an error here leaves it unknown. */
export async function sendChange(signer: TokenSigner, prepared: PreparedChange): Promise<Receipt> {
  const {system, clock, account, resolvers} = signer
  const updateSubject = pushSubject(resolvers, account)
  const expect = (await system.servers()).length
  const sentAt = clock.now()
  const started = performance.now()
  const messages = await system.request(updateSubject, prepared.token.text, {expect})
  const pushMs = performance.now() - started
  if (messages.length === 0) throw new RequestTimeoutError(updateSubject, Math.round(pushMs))
  const replies = messages.map((message) => readPushReply(message, updateSubject))
  return {...prepared, replies, pushMs: Math.round(pushMs * 10) / 10, confirmedAt: Math.round(sentAt + pushMs)}
}

function issue(
  {clock, facts, secondsAhead = mostSecondsAhead}: TokenSigner,
  {issuedAt}: AccountToken,
): ReturnType<typeof nextIssuedAt> {
  return nextIssuedAt(issuedAt, clock.now() + facts.clockOffsetMs, secondsAhead)
}

/** The servers would store our token and then refuse everyone who uses the account. */
export class UntrustedKeyError extends ConnectionError {
  constructor(signer: string, reason: string) {
    super(`The operator key '${signer}' cannot sign for this account: ${reason}.`, {
      suggestions: ['--operator-seed-file FILE (or LATTICE_OPERATOR_SEED_FILE) with a signing key of the operator'],
      details: {signer},
    })
  }
}

/** The account's token is past its end: servers would store a new one of the same end and let nobody in. */
export class ExpiredTokenError extends ConnectionError {
  constructor(account: string, expires: number) {
    super(`The token of account '${account}' expired at ${new Date(expires * 1000).toISOString()}.`, {
      suggestions: ['Let the operator issue a new token for the account.'],
      details: {account, expires: new Date(expires * 1000).toISOString()},
    })
  }
}

/** Somebody issued tokens into the future; going on would let a later push of others lose against ours. */
export class TokenAheadError extends ConflictError {
  constructor({account, issuedAt}: AccountToken, waitMs: number) {
    super(
      `The token of account '${account}' is issued ${Math.ceil(waitMs / 1000) + mostSecondsAhead} s ahead of the clock, and nothing was changed.`,
      {
        suggestions: [`--timeout ${Math.ceil(waitMs / 1000) + 5}s`],
        details: {account, issuedAt: new Date(issuedAt * 1000).toISOString(), waitMs},
      },
    )
  }
}
