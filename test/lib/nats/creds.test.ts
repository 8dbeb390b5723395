import {appendFile, rename, symlink, unlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {inspect} from 'node:util'

import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest'

import {parseCreds} from '../../../src/lib/keys/creds.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {createTemporaryUser, createUser, credsText} from '../../../src/lib/keys/operator.js'
import {decodeToken} from '../../../src/lib/keys/token.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {accountOf, authenticator, readSeed, userToken} from '../../../src/lib/nats/creds.js'
import type {ConnectSpec, Credentials} from '../../../src/lib/nats/spec.js'
import {startNatsServer, startOperatorServer, until, type OperatorServer} from '../../support/nats-server.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

const now = (): number => Math.floor(Date.now() / 1000)
let folder: TempFolder

beforeEach(async () => {
  folder = await tempFolder()
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await folder[Symbol.asyncDispose]()
})

async function write(name: string, text: string): Promise<string> {
  await writeFile(join(folder.path, name), text, {mode: 0o600})
  return join(folder.path, name)
}

function specWith(credentials: Credentials, more: Partial<ConnectSpec> = {}): ConnectSpec {
  return {
    servers: ['nats://127.0.0.1:4222'],
    credentials,
    lattice: 'default',
    protected: false,
    timeoutMs: 2000,
    connectTimeoutMs: 2000,
    ...more,
  }
}

/** The user whose token is sent to a server that asks for one. */
async function userSent(spec: ConnectSpec): Promise<unknown> {
  const {jwt} = (await authenticator(spec))!('nonce') as {jwt: string}
  return decodeToken(jwt).payload['sub']
}

describe('the server takes', () => {
  test('creds of every form', async () => {
    await using server = await startOperatorServer()
    const {creds} = createUser(server.account, 'u', now())
    const {jwt, seed} = parseCreds(creds)!
    vi.stubEnv('CREDS_TEXT', creds)
    vi.stubEnv('USER_SEED', seed)
    const forms: readonly Credentials[] = [
      {kind: 'creds', file: await write('u.creds', creds)},
      {kind: 'creds', file: await write('crlf.creds', creds.replaceAll('\n', '\r\n'))},
      {kind: 'creds', file: `file://${await write('bare.creds', creds.replaceAll(/^\*.*$/gm, ''))}`},
      {kind: 'creds', file: 'env://CREDS_TEXT'},
      {kind: 'creds', file: `data:;base64,${Buffer.from(creds).toString('base64')}`},
      {kind: 'jwt', jwt, seed},
      {kind: 'jwt', jwt: `file://${await write('u.jwt', `${jwt}\n`)}`, seed: 'env://USER_SEED'},
    ]
    for (const credentials of forms) {
      const nc = await openConnection({...server.spec(), credentials})
      expect(nc.isClosed()).toBe(false)
      await nc.close()
    }
  })

  test('password and token from references, and an nkey seed alone or decorated', async () => {
    const key = createKey('U')
    vi.stubEnv('PASSWORD', 'pa:ss')
    const users = `users: [{user: u, password: "pa:ss"}, {nkey: ${key.publicKey}}]`
    await using server = await startNatsServer({config: `authorization {${users}}`})
    const decorated = `-----BEGIN USER NKEY SEED-----\n${key.seed}\n------END USER NKEY SEED------\n`
    for (const credentials of [
      {kind: 'user', user: 'u', password: 'pa:ss'},
      {kind: 'user', user: 'u', password: 'env://PASSWORD'},
      {kind: 'user', user: 'u', password: `file://${await write('password', 'pa:ss\n')}`},
      {kind: 'nkey', file: await write('u.nk', key.seed)},
      {kind: 'nkey', file: await write('decorated.nk', decorated)},
    ] as const) {
      const nc = await openConnection(specWith(credentials, {servers: [server.url]}))
      expect(nc.isClosed()).toBe(false)
      await nc.close()
    }
    await using other = await startNatsServer({config: 'authorization {token: "pa:ss"}'})
    const token = {kind: 'token', token: 'env://PASSWORD'} as const
    const connection = await openConnection(specWith(token, {servers: [other.url]}))
    expect(connection.isClosed()).toBe(false)
    await connection.close()
  })
})

describe('a creds file that is replaced', () => {
  test('is read again at the next connect, also through links', async () => {
    const account = createKey('A')
    const [one, two] = [createUser(account, 'one', now()), createUser(account, 'two', now())]
    const file = await write('one.creds', one.creds)
    const link = join(folder.path, 'now.creds')
    await symlink('one.creds', link)
    const answer = (await authenticator(specWith({kind: 'creds', file: link})))!
    const user = (): unknown => decodeToken((answer('nonce') as {jwt: string}).jwt).payload['sub']
    expect(user()).toBe(one.user)
    await write('two.creds', two.creds)
    await symlink('two.creds', `${link}.new`)
    await rename(`${link}.new`, link)
    expect(user()).toBe(two.user)
    await unlink(link)
    expect(user()).toBe(two.user)
    await symlink('one.creds', link)
    await writeFile(file, one.creds.slice(0, 300))
    expect(user()).toBe(two.user)
    await appendFile(file, one.creds.slice(300))
    expect(user()).toBe(one.user)
  })

  test('keeps a service connected when its user expires', async () => {
    await using server = await startOperatorServer()
    const file = await write('short.creds', shortLived(server, 'first', 2))
    const nc = await openConnection({...server.spec(), credentials: {kind: 'creds', file}}, {reconnect: 'forever'})
    try {
      const statuses: string[] = []
      void (async () => {
        for await (const {type} of nc.status()) statuses.push(type)
      })()
      const second = shortLived(server, 'second', 600)
      await writeFile(file, second)
      await until(() => statuses.includes('reconnect'), 10_000)
      const reply = await nc.request('$SYS.REQ.USER.INFO', '', {timeout: 2000})
      const token = decodeToken(parseCreds(second)!.jwt)
      expect(reply.json<{data: {user: string}}>().data.user).toBe(token.payload['sub'])
    } finally {
      await nc.close()
    }
  }, 20_000)
})

function shortLived({account}: OperatorServer, name: string, seconds: number): string {
  const user = {name, account: account.publicKey, issuedAt: now(), expires: now() + seconds}
  const {jwt, seed} = createTemporaryUser(account, {...user, publish: ['>'], subscribe: ['>']})
  return credsText(jwt, seed)
}

describe('the account of a user', () => {
  test('is the issuer, or the account whose signing key issued it', async () => {
    const [account, signing] = [createKey('A'), createKey('A')]
    const plain = createUser(account, 'u', now())
    expect(await accountOf(specWith({kind: 'creds', file: await write('u.creds', plain.creds)}))).toBe(
      account.publicKey,
    )
    const wanted = {name: 'u', account: account.publicKey, issuedAt: now(), expires: now() + 60}
    const {jwt} = createTemporaryUser(signing, {...wanted, publish: [], subscribe: []})
    expect(await accountOf(specWith({kind: 'jwt', jwt}))).toBe(account.publicKey)
    vi.stubEnv('JWT', jwt)
    expect(await userToken(specWith({kind: 'jwt', jwt: 'env://JWT'}))).toBe(jwt)
    expect(await accountOf(specWith({kind: 'user', user: 'u', password: 'p'}))).toBeUndefined()
  })
})

describe('what cannot be used is named without a secret', () => {
  async function failureOf(credentials: Credentials, secrets: readonly string[]): Promise<Error> {
    const failure = await authenticator(specWith(credentials)).then(
      () => new Error('It did not fail.'),
      (error: unknown) => error as Error,
    )
    const all = inspect(failure, {depth: 20, showHidden: true})
    for (const secret of secrets) expect(all).not.toContain(secret)
    expect(failure).toMatchObject({kind: 'connection'})
    return failure
  }

  test('creds without a seed, with a broken one, and of another kind', async () => {
    const {creds} = createUser(createKey('A'), 'u', now())
    const {jwt, seed} = parseCreds(creds)!
    const account = createKey('A').seed
    const broken = `${seed.slice(0, -1)}${seed.endsWith('A') ? 'B' : 'A'}`
    for (const [text, says] of [
      [jwt, 'holds no user token and seed.'],
      ['', 'is empty.'],
      [creds.replace(seed, ''), 'holds no user token and seed.'],
      [creds.replace(seed, broken), 'cannot be used: The seed is not a valid nkey seed.'],
      [
        creds.replace(seed, account),
        'cannot be used: The seed belongs to a key of kind A, and one of kind U is needed.',
      ],
    ] as const) {
      const {message} = await failureOf({kind: 'creds', file: await write('x.creds', text)}, [seed, broken, account])
      expect(message).toContain(says)
    }
    const data = Buffer.from(creds.replace(seed, broken)).toString('base64')
    const {message} = await failureOf({kind: 'creds', file: `data:;base64,${data}`}, [data, broken])
    expect(message).toBe('The user seed of the creds file cannot be used: The seed is not a valid nkey seed.')
  })

  test('a seed of another kind, and what is none', async () => {
    const {seed} = createKey('A')
    const file = await write('x.nk', seed)
    expect((await failureOf({kind: 'nkey', file}, [seed])).message).toBe(
      `The nkey file '${file}' cannot be used: The seed belongs to a key of kind A, and one of kind U is needed.`,
    )
    expect((await failureOf({kind: 'jwt', jwt: 'x', seed}, [seed])).message).toContain('The user seed cannot be used')
    await expect(readSeed(file, {purpose: 'operator key file', kind: 'O'})).rejects.toThrow('one of kind O is needed')
  })

  test('of an untrusted context, whatever leads outside its folder', async () => {
    const {creds} = createUser(createKey('A'), 'u', now())
    const file = await write('u.creds', creds)
    const confined = {confinedTo: join(folder.path, 'repo')}
    for (const credentials of [
      {kind: 'creds', file},
      {kind: 'nkey', file},
      {kind: 'user', user: 'env://HOME', password: 'x'},
      {kind: 'user', user: 'u', password: `file://${file}`},
      {kind: 'token', token: 'env://HOME'},
      {kind: 'jwt', jwt: `file://${file}`},
      {kind: 'jwt', jwt: 'x', seed: `file://${file}`},
    ] as const) {
      await expect(authenticator(specWith(credentials, confined))).rejects.toThrow('a context file that is not trusted')
    }
    expect(await userSent(specWith({kind: 'creds', file}, {confinedTo: folder.path}))).toMatch(/^U/)
  })
})
