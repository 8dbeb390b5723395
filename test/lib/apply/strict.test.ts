import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, expect, test} from 'vitest'

import {createKey, type SigningKey} from '../../../src/lib/keys/nkey.js'
import {createTemporaryUser, credsText} from '../../../src/lib/keys/operator.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {openDriver} from '../../support/jwt-driver.js'
import {createTestOperator, type TestOperator} from '../../support/nats-server.js'
import {changeToken} from '../../support/nsc-store.js'
import {startResolvers, type ResolverServers} from '../../support/resolver-servers.js'

/** Where only signing keys count, users too are made by a signing key of their account. */
function strictOperator(): TestOperator & {readonly plainCreds: string} {
  const operator = createTestOperator()
  const {keys, tokens, creds} = operator
  const [account, systemAccount] = [createKey('A'), createKey('A')]
  const strict = changeToken(tokens.operator, keys.operator, {strict_signing_key_usage: true})
  const withKey = (token: string, key: SigningKey): string =>
    changeToken(token, keys.operatorSigning, {signing_keys: [key.publicKey]})
  return {
    ...operator,
    plainCreds: creds,
    tokens: {
      ...tokens,
      operator: strict,
      account: withKey(tokens.account, account),
      systemAccount: withKey(tokens.systemAccount, systemAccount),
    },
    creds: userOf(account, keys.account.publicKey),
    sysCreds: userOf(systemAccount, keys.systemAccount.publicKey),
  }
}

function userOf(key: SigningKey, account: string): string {
  const issuedAt = Math.floor(Date.now() / 1000)
  const {jwt, seed} = createTemporaryUser(key, {
    name: 'user',
    account,
    issuedAt,
    expires: issuedAt + 600,
    publish: ['>'],
    subscribe: ['>'],
  })
  return credsText(jwt, seed)
}

const operator = strictOperator()
let started: ResolverServers
beforeAll(async () => {
  started = await startResolvers(['full', 'memory'], {operator})
})
afterAll(async () => {
  await started[Symbol.asyncDispose]()
})

const change = [{source: 'orders', destinations: [{subject: 'v1.orders', weight: 100}]}]

test('an operator that lets only signing keys sign takes a route by one', async () => {
  await using user = await openConnection(started.spec()).then((connection) => ({
    [Symbol.asyncDispose]: () => connection.close(),
  }))
  expect(user).toBeDefined()
  await using opened = await openDriver(started.spec(), started.account)
  const applied = await opened.driver.apply(change)
  const {outcomes} = await applied.verify(2000)
  expect(outcomes.map(({outcome}) => outcome)).toEqual(['applied', 'applied'])
  expect((await opened.driver.read()).token.issuer).toBe(operator.keys.operatorSigning.publicKey)
})

test('its identity key is refused before anything is pushed', async () => {
  await using before = await openDriver(started.spec(), started.account)
  const operatorKeyFile = join(started.folder, 'identity')
  await writeFile(operatorKeyFile, operator.keys.operator.seed)
  await expect(openDriver({...started.spec(), operatorKeyFile}, started.account)).rejects.toMatchObject({
    kind: 'connection',
    message: expect.stringContaining(
      'lets only its signing keys issue accounts, and this is its identity key',
    ) as string,
    suggestions: [expect.stringContaining('with a signing key of the operator') as string],
  })
  expect((await before.driver.read()).token.text).toBe(before.view.token.text)
})

test('the servers refuse users of the account key itself', async () => {
  const file = join(started.folder, 'plain.creds')
  await writeFile(file, operator.plainCreds)
  await expect(openConnection({...started.spec(), credentials: {kind: 'creds', file}})).rejects.toMatchObject({
    kind: 'connection',
  })
})
