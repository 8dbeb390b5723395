import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterEach, beforeEach, expect, test} from 'vitest'

import type {ConnectSpec} from '../../../src/lib/nats/spec.js'
import {readAccountToken} from '../../../src/lib/routing/account-jwt.js'
import {openDriver, type TestDriver} from '../../support/jwt-driver.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {changeToken, writeNscStore, type NscStore} from '../../support/nsc-store.js'
import {tempFolder} from '../../support/temp.js'

const destinations = [
  {subject: 'v2.orders', weight: 40},
  {subject: 'v1.orders', weight: 60},
]
const change = [{source: 'orders', destinations}]

let ends: AsyncDisposableStack
let store: NscStore
let server: TestServer
let file: string
let spec: ConnectSpec
beforeEach(async () => {
  ends = new AsyncDisposableStack()
  const folder = ends.use(await tempFolder())
  store = await writeNscStore({storeRoot: join(folder.path, 'stores'), keystore: join(folder.path, 'keys')})
  server = ends.use(await startNatsServer({config: store.serverConfig}))
  file = join(store.folder, 'accounts', 'APP', 'APP.jwt')
  const base = {lattice: 'default', protected: false, timeoutMs: 5000, connectTimeoutMs: 5000}
  spec = {...base, servers: [server.url], nscStore: store.folder}
})
afterEach(() => ends.disposeAsync())

const stored = async () => readAccountToken(await readFile(file, 'utf8'))
const open = (own: readonly string[] = [], more: Partial<ConnectSpec> = {}): Promise<TestDriver> =>
  openDriver({...spec, ...more}, store.keys.account.publicKey, {ownSources: () => Promise.resolve(own)})

test('a change that was verified is in the store, so that a push from there keeps it', async () => {
  await using opened = await open()
  const before = await stored()
  const applied = await opened.driver.apply(change)
  expect((await stored()).text).toBe(before.text)
  await applied.verify(2000)
  expect(applied.notes).toEqual([])
  const token = await stored()
  expect(token.mappings).toEqual({orders: destinations})
  expect(token.text).toBe((await opened.driver.read()).token.text)
  expect(await opened.driver.drift()).toBeUndefined()
})

test('a change that was not verified is not in the store', async () => {
  await using opened = await open()
  const before = await stored()
  const twice = [destinations[0]!, destinations[0]!]
  const applied = await opened.driver.apply([{source: 'orders', destinations: twice}])
  await applied.verify(0)
  expect((await stored()).text).toBe(before.text)
})

test('a store that says other things than the servers is told before anything is changed', async () => {
  await writeFile(
    file,
    changeToken((await stored()).text, store.keys.operatorSigning, {description: 'edited, not pushed'}),
  )
  await expect(open()).rejects.toMatchObject({
    kind: 'conflict',
    message: expect.stringMatching(
      /^The nsc store 'OPS' has a token of account 'APP', issued at .*, in which 'description' is other than on the servers\.$/,
    ) as string,
    suggestions: [expect.stringMatching(/^nsc push -a APP/), expect.stringMatching(/^nsc pull --all/)],
  })
})

test('a store that is edited after the command began is found right before the push', async () => {
  await using opened = await open()
  const before = await opened.driver.read()
  await writeFile(
    file,
    changeToken((await stored()).text, store.keys.operatorSigning, {description: 'edited, not pushed'}),
  )
  await expect(opened.driver.apply(change)).rejects.toMatchObject({kind: 'conflict'})
  expect((await opened.driver.read()).token.text).toBe(before.token.text)
})

test('a store that missed only what lattice made is no obstacle, and has all of it after the next change', async () => {
  // The key in a file of its own: the store is not the source and stays as it is.
  const keyFile = join(store.keystore, 'operator.seed')
  await writeFile(keyFile, store.keys.operatorSigning.seed)
  await using aside = await open([], {operatorKeyFile: keyFile})
  await (await aside.driver.apply(change)).verify(2000)
  expect((await stored()).mappings).toEqual({})

  await expect(open()).rejects.toMatchObject({kind: 'conflict'})
  await using opened = await open(['orders'])
  expect(await opened.driver.drift()).toMatch(/in which 1 of lattice's mappings is not as on the servers\.$/)
  await (await opened.driver.apply([{source: 'stock', destinations}])).verify(2000)
  expect((await stored()).mappings).toEqual({orders: destinations, stock: destinations})
})

test('a store that another program writes during the change is left to it, and that is said', async () => {
  await using opened = await open()
  const applied = await opened.driver.apply(change)
  const theirs = changeToken((await stored()).text, store.keys.operatorSigning, {description: 'theirs'})
  await writeFile(file, theirs)
  const {outcomes} = await applied.verify(2000)
  expect(outcomes).toMatchObject([{outcome: 'applied'}])
  expect(applied.notes).toEqual([
    "The token of account 'APP' in the nsc store 'OPS' was changed by another program meanwhile.",
  ])
  expect(await readFile(file, 'utf8')).toBe(theirs)
})
