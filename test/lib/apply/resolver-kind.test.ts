import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {readAccount} from '../../../src/lib/apply/account-state.js'
import type {ReadOptions} from '../../../src/lib/apply/driver.js'
import {judgeDurability} from '../../../src/lib/apply/durability.js'
import {pushSubject, readResolvers, type Resolver, type ResolverKind} from '../../../src/lib/apply/resolver-kind.js'
import {loadAccount, readTokens, type TokenSource} from '../../../src/lib/apply/stored-token.js'
import {systemClock} from '../../../src/lib/clock.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {SystemClient} from '../../../src/lib/nats/system.js'
import {editToken, readAccountToken} from '../../../src/lib/routing/account-jwt.js'
import {startResolvers, type ResolverServers} from '../../support/resolver-servers.js'

const destinations = [
  {subject: 'v1.orders', weight: 60},
  {subject: 'v2.orders', weight: 40},
]

const readBase = async (source: TokenSource, options?: ReadOptions) => (await readAccount(source, options)).token

async function open(started: ResolverServers): Promise<TokenSource & AsyncDisposable> {
  const system = await SystemClient.open(started.spec())
  const source = {system, account: started.account, clock: systemClock, resolvers: await readResolvers(system)}
  return {...source, [Symbol.asyncDispose]: () => system[Symbol.asyncDispose]()}
}

/** Pushes the base token with one more source and says what each server answered. */
async function push(
  started: ResolverServers,
  source: TokenSource,
  to: string,
  key = started.operator.keys.operatorSigning,
) {
  const base = await readBase(source)
  const token = editToken(base, {change: [{source: 'orders', destinations}], issuedAt: base.issuedAt + 1}, key)
  const replies = await source.system.request(
    to,
    token,
    to.startsWith('$SYS.REQ.ACCOUNT') ? {expect: started.servers.length} : {},
  )
  return Object.fromEntries(
    replies.map((reply) => {
      const {server, data, error} = reply.json<{
        server: {name: string}
        data?: {message: string}
        error?: {description: string}
      }>()
      return [server.name, data?.message ?? error?.description]
    }),
  )
}

describe('a cluster with servers of every kind', () => {
  let started: ResolverServers
  beforeAll(async () => {
    started = await startResolvers(['full', 'cache', 'memory', 'url'])
  })
  afterAll(async () => {
    await started[Symbol.asyncDispose]()
  })

  test('is told apart server by server, although somebody listens to all of the system account', async () => {
    await using tap = await openConnection({
      ...started.spec(),
      credentials: {kind: 'creds', file: started.spec().sysCreds!},
    }).then((connection) => ({connection, [Symbol.asyncDispose]: () => connection.close()}))
    tap.connection.subscribe('$SYS.REQ.CLAIMS.>', {callback: () => undefined})
    await tap.connection.flush()
    await using source = await open(started)
    expect(source.resolvers.map(({server, kind}) => `${server.name}: ${kind}`)).toEqual([
      'cache-1: cache',
      'full-0: full',
      // Both listen to the same, and the operator names an account server.
      'memory-2: url',
      'url-3: url',
    ])
    expect(source.resolvers.at(-1)?.url).toBe(started.accountServer.url)
    expect(judgeDurability(source.resolvers, source.account)).toMatchObject({
      kind: 'url',
      servers: ['memory-2', 'url-3'],
    })
  })

  test('has the token of those that store it and of those that only run it', async () => {
    await using source = await open(started)
    const {stored, running} = await readTokens(source)
    expect({stored: stored.length, running: running.length}).toEqual({stored: 1, running: 2})
    expect(new Set([...stored, ...running]).size).toBe(1)
  })

  test('takes one push of the account on every server, and one of all accounts only where tokens are kept', async () => {
    await using source = await open(started)
    await loadAccount(source)
    expect(await push(started, source, '$SYS.REQ.CLAIMS.UPDATE')).toEqual({
      'full-0': 'jwt updated',
      'cache-1': expect.stringContaining('jwt update') as string,
    })
    const subject = pushSubject(source.resolvers, source.account)
    expect(subject).toBe(`$SYS.REQ.ACCOUNT.${source.account}.CLAIMS.UPDATE`)
    expect(await push(started, source, subject)).toEqual({
      'full-0': 'jwt updated',
      'cache-1': expect.stringContaining('jwt update') as string,
      'memory-2': 'jwt updated',
      'url-3': 'jwt updated',
    })
    expect((await readBase(source)).mappings).toEqual({orders: destinations})
  })

  test('has the stored token as its base when a server forgot it, and heals that server by the next push', async () => {
    await using source = await open(started)
    await push(started, source, pushSubject(source.resolvers, source.account))
    await started.servers[2]!.restart()
    await using again = await open(started)
    expect((await readBase(again)).mappings).toEqual({orders: destinations})
    const {running} = await readTokens(again)
    expect(new Set(running).size).toBe(2)
    await push(started, again, pushSubject(again.resolvers, again.account))
    expect(new Set((await readTokens(again)).running).size).toBe(1)
  })
})

