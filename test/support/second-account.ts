import {randomUUID} from 'node:crypto'

import {createKey, type SigningKey} from '../../src/lib/keys/nkey.js'
import {encodeToken, type JsonObject} from '../../src/lib/keys/token.js'
import {SystemClient} from '../../src/lib/nats/system.js'
import type {OperatorServer} from './nats-server.js'
import {changeAccount} from './users.js'

/** Pushes an account beside the server's own, which exports these services to everybody. */
export async function exportingAccount(server: OperatorServer, subjects: readonly string[]): Promise<SigningKey> {
  const account = createKey('A')
  const nats: JsonObject = {
    limits: {subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1},
    exports: subjects.map((subject) => ({name: subject, subject, type: 'service'})),
    default_permissions: {pub: {}, sub: {}},
    type: 'account',
    version: 2,
  }
  const {publicKey: sub} = account
  const iat = Math.floor(Date.now() / 1000)
  const claims = {jti: randomUUID(), iat, iss: server.operatorSigning.publicKey, name: 'FAR', sub, nats}
  const token = encodeToken({typ: 'JWT', alg: 'ed25519-nkey'}, claims, server.operatorSigning)
  await using system = await SystemClient.open(server.spec())
  const replies = await system.request('$SYS.REQ.CLAIMS.UPDATE', token, {expect: (await system.servers()).length})
  for (const reply of replies) if (!reply.string().includes('"code":200')) throw new Error(reply.string())
  return account
}

/** Lets the server's own account call those services by the same subjects. */
export function importServices(server: OperatorServer, from: SigningKey, subjects: readonly string[]): Promise<void> {
  const imports = subjects.map((subject) => ({name: subject, subject, account: from.publicKey, type: 'service'}))
  return changeAccount(server, {imports})
}
