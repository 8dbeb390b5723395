import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {inspect} from 'node:util'

import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest'

import {ControlClient} from '../../../src/lib/control/client.js'
import {parseVersion} from '../../../src/lib/entity/version.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {decodeToken} from '../../../src/lib/keys/token.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {hasOperatorKey, readOperatorKey} from '../../../src/lib/nats/operator-key.js'
import {writeContext} from '../../../src/lib/nats/context-files.js'
import type {ConnectSpec} from '../../../src/lib/nats/spec.js'
import {hasSystemCredentials, SystemClient} from '../../../src/lib/nats/system.js'
import {systemSpec} from '../../../src/lib/nats/system-user.js'
import {Routes} from '../../../src/lib/routes/routes.js'
import {parseSplit} from '../../../src/lib/routing/weights.js'
import {startNatsServer, startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {writeNscStore, type NscStore, type NscStoreOptions} from '../../support/nsc-store.js'
import {openRoutes, serveVersion, testActor} from '../../support/routes.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

let folder: TempFolder

beforeEach(async () => {
  folder = await tempFolder()
  // The home stays, because the server is found below it.
  for (const name of ['XDG_CONFIG_HOME', 'XDG_DATA_HOME']) vi.stubEnv(name, folder.path)
  for (const name of ['NSC_HOME', 'NKEYS_PATH']) vi.stubEnv(name, undefined)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await folder[Symbol.asyncDispose]()
})

function store(more: Partial<NscStoreOptions> = {}): Promise<NscStore> {
  return writeNscStore({storeRoot: join(folder.path, 'stores'), keystore: join(folder.path, 'keys'), ...more})
}

async function write(name: string, text: string): Promise<string> {
  await writeFile(join(folder.path, name), text, {mode: 0o600})
  return join(folder.path, name)
}

/** A connection that knows nothing but servers and one way to the system account. */
function specOf(url: string, way: Partial<ConnectSpec>): ConnectSpec {
  const limits = {timeoutMs: 3000, connectTimeoutMs: 3000}
  return {servers: [url], lattice: 'default', protected: false, ...limits, ...way}
}

/** What the server named `test` answers when asked what system users ask. */
async function ask(spec: ConnectSpec): Promise<unknown> {
  await using system = await SystemClient.open(spec)
  const [servers, varz] = [await system.servers(), await system.ask('VARZ')]
  expect(varz).toHaveLength(1)
  return servers.map(({name}) => name)
}

describe('where only a seed is at hand', () => {
  test('that of the system account makes a user that may ask and do nothing else', async () => {
    await using server = await startOperatorServer()
    const spec = specOf(server.url, {sysAccountKeyFile: await write('sys.nk', `${server.systemAccount.seed}\n`)})
    expect(hasSystemCredentials(spec)).toBe(true)
    expect(await ask(spec)).toEqual(['test'])
    await using system = await SystemClient.open(spec)
    const info = await system.connection.request('$SYS.REQ.USER.INFO', '', {timeout: 2000})
    expect(info.json()).toMatchObject({
      data: {
        account: server.systemAccount.publicKey,
        permissions: {publish: {allow: ['$SYS.REQ.>']}, subscribe: {allow: ['_INBOX.>']}},
      },
    })
    const denied = new Promise((resolve) => {
      system.connection.subscribe('$SYS.ACCOUNT.>', {callback: (error) => resolve(error?.name)})
    })
    expect(await denied).toBe('PermissionViolationError')
  })

  test('the user lives for an hour, and its inboxes are those of the connection', async () => {
    const key = createKey('A')
    const now = Date.parse('2030-01-01T00:00:00Z')
    const file = await write('sys.nk', key.seed)
    const {spec} = await systemSpec(specOf('nats://x', {sysAccountKeyFile: file, inboxPrefix: '_MINE'}), now)
    const {payload, signed} = decodeToken((spec.credentials as {jwt: string}).jwt)
    expect(signed).toBe(true)
    expect(payload).toMatchObject({
      iss: key.publicKey,
      iat: now / 1000,
      exp: now / 1000 + 3600,
      nats: {sub: {allow: ['_MINE.>']}, type: 'user', version: 2},
    })
    expect(payload['nats']).not.toHaveProperty('issuer_account')
  })

  test('that of a signing key does, with the account beside it or in the nsc store', async () => {
    const {systemSigning, keys, serverConfig} = await store()
    await using server = await startNatsServer({config: serverConfig})
    const beside = await write('beside.nk', `${systemSigning.seed}\n${keys.systemAccount.publicKey}\n`)
    expect(await ask(specOf(server.url, {sysAccountKeyFile: beside}))).toEqual(['test'])
    vi.stubEnv('SYS_SEED', systemSigning.seed)
    const nscStore = join(folder.path, 'stores')
    expect(await ask(specOf(server.url, {sysAccountKeyFile: 'env://SYS_SEED', nscStore}))).toEqual(['test'])
  })

  test('that of a signing key alone is refused with a hint', async () => {
    const {systemSigning, serverConfig} = await store()
    await using server = await startNatsServer({config: serverConfig})
    const sysAccountKeyFile = await write('sys.nk', systemSigning.seed)
    const failure = await SystemClient.open(specOf(server.url, {sysAccountKeyFile})).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      kind: 'connection',
      suggestions: expect.arrayContaining([expect.stringContaining('put the public key A…')]) as unknown,
    })
    expect(inspect(failure, {depth: 20})).not.toContain(systemSigning.seed)
  })

  test('one of another kind is refused by name', async () => {
    const file = await write('sys.nk', createKey('O').seed)
    await expect(SystemClient.open(specOf('nats://x', {sysAccountKeyFile: file}))).rejects.toThrow(
      `The system account key file '${file}' cannot be used: The seed belongs to a key of kind O`,
    )
  })
})

