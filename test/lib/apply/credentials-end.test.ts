import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, expect, test} from 'vitest'

import {credentialsEnd} from '../../../src/lib/apply/credentials-end.js'
import {decodeToken, encodeToken} from '../../../src/lib/keys/token.js'
import type {ConnectSpec} from '../../../src/lib/nats/spec.js'
import {SystemClient} from '../../../src/lib/nats/system.js'
import {createTestOperator, type TestOperator} from '../../support/nats-server.js'
import {startResolvers, type ResolverServers} from '../../support/resolver-servers.js'
import {writeUser} from '../../support/users.js'

const now = Math.floor(Date.now() / 1000)
const operatorEnd = now + 9000

function endingOperator(): TestOperator {
  const operator = createTestOperator()
  const {header, payload} = decodeToken(operator.tokens.operator)
  const token = encodeToken(header, {...payload, exp: operatorEnd}, operator.keys.operator)
  return {...operator, tokens: {...operator.tokens, operator: token}}
}

let started: ResolverServers
beforeAll(async () => {
  started = await startResolvers(['memory'], {operator: endingOperator()})
})
afterAll(async () => {
  await started[Symbol.asyncDispose]()
})

async function specOf(ends: {user?: number; sys?: number}): Promise<ConnectSpec> {
  const {account, systemAccount} = started.operator.keys
  const {user, sys} = ends
  return {
    ...started.spec(),
    ...(user === undefined
      ? {}
      : {credentials: {kind: 'creds', file: await writeUser(started.folder, account, {expires: user})}}),
    ...(sys === undefined ? {} : {sysCreds: await writeUser(started.folder, systemAccount, {expires: sys})}),
  }
}

test('what never ends has no end', async () => {
  expect(await credentialsEnd(started.spec())).toBeUndefined()
  expect(await credentialsEnd(started.spec(), {token: {}})).toBeUndefined()
})

test.each([
  [{user: now + 60, sys: now + 90}, now + 100, {what: 'user', at: now + 60}],
  [{user: now + 60, sys: now + 30}, now + 100, {what: 'system user', at: now + 30}],
  [{user: now + 60, sys: now + 90}, now + 10, {what: 'account token', at: now + 10}],
] as const)('the first to end is told: %j, account %i', async (ends, expires, wanted) => {
  expect(await credentialsEnd(await specOf(ends), {token: {expires}})).toEqual(wanted)
})

test('the operator token is known to the servers', async () => {
  await using system = await SystemClient.open(started.spec())
  expect(await credentialsEnd(started.spec(), {system})).toEqual({what: 'operator token', at: operatorEnd})
})

test('a system user that is made of a key ends within the hour', async () => {
  const {sysCreds: _, ...spec} = started.spec()
  const sysAccountKeyFile = join(started.folder, 'sys.seed')
  await writeFile(sysAccountKeyFile, started.operator.keys.systemAccount.seed)
  const end = await credentialsEnd({...spec, sysAccountKeyFile})
  expect(end?.what).toBe('system user')
  expect(end!.at - now).toBeGreaterThanOrEqual(3600)
  expect(end!.at - now).toBeLessThan(3700)
})
