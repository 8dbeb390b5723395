import {randomUUID} from 'node:crypto'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {createKey, type SigningKey} from '../../src/lib/keys/nkey.js'
import {credsText} from '../../src/lib/keys/operator.js'
import {decodeToken, encodeToken, type JsonObject} from '../../src/lib/keys/token.js'
import {SystemClient} from '../../src/lib/nats/system.js'
import type {OperatorServer} from './nats-server.js'

export interface UserOptions {
  readonly name?: string
  /** `{allow, deny}`, as tokens hold it. */
  readonly pub?: JsonObject
  readonly sub?: JsonObject
  readonly resp?: JsonObject
  /** In seconds since the epoch. */
  readonly issued?: number
  readonly expires?: number
  /** Key that signs, when it is not the account's own: its template says what the user may do. */
  readonly scope?: SigningKey
}

/** Writes the creds file of a new user of an account and returns its path. */
export async function writeUser(dir: string, account: SigningKey, options: UserOptions = {}): Promise<string> {
  const {name = 'user', pub = {}, sub = {}, resp, expires, scope} = options
  const user = createKey('U')
  const signer = scope ?? account
  const limits = scope === undefined ? {subs: -1, data: -1, payload: -1} : {}
  const token = encodeToken(
    header,
    {
      jti: randomUUID(),
      iat: options.issued ?? Math.floor(Date.now() / 1000),
      ...(expires === undefined ? {} : {exp: expires}),
      iss: signer.publicKey,
      name,
      sub: user.publicKey,
      nats: {
        pub,
        sub,
        ...(resp === undefined ? {} : {resp}),
        ...limits,
        ...(scope === undefined ? {} : {issuer_account: account.publicKey}),
        type: 'user',
        version: 2,
      },
    },
    signer,
  )
  const path = join(dir, `${randomUUID()}.creds`)
  await writeFile(path, credsText(token, user.seed), {mode: 0o600})
  return path
}

/** Pushes the account's token with other claims, as its operator would. */
export async function changeAccount(server: OperatorServer, nats: JsonObject): Promise<void> {
  await using system = await SystemClient.open(server.spec())
  const [stored] = await system.request(`$SYS.REQ.ACCOUNT.${server.account.publicKey}.CLAIMS.LOOKUP`, '', {expect: 1})
  const {payload} = decodeToken(stored!.string())
  const claims = {
    ...payload,
    jti: randomUUID(),
    iat: Math.max(Number(payload['iat']) + 1, Math.floor(Date.now() / 1000)),
    nats: {...(payload['nats'] as JsonObject), ...nats},
  }
  const token = encodeToken(header, claims, server.operatorSigning)
  const [reply] = await system.request('$SYS.REQ.CLAIMS.UPDATE', token, {expect: 1})
  if (!reply!.string().includes('"code":200')) throw new Error(`The server refused the token: ${reply!.string()}`)
}

const header = {typ: 'JWT', alg: 'ed25519-nkey'}
