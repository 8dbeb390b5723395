import type {Answer, Found} from './report.js'
import {momentOf} from './text.js'
import type {ToldUser, TokenFacts} from './user.js'

const dayMs = 86_400_000

export interface IdentityQuestion {
  readonly told: ToldUser | undefined
  readonly token: TokenFacts | undefined
  /** In milliseconds since the epoch, by the server's clock where it is known. */
  readonly now: number
}

/** Who we are there, and for how long. */
export function checkIdentity({told, token, now}: IdentityQuestion): Found {
  const account = told?.account ?? token?.account
  const accountName = told?.accountName === account ? undefined : told?.accountName
  const {id} = told ?? {}
  const name = token?.name === id ? undefined : token?.name
  const {expires} = token ?? {}
  return {
    answers: [
      account === undefined
        ? {check: 'account', state: 'unknown', detail: 'the server does not tell it'}
        : {check: 'account', state: 'ok', detail: named(accountName, account)},
      judgeUser(told, id, name),
      judgeToken(token, now),
    ],
    facts: {
      user: {
        ...(id === undefined ? {} : {id}),
        ...(name === undefined ? {} : {name}),
        ...(account === undefined ? {} : {account}),
        ...(accountName === undefined ? {} : {accountName}),
        ...(expires === undefined ? {} : {tokenExpires: new Date(expires).toISOString()}),
        permissionsFrom: told !== undefined ? 'server' : token?.permissions !== undefined ? 'token' : 'nobody',
      },
    },
  }
}

function judgeUser(told: ToldUser | undefined, id: string | undefined, name: string | undefined): Answer {
  if (id !== undefined) return {check: 'user', state: 'ok', detail: named(name, id)}
  if (name !== undefined) return {check: 'user', state: 'ok', detail: `'${name}'`}
  return told === undefined
    ? {check: 'user', state: 'unknown', detail: 'the server does not tell it'}
    : {check: 'user', state: 'ok', detail: 'without a name'}
}

/** A token that lives long is worth a warning a week before its end, one that lives an hour is not. */
function judgeToken(token: TokenFacts | undefined, now: number): Answer {
  if (token === undefined) return {check: 'token', state: 'notNeeded', detail: 'the user has none, so none expires'}
  const {expires, issued} = token
  if (expires === undefined) return {check: 'token', state: 'ok', detail: 'it never expires'}
  const detail = `it expires ${momentOf(expires, now)}`
  const soonMs = Math.min(7 * dayMs, issued === undefined ? dayMs : (expires - issued) / 10)
  return expires - now < soonMs
    ? {check: 'token', state: 'warning', detail: `${detail}, soon`, fix: ['Issue a new token for the user in time.']}
    : {check: 'token', state: 'ok', detail}
}

function named(name: string | undefined, id: string): string {
  return name === undefined ? `'${id}'` : `'${name}' (${id})`
}