describe.each(['memory', 'url'] as const)('servers of kind %s alone', (kind) => {
  let started: ResolverServers
  beforeAll(async () => {
    started = await startResolvers([kind, kind])
  })
  afterAll(async () => {
    await started[Symbol.asyncDispose]()
  })

  test('are told, and so is what is lost at a restart', async () => {
    await using source = await open(started)
    expect(source.resolvers.map((each) => each.kind)).toEqual([kind, kind])
    const durability = judgeDurability(source.resolvers, source.account)
    expect(durability).toMatchObject({kind, servers: [`${kind}-0`, `${kind}-1`]})
    expect(durability?.step).toContain(source.account)
  })

  test('are read and changed although nobody uses the account there', async () => {
    await using source = await open(started)
    expect((await readBase(source)).text).toBe(started.operator.tokens.account)
    expect(await push(started, source, pushSubject(source.resolvers, source.account))).toEqual({
      [`${kind}-0`]: 'jwt updated',
      [`${kind}-1`]: 'jwt updated',
    })
    expect((await readBase(source)).mappings).toEqual({orders: destinations})
  })

  test('say that they do not trust a signer, and keep the token they had', async () => {
    await using source = await open(started)
    const before = await readBase(source)
    const refused = 'jwt update resulted in error - account validation failed'
    expect(await push(started, source, pushSubject(source.resolvers, source.account), createKey('O'))).toEqual({
      [`${kind}-0`]: refused,
      [`${kind}-1`]: refused,
    })
    expect((await readBase(source)).text).toBe(before.text)
  })

  test('that differ since one of them restarted are not changed blindly', async () => {
    await using source = await open(started)
    await push(started, source, pushSubject(source.resolvers, source.account))
    await started.servers[1]!.restart()
    await using again = await open(started)
    const hurried = {...again, clock: {now: systemClock.now, sleep: () => systemClock.sleep(1)}}
    let passed = 0
    const clock = {...hurried.clock, now: () => systemClock.now() + (passed += 500)}
    await expect(readBase({...hurried, clock})).rejects.toMatchObject({
      kind: 'conflict',
      message: expect.stringContaining('2 different tokens') as string,
    })
    expect((await readBase(again, {newest: true})).mappings).toEqual({orders: destinations})
  })
})

test('a given token is taken where no server has one, and only when it is of that account', async () => {
  await using started = await startResolvers(['memory'])
  await using source = await open(started)
  const account = createKey('A').publicKey
  await expect(readBase({...source, account})).rejects.toMatchObject({
    kind: 'connection',
    message: `No server keeps a token of account '${account}' that can be changed.`,
  })
  const given = {...readAccountToken(started.operator.tokens.account), account}
  expect(await readBase({...source, account, given})).toBe(given)
  await expect(readBase({...source, account, given: {...given, account: 'other'}})).rejects.toThrow('No server')
})

test('one server forgets nothing where all have a full resolver, and a cache alone tells that nobody keeps it', () => {
  const resolver = (name: string, kind: ResolverKind): Resolver => ({server: {id: name, name, version: '2.15.2'}, kind})
  expect(judgeDurability([resolver('a', 'full'), resolver('b', 'cache')], 'A')).toBeUndefined()
  expect(judgeDurability([resolver('b', 'cache')], 'A')).toMatchObject({kind: 'cache', servers: ['b']})
  expect(judgeDurability([resolver('a', 'full'), resolver('m', 'memory')], 'A')?.warning).toBe(
    "Server 'm' keeps account tokens in memory only: a restart or a reload brings the old routes back.",
  )
})
