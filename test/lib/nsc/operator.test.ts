import {mkdir, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest'

import {createKey} from '../../../src/lib/keys/nkey.js'
import {createUser} from '../../../src/lib/keys/operator.js'
import {findAccountOfKey, findOperatorKey, findSystemUser} from '../../../src/lib/nsc/access.js'
import {
  findNscKey,
  listNscAccounts,
  listNscOperators,
  listNscUsers,
  openNscOperator,
} from '../../../src/lib/nsc/operator.js'
import {findReferencedCreds, findReferencedServers} from '../../../src/lib/nsc/reference.js'
import {writeNscStore, type NscStore, type NscStoreOptions} from '../../support/nsc-store.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

let home: TempFolder
const now = (): number => Math.floor(Date.now() / 1000)

beforeEach(async () => {
  home = await tempFolder()
  vi.stubEnv('HOME', home.path)
  for (const name of ['XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'NSC_HOME', 'NKEYS_PATH']) vi.stubEnv(name, undefined)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await home[Symbol.asyncDispose]()
})

function at(...parts: readonly string[]): string {
  return join(home.path, ...parts)
}

function newPlace(more: Partial<NscStoreOptions> = {}): Promise<NscStore> {
  const data = at('.local', 'share', 'nats', 'nsc')
  return writeNscStore({storeRoot: join(data, 'stores'), keystore: join(data, 'keys'), ...more})
}

async function configure(folder: string, root: string): Promise<void> {
  await mkdir(folder, {recursive: true})
  await writeFile(join(folder, 'nsc.json'), JSON.stringify({store_root: root, operator: 'OPS'}))
}

describe('a store is found', () => {
  const places: readonly [string, () => Promise<Partial<NscStoreOptions>>][] = [
    ['in its new place', () => Promise.resolve({})],
    ['in its old place', () => Promise.resolve({storeRoot: at('.nsc', 'nats'), keystore: at('.nkeys')})],
    [
      'below XDG_DATA_HOME',
      () => {
        vi.stubEnv('XDG_DATA_HOME', at('data'))
        return Promise.resolve({storeRoot: at('data/nats/nsc/stores'), keystore: at('data/nats/nsc/keys')})
      },
    ],
    [
      'where nsc.json says, with keys in the usual place',
      async () => {
        await configure(at('.config', 'nats', 'nsc'), at('elsewhere'))
        return {storeRoot: at('elsewhere')}
      },
    ],
    [
      'where the old nsc.json says',
      async () => {
        await configure(at('.nsc'), at('elsewhere'))
        return {storeRoot: at('elsewhere')}
      },
    ],
    [
      'where the nsc.json of NSC_HOME says, with keys in NKEYS_PATH',
      async () => {
        vi.stubEnv('NSC_HOME', at('mine'))
        vi.stubEnv('NKEYS_PATH', at('my-keys'))
        await configure(at('mine'), at('elsewhere'))
        return {storeRoot: at('elsewhere'), keystore: at('my-keys')}
      },
    ],
    [
      'with its keys in the same folder, as --all-dirs makes it',
      async () => {
        await configure(at('.config', 'nats', 'nsc'), at('all'))
        return {storeRoot: at('all'), keystore: at('all')}
      },
    ],
  ]

  test.each(places)('%s', async (_where, prepare) => {
    const store = await newPlace(await prepare())
    expect(await listNscOperators()).toMatchObject([{name: 'OPS', key: store.keys.operator.publicKey}])
    const operator = await openNscOperator('OPS')
    expect((await findOperatorKey(operator)).seed).toBe(store.keys.operatorSigning.seed)
    expect(await findSystemUser(operator, now())).toEqual({kind: 'creds', file: store.sys.credsFile})
  })

  test.each([
    ['the folder of the operator', ['stores', 'OPS']],
    ['the folder of the stores', ['stores']],
    ['the folder of stores and keys', []],
  ])('by its path, as %s', async (_what, below) => {
    const store = await newPlace({storeRoot: at('shared', 'stores'), keystore: at('shared', 'keys')})
    expect(await listNscOperators()).toEqual([])
    const operator = await openNscOperator(at('shared', ...below))
    expect(operator.folder).toBe(store.folder)
    expect((await findOperatorKey(operator)).publicKey).toBe(store.keys.operatorSigning.publicKey)
  })

  test('by a path with ~ or a variable', async () => {
    const {folder} = await newPlace({storeRoot: at('shared'), keystore: at('shared')})
    vi.stubEnv('MINE', at('shared'))
    for (const path of ['~/shared', '$MINE/OPS', '${MINE}']) expect((await openNscOperator(path)).folder).toBe(folder)
  })

  test('by the public key and in other letters, an exact name first', async () => {
    const one = await newPlace()
    const two = await newPlace({name: 'ops'})
    expect((await openNscOperator('OPS')).folder).toBe(one.folder)
    expect((await openNscOperator('ops')).folder).toBe(two.folder)
    expect((await openNscOperator(two.keys.operator.publicKey)).folder).toBe(two.folder)
    expect((await openNscOperator('Ops')).folder).toBe(one.folder)
  })
})

describe('what is not there is named', () => {
  test('an operator, with those that are', async () => {
    await newPlace()
    await expect(openNscOperator('nope')).rejects.toMatchObject({
      kind: 'connection',
      message: "No nsc operator 'nope' is in the stores of this user.",
      suggestions: ['--nsc-store OPS'],
    })
  })

  test('a folder without a store, and one with several', async () => {
    await mkdir(at('empty'))
    await expect(openNscOperator(at('empty'))).rejects.toThrow(`The folder '${at('empty')}' holds no nsc operator.`)
    const [one, two] = [await newPlace(), await newPlace({name: 'TWO'})]
    await expect(openNscOperator(at('.local/share/nats/nsc'))).rejects.toMatchObject({
      kind: 'connection',
      suggestions: [`--nsc-store ${one.folder}`, `--nsc-store ${two.folder}`],
    })
  })

  test.each([
    ['.nsc', '{'],
    ['.nsc', '{"name":"../OPS"}'],
    ['OPS.jwt', 'no token'],
    ['OPS.jwt', `${Buffer.from('{}').toString('base64url')}.${Buffer.from('{"sub":"OX"}').toString('base64url')}.x`],
  ])('a broken store is none: %s with %s', async (file, text) => {
    const {folder} = await newPlace()
    await writeFile(join(folder, file), text)
    expect(await listNscOperators()).toEqual([])
  })
})

describe('accounts and users', () => {
  test('are listed with their keys, creds files and the signing keys that are not scoped', async () => {
    const store = await newPlace({serviceUrls: ['nats://one:4222', 'nats://two:4222']})
    const operator = await openNscOperator('OPS')
    expect(operator).toMatchObject({
      serviceUrls: ['nats://one:4222', 'nats://two:4222'],
      strict: false,
      signingKeys: [store.keys.operatorSigning.publicKey],
      systemAccount: store.keys.systemAccount.publicKey,
    })
    const accounts = await listNscAccounts(operator)
    expect(accounts).toMatchObject([
      {name: 'APP', key: store.keys.account.publicKey, signingKeys: []},
      {name: 'SYS', key: store.keys.systemAccount.publicKey, signingKeys: [store.systemSigning.publicKey]},
    ])
    expect(await listNscUsers(operator, accounts[0]!)).toMatchObject([{name: 'app', credsFile: store.user.credsFile}])
    expect(await findAccountOfKey(operator, store.systemSigning.publicKey)).toBe(store.keys.systemAccount.publicKey)
    expect(await findAccountOfKey(operator, createKey('A').publicKey)).toBeUndefined()
  })

  test('a reference leads to the creds file without the program', async () => {
    const {user} = await newPlace({serviceUrls: ['nats://one:4222']})
    for (const reference of ['nsc://OPS', 'ops/APP/app', 'nsc://OPS/APP/app?names']) {
      expect(await findReferencedServers(reference)).toEqual(['nats://one:4222'])
    }
    expect(await findReferencedServers('nsc://nope/APP/app')).toEqual([])
    expect(await findReferencedCreds('nsc://OPS/APP/app?store=/elsewhere')).toBeUndefined()
    expect(await findReferencedCreds('nsc://OPS/APP/app')).toBe(user.credsFile)
    expect(await findReferencedCreds('nsc://ops/app/APP')).toBe(user.credsFile)
    for (const other of [
      'nsc://OPS',
      'nsc://OPS/APP',
      'nsc://OPS/APP/nobody',
      'nsc://..%2fOPS/APP/app',
      'nsc://X/APP/app',
    ]) {
      expect(await findReferencedCreds(other)).toBeUndefined()
    }
  })
})

describe('the key that signs accounts', () => {
  test('is a signing key whose seed is here, else the identity key', async () => {
    const store = await newPlace({without: ['operatorSigning']})
    expect((await findOperatorKey(await openNscOperator('OPS'))).seed).toBe(store.keys.operator.seed)
  })

  test('is never the identity key where only signing keys may, and what was looked for is named', async () => {
    const {keys} = await newPlace({without: ['operatorSigning'], strict: true})
    const failure = await findOperatorKey(await openNscOperator('OPS')).catch((error: unknown) => error as Error)
    expect(failure).toMatchObject({kind: 'connection', details: {keys: [keys.operatorSigning.publicKey]}})
    expect(JSON.stringify(failure)).not.toMatch(/\bS[A-Z2-7]{57}\b/)
  })

  test('a file with the seed of another key is no key', async () => {
    const {keys, keystore} = await newPlace()
    const {publicKey} = keys.operatorSigning
    const file = join(keystore, 'keys', 'O', publicKey.slice(1, 3), `${publicKey}.nk`)
    await writeFile(file, createKey('O').seed)
    const operator = await openNscOperator('OPS')
    expect(await findNscKey(operator, publicKey)).toBeUndefined()
    await writeFile(file, publicKey)
    expect(await findNscKey(operator, publicKey)).toBeUndefined()
    expect(await findNscKey(operator, '../../../etc/passwd')).toBeUndefined()
  })
})

describe('the way into the system account', () => {
  test('is the account key where no creds file is', async () => {
    const {keys} = await newPlace({withoutSysCreds: true})
    expect(await findSystemUser(await openNscOperator('OPS'), now())).toMatchObject({
      kind: 'key',
      key: {publicKey: keys.systemAccount.publicKey},
      account: keys.systemAccount.publicKey,
    })
  })

  test('is a signing key where the account key is kept elsewhere', async () => {
    const {keys, systemSigning} = await newPlace({withoutSysCreds: true, without: ['systemAccount']})
    expect(await findSystemUser(await openNscOperator('OPS'), now())).toMatchObject({
      kind: 'key',
      key: {publicKey: systemSigning.publicKey},
      account: keys.systemAccount.publicKey,
    })
  })

  test('is never a creds file of a user that nsc no longer has', async () => {
    const {keys, sys} = await newPlace()
    await writeFile(sys.credsFile, createUser(keys.systemAccount, 'sys', now()).creds)
    expect(await findSystemUser(await openNscOperator('OPS'), now())).toMatchObject({kind: 'key'})
  })

  test('is missing by name where there is neither', async () => {
    const {folder} = await newPlace({withoutSysCreds: true, without: ['systemAccount', 'systemSigning']})
    const operator = await openNscOperator('OPS')
    await expect(findSystemUser(operator, now())).rejects.toMatchObject({kind: 'connection'})
    await rm(join(folder, 'accounts', 'SYS'), {recursive: true})
    await expect(findSystemUser(operator, now())).rejects.toThrow(operator.systemAccount)
    const {systemAccount: _none, ...unnamed} = operator
    await expect(findSystemUser(unnamed, now())).rejects.toThrow("The nsc operator 'OPS' names no system account.")
  })
})
