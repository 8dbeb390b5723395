import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {expect, test} from 'vitest'

import {createKey} from '../../../src/lib/keys/nkey.js'
import {createTemporaryUser, credsText} from '../../../src/lib/keys/operator.js'
import type {ConnectSpec} from '../../../src/lib/nats/spec.js'
import type {Session} from '../../../src/lib/routes/session.js'
import {readEndings} from '../../../src/lib/routes/strategies/credentials-end.js'
import {tempFolder} from '../../support/temp.js'

const account = createKey('A')
const issuedAt = Math.floor(Date.now() / 1000)

function user(seconds: number): {jwt: string; seed: string} {
  const allowed = {publish: ['>'], subscribe: ['>']}
  return createTemporaryUser(account, {
    name: 'u',
    account: account.publicKey,
    issuedAt,
    expires: issuedAt + seconds,
    ...allowed,
  })
}

function session(spec: Partial<ConnectSpec>, expires?: number): Pick<Session, 'deps' | 'view'> {
  const base = {servers: [], lattice: 'default', protected: false, timeoutMs: 1000, connectTimeoutMs: 1000}
  const view = {mappings: {}, servers: [], digest: '', ...(expires && {token: {expires}})}
  return {deps: {spec: {...base, ...spec}}, view} as unknown as Pick<Session, 'deps' | 'view'>
}

test('user, system user and account end, the earliest first', async () => {
  await using folder = await tempFolder()
  const sysCreds = join(folder.path, 'sys.creds')
  const system = user(100)
  await writeFile(sysCreds, credsText(system.jwt, system.seed))

  const endings = await readEndings(session({credentials: {kind: 'jwt', ...user(300)}, sysCreds}, issuedAt + 200))

  expect(endings).toEqual([
    {what: "The system user's token", at: (issuedAt + 100) * 1000},
    {what: "The account's token", at: (issuedAt + 200) * 1000},
    {what: "The user's token", at: (issuedAt + 300) * 1000},
  ])
})

test('what has no end, and a user that is made anew each time, are no reason', async () => {
  expect(
    await readEndings(session({credentials: {kind: 'user', user: 'a', password: 'b'}, sysAccountKeyFile: '/none'})),
  ).toEqual([])
})