describe('an nsc store gives', () => {
  test.each<[string, Partial<NscStoreOptions>]>([
    ['the creds of its user', {without: ['systemAccount', 'systemSigning']}],
    ['a user made with the account key', {withoutSysCreds: true}],
    ['a user made with a signing key', {withoutSysCreds: true, without: ['systemAccount']}],
    ['a user made as a strict operator wants it', {withoutSysCreds: true, strict: true}],
  ])('%s', async (_what, options) => {
    const {serverConfig, folder: nscStore} = await store(options)
    await using server = await startNatsServer({config: serverConfig})
    const spec = specOf(server.url, {nscStore})
    expect([hasSystemCredentials(spec), hasOperatorKey(spec)]).toEqual([true, true])
    expect(await ask(spec)).toEqual(['test'])
  })

  test('all that a route change needs, and what showing one needs where it has no way to the system account', async () => {
    await using server = await startOperatorServer()
    const nscStore = (await store({keys: keysOf(server)})).folder
    const {sysCreds: _sys, operatorKeyFile: _key, ...plain} = server.spec('nsc')
    const versions = ['1.0.0', '2.0.0'].map(parseVersion)
    const {entity, ref} = testActor()
    await using opened = await openRoutes({...plain, nscStore})
    for (const version of versions) serveVersion(opened.connection, {lattice: 'nsc', entity, version})
    await opened.connection.flush()
    const {legs} = await opened.routes.split(parseSplit(['70/30']), {entity: ref, versions})
    expect(legs.map(({weight}) => weight)).toEqual([70, 30])

    const poor = await writeNscStore({
      storeRoot: join(folder.path, 'poor'),
      keystore: join(folder.path, 'poor'),
      keys: keysOf(server),
      withoutSysCreds: true,
      without: ['systemAccount', 'systemSigning'],
    })
    const spec = {...plain, nscStore: poor.folder}
    await expect(SystemClient.open(spec)).rejects.toMatchObject({
      name: 'MissingSystemCredentialsError',
      kind: 'connection',
    })
    const connection = await openConnection(spec)
    try {
      const control = new ControlClient(connection, {lattice: spec.lattice, timeoutMs: spec.timeoutMs})
      const routes = await Routes.open({connection, spec, control, system: () => SystemClient.open(spec)})
      expect(await routes.show(ref)).toMatchObject({state: 'unknown'})
    } finally {
      await connection.close()
    }
  })
})

describe('of several ways', () => {
  test('creds win over a context, that over a seed, and that over the store', async () => {
    const {folder: nscStore} = await store()
    await writeContext('sys', {url: 'nats://sys:1', creds: '/sys.creds'})
    const sysAccountKeyFile = await write('sys.nk', createKey('A').seed)
    const all = specOf('nats://x', {sysCreds: '/x.creds', sysContext: 'sys', sysAccountKeyFile, nscStore})
    const {sysCreds: _creds, ...second} = all
    const {sysContext: _context, ...third} = second
    const {sysAccountKeyFile: _seed, ...fourth} = third
    expect((await systemSpec(all)).spec).toMatchObject({servers: ['nats://x'], credentials: {file: '/x.creds'}})
    expect((await systemSpec(second)).spec).toMatchObject({
      servers: ['nats://sys:1'],
      credentials: {file: '/sys.creds'},
    })
    expect((await systemSpec(third)).spec.credentials).toMatchObject({kind: 'jwt'})
    expect((await systemSpec(fourth)).spec.credentials).toMatchObject({kind: 'creds'})
    const {nscStore: _store, ...none} = fourth
    expect(hasSystemCredentials(none)).toBe(false)
    await expect(systemSpec(none)).rejects.toThrow('System-account credentials are needed and none are known.')
  })

  test('what the user names is not confined to the folder of an untrusted context', async () => {
    await using server = await startOperatorServer()
    const confinedTo = join(folder.path, 'repo')
    const spec = {...server.spec(), confinedTo, credentials: {kind: 'creds', file: server.credsFile} as const}
    expect(await ask(spec)).toEqual(['test'])
    await expect(openConnection(spec)).rejects.toThrow('a context file that is not trusted')
  })
})

describe('the operator key', () => {
  test('comes from its file, also by reference, before the store', async () => {
    const {folder: nscStore, keys} = await store()
    const key = createKey('O')
    vi.stubEnv('OPERATOR_SEED', key.seed)
    const limits = {timeoutMs: 1000, nscStore}
    expect((await readOperatorKey({...limits, operatorKeyFile: 'env://OPERATOR_SEED'})).publicKey).toBe(key.publicKey)
    const decorated = `-----BEGIN OPERATOR NKEY-----\n${key.seed}\n------END OPERATOR NKEY------`
    const operatorKeyFile = await write('o.nk', decorated)
    expect((await readOperatorKey({...limits, operatorKeyFile})).publicKey).toBe(key.publicKey)
    expect((await readOperatorKey(limits)).publicKey).toBe(keys.operatorSigning.publicKey)
  })

  test('is missing by name', async () => {
    expect(hasOperatorKey({timeoutMs: 1000})).toBe(false)
    await expect(readOperatorKey({timeoutMs: 1000, context: 'ctx'})).rejects.toMatchObject({
      kind: 'connection',
      suggestions: expect.arrayContaining([`"operatorKeyFile" in the lattice part of context 'ctx'`]) as unknown,
    })
    await expect(readOperatorKey({timeoutMs: 1000, nscStore: 'nope'})).rejects.toThrow("No nsc operator 'nope'")
  })
})

function keysOf({operator, operatorSigning, systemAccount, account}: OperatorServer): NscStore['keys'] {
  return {operator, operatorSigning, systemAccount, account}
}
