import {randomUUID} from 'node:crypto'

import type {NatsConnection} from '@nats-io/transport-node'

import {createKey} from '../../src/lib/keys/nkey.js'
import {encodeToken, type JsonObject} from '../../src/lib/keys/token.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {SystemClient} from '../../src/lib/nats/system.js'
import type {OperatorServer} from './nats-server.js'
import {writeUser} from './users.js'

/** Another account that calls a service of the server's own one, with somebody connected. */
export interface ImportingAccount extends AsyncDisposable {
  readonly name: string
  readonly connection: NatsConnection
}

export interface Imported {
  /** As the server's own account exports it. */
  readonly subject: string
  /** As it is called here. */
  readonly local: string
  readonly mappings?: JsonObject
}

export async function importingAccount(
  server: OperatorServer,
  {subject, local, mappings = {}}: Imported,
): Promise<ImportingAccount> {
  const [account, name] = [createKey('A'), `FAR-${randomUUID().slice(0, 8)}`]
  const nats: JsonObject = {
    limits: {subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1},
    imports: [{name: subject, subject, account: server.account.publicKey, local_subject: local, type: 'service'}],
    mappings,
    default_permissions: {pub: {}, sub: {}},
    type: 'account',
    version: 2,
  }
  const {publicKey: sub} = account
  const iat = Math.floor(Date.now() / 1000)
  const claims = {jti: randomUUID(), iat, iss: server.operatorSigning.publicKey, name, sub, nats}
  const token = encodeToken({typ: 'JWT', alg: 'ed25519-nkey'}, claims, server.operatorSigning)
  await using system = await SystemClient.open(server.spec())
  const [reply] = await system.request('$SYS.REQ.CLAIMS.UPDATE', token, {expect: 1})
  if (!reply!.string().includes('"code":200')) throw new Error(reply!.string())
  const file = await writeUser(server.dir, account)
  const spec = server.spec()
  const connection = await openConnection({
    ...spec,
    credentials: {kind: 'creds', file},
  })
  return {name, connection, [Symbol.asyncDispose]: () => connection.close()}
}
