import {createHash} from 'node:crypto'

import {createKey, type SigningKey} from './nkey.js'
import {encodeToken, formatLossless, type JsonObject} from './token.js'

/** The keys of one operator with its system account and one account that lattices live in. */
export interface OperatorKeys {
  /** Identity of the operator: signs only the operator's own token. */
  readonly operator: SigningKey
  /** Signs accounts; this is the key that route changes need. */
  readonly operatorSigning: SigningKey
  readonly systemAccount: SigningKey
  readonly account: SigningKey
}

/** What the tokens of one operator say besides keys. */
export interface OperatorNames {
  readonly operator: string
  readonly account: string
}

/** The signed tokens that a server in operator mode needs. */
export interface OperatorTokens {
  readonly operator: string
  readonly systemAccount: string
  readonly account: string
}

/** Makes new keys for an operator, its system account and one account. */
export function createOperatorKeys(): OperatorKeys {
  return {
    operator: createKey('O'),
    operatorSigning: createKey('O'),
    systemAccount: createKey('A'),
    account: createKey('A'),
  }
}

/** Signs the operator token and both account tokens; `issuedAt` is in seconds since the epoch. */
export function operatorTokens(keys: OperatorKeys, names: OperatorNames, issuedAt: number): OperatorTokens {
  const {operator, operatorSigning, systemAccount, account} = keys
  return {
    operator: sign(
      operator,
      {name: names.operator, sub: operator.publicKey, iat: issuedAt},
      {
        signing_keys: [operatorSigning.publicKey],
        system_account: systemAccount.publicKey,
        type: 'operator',
      },
    ),
    systemAccount: sign(
      operatorSigning,
      {name: 'SYS', sub: systemAccount.publicKey, iat: issuedAt},
      accountBody({...openLimits}),
    ),
    account: sign(
      operatorSigning,
      {name: names.account, sub: account.publicKey, iat: issuedAt},
      accountBody({...openLimits, ...openJetStream}),
    ),
  }
}

/** A user of an account: its token and its seed, both in the text of the creds file. */
export interface UserCredentials {
  readonly user: string
  /** The whole creds file; a secret. */
  readonly creds: string
}

/** Makes a user that may do everything in the account; `issuedAt` is in seconds since the epoch. */
export function createUser(account: SigningKey, name: string, issuedAt: number): UserCredentials {
  const user = createKey('U')
  const token = sign(
    account,
    {name, sub: user.publicKey, iat: issuedAt},
    {pub: {}, sub: {}, subs: -1, data: -1, payload: -1, type: 'user'},
  )
  return {user: user.publicKey, creds: credsText(token, user.seed)}
}

/** What a temporary user may do, and for how long. */
export interface TemporaryUser {
  readonly name: string
  /** The account `A…`, where the key is only a signing key of it. */
  readonly account: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  readonly expires: number
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/** Makes a user that may do little, for a short time: its token and its seed, the latter a secret. */
export function createTemporaryUser(key: SigningKey, wanted: TemporaryUser): {jwt: string; seed: string} {
  const {name, account, issuedAt, expires, publish, subscribe} = wanted
  const user = createKey('U')
  const jwt = sign(
    key,
    {name, sub: user.publicKey, iat: issuedAt, exp: expires},
    {
      pub: {allow: publish},
      sub: {allow: subscribe},
      subs: -1,
      data: -1,
      payload: -1,
      ...(account === key.publicKey ? {} : {issuer_account: account}),
      type: 'user',
    },
  )
  return {jwt, seed: user.seed}
}

/** The text of a creds file, as the NATS tools read it. */
export function credsText(token: string, seed: string): string {
  return `-----BEGIN NATS USER JWT-----
${token}
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.
NKEYs are sensitive and should be treated as secrets.

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------

*************************************************************
`
}

/** A limit that is left out is zero, so every one is written. */
const openLimits = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
}
const openJetStream = {mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1}

function accountBody(limits: JsonObject): JsonObject {
  return {limits, default_permissions: {pub: {}, sub: {}}, authorization: {}, type: 'account'}
}

const header = {typ: 'JWT', alg: 'ed25519-nkey'}

function sign(key: SigningKey, claims: JsonObject, body: JsonObject): string {
  const unnamed = {...claims, iss: key.publicKey, nats: {...body, version: 2}}
  // Servers skip a token whose `jti` they already have, so it must differ whenever anything else does.
  const jti = createHash('sha256').update(formatLossless(unnamed)).digest('base64url')
  return encodeToken(header, {jti, ...unnamed}, key)
}
