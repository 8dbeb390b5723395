import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {createKey, type SigningKey} from '../../../src/lib/keys/nkey.js'
import {createOperatorKeys, createUser, credsText, operatorTokens} from '../../../src/lib/keys/operator.js'
import {encodeToken, type JsonObject} from '../../../src/lib/keys/token.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {judgeUser} from '../../../src/lib/nats/judge-user.js'
import {request} from '../../../src/lib/nats/request.js'
import type {ConnectSpec} from '../../../src/lib/nats/spec.js'
import {SystemClient} from '../../../src/lib/nats/system.js'
import {failureOf, specFor} from '../../support/failed-connection.js'
import {startNatsServer, startOperatorServer, type OperatorServer} from '../../support/nats-server.js'

const header = {typ: 'JWT', alg: 'ed25519-nkey'}
const now = Math.floor(Date.now() / 1000)
const open = {subs: -1, data: -1, payload: -1}

interface User {
  readonly key: SigningKey
  readonly spec: (more?: Partial<ConnectSpec>) => ConnectSpec
}

describe('users of an operator', () => {
  let server: OperatorServer
  beforeAll(async () => {
    server = await startOperatorServer()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  async function createUser(
    claims: JsonObject,
    {issuer = server.account, account}: {issuer?: SigningKey; account?: string} = {},
  ): Promise<User> {
    const key = createKey('U')
    const nats = {...open, type: 'user', version: 2, ...(account === undefined ? {} : {issuer_account: account})}
    const token = encodeToken(
      header,
      {name: 'ann', sub: key.publicKey, iss: issuer.publicKey, iat: now - 60, nats, ...claims},
      issuer,
    )
    const file = join(server.dir, `${key.publicKey}.creds`)
    await writeFile(file, credsText(token, key.seed), {mode: 0o600})
    // For an account that it does not know a server asks around for two seconds.
    const patient = {timeoutMs: 8000, connectTimeoutMs: 5000}
    return {key, spec: (more) => specFor(server.url, {credentials: {kind: 'creds', file}, ...patient, ...more})}
  }

  /** Makes an account as the servers are to know it, and waits until they do. */
  async function pushAccount(account: SigningKey, nats: JsonObject, claims: JsonObject = {}): Promise<void> {
    await using system = await SystemClient.open(server.spec())
    const limits = {...open, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1}
    const token = encodeToken(
      header,
      {
        ...{
          name: 'TEAM',
          sub: account.publicKey,
          iss: server.operatorSigning.publicKey,
          iat: now,
          jti: `${Math.random()}`,
          ...claims,
        },
        nats: {limits, type: 'account', version: 2, ...nats},
      },
      server.operatorSigning,
    )
    const [reply] = await system.request('$SYS.REQ.CLAIMS.UPDATE', token, {expect: 1})
    expect(reply?.json()).toMatchObject({data: {code: 200}})
  }

  test('an expired token says when, without being asked for more', async () => {
    const user = await createUser({exp: 1_700_000_000})
    expect(await failureOf(user.spec())).toMatchObject({
      reason: 'user-expired',
      message: expect.stringMatching(
        /: the token of user 'ann' expired at 2023-11-14T22:13:20Z, and it is 20\S+Z here\.$/,
      ) as string,
    })
  })

  test('a token that is not yet valid names its time and the clocks', async () => {
    const user = await createUser({nbf: 4_000_000_000})
    expect(await failureOf(user.spec())).toMatchObject({
      reason: 'user-not-yet-valid',
      message: expect.stringMatching(/is valid only from 2096-10-02T07:06:40Z, and it is 20\S+Z here\.$/) as string,
    })
    const {message} = await failureOf(user.spec({sysCreds: server.sysCredsFile}))
    expect(message).toMatch(/and it is 20\S+Z at the server and 20\S+Z here\.$/)
  })

  test('a revoked user, an unknown account and an unknown signer are told apart by the system account alone', async () => {
    const [team, signer] = [createKey('A'), createKey('A')]
    const revoked = await createUser({}, {issuer: team})
    const signed = await createUser({}, {issuer: signer, account: team.publicKey})
    await pushAccount(team, {signing_keys: [signer.publicKey]})
    await (await openConnection(revoked.spec())).close()
    await (await openConnection(signed.spec())).close()
    await pushAccount(team, {revocations: {[revoked.key.publicKey]: now}})
    const stranger = await createUser({}, {issuer: createKey('A')})

    const blind = [await failureOf(revoked.spec()), await failureOf(signed.spec()), await failureOf(stranger.spec())]
    expect(blind.map(({reason}) => reason)).toEqual(['user-refused', 'user-refused', 'user-refused'])
    expect(blind[0]?.message).toContain(
      `the server refused the user 'ann' of account '${team.publicKey}', which may be`,
    )

    const asked = {sysCreds: server.sysCredsFile}
    expect(await failureOf(revoked.spec(asked))).toMatchObject({
      reason: 'user-revoked',
      message: expect.stringContaining(
        `the user 'ann' of account '${team.publicKey}' was revoked at ${new Date(now * 1000).toISOString().replace('.000', '')}.`,
      ) as string,
    })
    expect(await failureOf(signed.spec(asked))).toMatchObject({
      reason: 'user-signer-unknown',
      message: expect.stringContaining(
        `is signed by '${signer.publicKey}', which is no signing key of account`,
      ) as string,
    })
    expect(await failureOf(stranger.spec(asked))).toMatchObject({
      reason: 'account-unknown',
      message: expect.stringContaining("the servers do not know account 'A") as string,
    })
  })

  test('system credentials that are refused themselves change nothing, and take no time', async () => {
    const user = await createUser({}, {issuer: createKey('A'), account: server.account.publicKey})
    const failed = await failureOf(user.spec({sysCreds: (user.spec().credentials as {file: string}).file}))
    expect(failed.reason).toBe('user-refused')
    expect(failed.tookMs).toBeLessThan(1500)
  })

  test('seeds are in none of it', async () => {
    const user = await createUser({exp: now - 10})
    const {error} = await failureOf(user.spec())
    const all = [error.message, error.stack, JSON.stringify(error), String((error.cause as Error | undefined)?.stack)]
    expect(all.join()).not.toContain(user.key.seed)
    expect(all.join()).not.toContain('eyJ')
  })

  test('a token that expires in between is the reason why a connection is lost', async () => {
    // Long enough to connect on a busy machine.
    const user = await createUser({exp: Math.floor(Date.now() / 1000) + 4})
    const nc = await openConnection(user.spec())
    nc.subscribe('slow', {callback: () => undefined})
    const lost = await request(nc, 'slow', '', {timeoutMs: 15_000}).catch((error: unknown) => error)
    expect(lost).toMatchObject({
      kind: 'connection',
      message: "The connection was lost while waiting for the answer on 'slow': the user's token expired.",
    })
    await nc.close()
  })

  test('so is the revocation of a user', async () => {
    const team = createKey('A')
    const user = await createUser({}, {issuer: team})
    await pushAccount(team, {})
    const nc = await openConnection(user.spec())
    nc.subscribe('slow', {callback: () => undefined})
    await nc.flush()
    const lost = request(nc, 'slow', '', {timeoutMs: 6000}).catch((error: unknown) => error)
    await pushAccount(team, {revocations: {[user.key.publicKey]: now}}, {iat: now + 1})
    expect(await lost).toMatchObject({
      message: "The connection was lost while waiting for the answer on 'slow': the user was revoked.",
    })
    await nc.close()
  })

  test('nobody is let in without credentials', async () => {
    expect(await failureOf(specFor(server.url))).toMatchObject({
      reason: 'no-credentials',
      message: `Cannot connect to '${server.url}': the server wants credentials and none were given.`,
    })
  })
})

test('servers that keep accounts in their configuration are asked for those in use', async () => {
  const keys = createOperatorKeys()
  const tokens = operatorTokens(keys, {operator: 'test', account: 'APP'}, now)
  const [system, app] = [keys.systemAccount.publicKey, keys.account.publicKey]
  await using server = await startNatsServer({
    config: [
      `operator: ${tokens.operator}`,
      `system_account: ${system}`,
      'resolver: MEMORY',
      `resolver_preload: {${system}: ${tokens.systemAccount}, ${app}: ${tokens.account}}`,
    ].join('\n'),
  })
  const [sysCreds, file] = [join(server.dir, 'sys.creds'), join(server.dir, 'user.creds')]
  await writeFile(sysCreds, createUser(keys.systemAccount, 'sys', now).creds)
  const reasonOf = async (account: SigningKey): Promise<unknown> => {
    await writeFile(file, createUser(account, 'ann', now).creds)
    return (await failureOf(specFor(server.url, {credentials: {kind: 'creds', file}, sysCreds}))).reason
  }
  expect(await reasonOf(createKey('A'))).toBe('account-unknown')
  const signer = createKey('A')
  const forged = {name: 'ann', sub: createKey('U').publicKey, iss: signer.publicKey, iat: now}
  const jwt = encodeToken(header, {...forged, nats: {...open, type: 'user', version: 2, issuer_account: app}}, signer)
  const refused = specFor(server.url, {credentials: {kind: 'jwt', jwt, seed: createKey('U').seed}, sysCreds})
  expect((await failureOf(refused)).reason).toBe('user-signer-unknown')
})

describe('servers with a list of users', () => {
  test('passwords, tokens and nkeys are refused by name', async () => {
    const [known, other] = [createKey('U'), createKey('U')]
    await using server = await startNatsServer({
      config: `authorization {users: [{user: ann, password: "right"}, {nkey: ${known.publicKey}}]}`,
    })
    const file = join(server.dir, 'nkey')
    await writeFile(file, other.seed)
    expect(
      await failureOf(specFor(server.url, {credentials: {kind: 'user', user: 'ann', password: 'wrong-word'}})),
    ).toMatchObject({
      reason: 'wrong-password',
      message: `Cannot connect to '${server.url}': the server does not know the user 'ann' with this password.`,
    })
    expect(await failureOf(specFor(server.url, {credentials: {kind: 'token', token: 'wrong-word'}}))).toMatchObject({
      reason: 'wrong-token',
    })
    expect(await failureOf(specFor(server.url, {credentials: {kind: 'nkey', file}}))).toMatchObject({
      reason: 'nkey-unknown',
      message: expect.stringContaining(`does not know the nkey '${other.publicKey}'.`) as string,
    })
    await writeFile(file, known.seed)
    await (await openConnection(specFor(server.url, {credentials: {kind: 'nkey', file}}))).close()
  })

  test('a server without keys says that nkeys and tokens of users are nothing to it', async () => {
    await using server = await startNatsServer({config: 'authorization {user: ann, password: right}'})
    const file = join(server.dir, 'nkey')
    await writeFile(file, createKey('U').seed)
    expect(await failureOf(specFor(server.url, {credentials: {kind: 'nkey', file}}))).toMatchObject({
      reason: 'no-operator',
      message: expect.stringContaining('knows no keys of users, only passwords and tokens.') as string,
    })
  })

  test('too many connections are said in the words of the server', async () => {
    await using server = await startNatsServer({config: 'max_connections: 1'})
    const first = await openConnection(specFor(server.url))
    const failed = await failureOf(specFor(server.url))
    await first.close()
    expect(failed).toMatchObject({
      reason: 'login-refused',
      message: expect.stringContaining("the server said 'maximum connections exceeded'.") as string,
    })
  })
})

describe('what tokens and clocks tell', () => {
  const account = createKey('A').publicKey
  const user = {sub: 'U1', name: 'ann', iss: account, iat: 1000, nats: {}}
  const at = (seconds: number): number => seconds * 1000
  const word = (fields: Partial<Parameters<typeof judgeUser>[0]>): string =>
    judgeUser({user, now: at(2000), ...fields}).word

  test.each<[string, Partial<Parameters<typeof judgeUser>[0]>]>([
    ['user-expired', {user: {...user, exp: 1999}}],
    ['user-expired', {user: {...user, exp: 2500}, serverNow: at(2600)}],
    ['user-refused', {user: {...user, exp: 1999}, serverNow: at(1500)}],
    ['user-not-yet-valid', {user: {...user, nbf: 2001}}],
    ['user-not-yet-valid', {user: {...user, nbf: 1990}, serverNow: at(1900)}],
    ['account-unknown', {account: 'missing'}],
    ['account-expired', {account: {exp: 1999, nats: {}}}],
    ['user-revoked', {account: {nats: {revocations: {U1: 1000}}}}],
    ['user-revoked', {account: {nats: {revocations: {'*': 1500}}}}],
    ['user-refused', {account: {nats: {revocations: {U1: 999, U2: 5000}}}}],
    ['user-signer-unknown', {user: {...user, iss: 'AS', nats: {issuer_account: account}}, account: {nats: {}}}],
    [
      'user-refused',
      {user: {...user, iss: 'AS', nats: {issuer_account: account}}, account: {nats: {signing_keys: [{key: 'AS'}]}}},
    ],
    ['user-refused', {}],
  ])('%s', (expected, fields) => {
    expect(word(fields)).toBe(expected)
  })
})
