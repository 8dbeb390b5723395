import {copyFile, mkdir, readFile, rename, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import {systemClock} from '../../../src/lib/clock.js'
import {openLeafDriver} from '../../../src/lib/apply/leaf-driver.js'
import {createKey, parseSeed, type SigningKey} from '../../../src/lib/keys/nkey.js'
import {askLeaf, readLeaves, type HeardLeaf} from '../../../src/lib/leaf/client.js'
import {signText} from '../../../src/lib/leaf/sign.js'
import type {LeafState} from '../../../src/lib/leaf/state.js'
import {leafSubjects} from '../../../src/lib/leaf/subjects.js'
import {readRecord, writeRecord} from '../../../src/lib/leaf-server/places.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {startPasswordHub, type PasswordHub} from '../../support/leaf-hub.js'
import {askMany, callerSpec, runLeafNode, seventy, tellLeaf, type LeafNode} from '../../support/leaf-node.js'
import {tempFolder} from '../../support/temp.js'
import {until} from '../../support/until.js'

let hub: PasswordHub
let leaf: LeafNode
let nc: NatsConnection
let stranger: NatsConnection
let key: SigningKey
const stack = new AsyncDisposableStack()
const {read} = leafSubjects('default')

beforeAll(async () => {
  hub = stack.use(await startPasswordHub())
  leaf = stack.use(await runLeafNode(hub.spec(), {remotes: hub.remotes}))
  nc = await openConnection(hub.spec())
  stack.defer(() => nc.close())
  stranger = await openConnection(hub.spec())
  stack.defer(() => stranger.close())
  key = parseSeed(await readFile(join(leaf.folder, 'control.nk'), 'utf8'), 'U')
})

afterAll(() => stack.disposeAsync())

/** Somebody of the account who answers in place of leaf nodes for as long as it lasts. */
async function pretend(answer: (challenge: string) => readonly string[], afterMs = 0): Promise<Disposable> {
  const subscription = stranger.subscribe(read, {
    callback: (_error, msg) => {
      const {challenge = ''} = msg.json<{challenge?: string}>()
      setTimeout(() => answer(challenge).forEach((text) => msg.respond(text)), afterMs)
    },
  })
  await stranger.flush()
  return {[Symbol.dispose]: () => subscription.unsubscribe()}
}

async function truth(): Promise<HeardLeaf> {
  return (await readLeaves(nc, {lattice: 'default', timeoutMs: 2000, expect: 1}))[0]!
}

function signed(state: LeafState, challenge: string, by = createKey('U')): string {
  return JSON.stringify(signText(by, 'lattice leaf state', JSON.stringify({...state, challenge})))
}

function open(trusted: readonly string[] = [key.publicKey]) {
  const target = {connection: nc, lattice: 'default', name: undefined, timeoutMs: 2000, clock: systemClock, trusted}
  return openLeafDriver({...target, findKey: () => Promise.resolve(key)})
}

test('who only pretends to be a leaf node of that id is not believed, however it signs', async () => {
  const state = await truth()
  const evil = {...state, mappings: {'orders.get': [{subject: 'evil', weight: 100}]}}
  const unsigned = (): string[] => [JSON.stringify({text: JSON.stringify(evil), by: key.publicKey, signature: ''})]
  const moved = {...state, name: 'elsewhere'}
  for (const answer of [
    unsigned,
    (challenge: string) => [signed(evil, challenge)],
    (challenge: string) => [signed(moved, challenge)],
  ]) {
    for (const afterMs of [0, 100]) {
      using _ = await pretend(answer, afterMs)
      const {leaves, view} = await open()
      expect(leaves.map(({id, name}) => [id, name])).toEqual([[leaf.id, 'default']])
      expect(view.mappings).toEqual({})
    }
  }
})

test('who knows no key believes neither of two that answer as one', async () => {
  const state = await truth()
  using _ = await pretend((challenge) => [signed({...state, name: 'elsewhere'}, challenge)])
  await expect(open([])).rejects.toMatchObject({kind: 'conflict', details: {rule: 'twin-leaves', id: leaf.id}})
})

test('what a stream or a tap answers is no leaf node, and stands in nobody’s way', async () => {
  using _ = await pretend(() => ['{"stream":"ALL","seq":12}', '', '+OK', '\u001b[2J', '[]'])
  expect((await open()).leaves.map(({id}) => id)).toEqual([leaf.id])
})

test('a word that nobody understands stops nobody who knows a key', async () => {
  const state = {...(await truth()), id: 'B'.repeat(10), server: 7} as unknown as LeafState
  using _ = await pretend((challenge) => [signed(state, challenge)])
  expect((await open()).leaves.map(({id}) => id)).toEqual([leaf.id])
  await expect(open([])).rejects.toMatchObject({name: 'LeafAnswerError'})
})

test('many who answer first do not crowd out the one that is there', async () => {
  const state = await truth()
  const driver = await open()
  {
    using _ = await pretend((challenge) => Array.from({length: 50}, () => signed(state, challenge)))
    const {verify} = await driver.apply([{source: 'orders.get', destinations: seventy('orders.get').destinations!}])
    expect((await verify(2000)).outcomes.map(({outcome}) => outcome)).toEqual(['applied'])
  }
  expect((await truth()).mappings).toHaveProperty(['orders.get'])
  await tellLeaf(nc, {key, to: leaf.id, change: [{source: 'orders.get', destinations: null}]})
})

test('what a leaf node calls its sources runs in nobody’s shell', async () => {
  const state = await truth()
  const name = 'other'
  using _ = await pretend((challenge) => [
    signed({...state, id: 'AAAAAAAAAA', name, sources: ["x'; touch /tmp/pwned; '"]}, challenge),
  ])
  const target = {connection: nc, lattice: 'default', name, timeoutMs: 2000, clock: systemClock}
  const driver = await openLeafDriver({...target, findKey: () => Promise.resolve(key)})
  const refused = (): void => driver.refuse([{source: 'orders.get', destinations: seventy('orders.get').destinations!}])
  let lines: readonly string[] = []
  try {
    refused()
  } catch (error) {
    lines = (error as {suggestions: readonly string[]}).suggestions
  }
  expect(lines.join('\n')).toContain(`--source 'x'\\''; touch /tmp/pwned; '\\'''`)
})

test('who the callers are is told to nobody, however it is asked for', async () => {
  const caller = await openConnection(callerSpec(leaf.url))
  try {
    const [heard] = await readLeaves(nc, {lattice: 'default', timeoutMs: 2000, expect: 1})
    for (const name of ['auth', 'AUTH', 'Auth']) {
      const asked = {endpoint: 'CONNZ', body: {subscriptions_detail: true, [name]: true}, timeoutMs: 2000}
      expect(JSON.stringify(await askLeaf(nc, heard!, asked))).not.toContain('authorized_user')
    }
    const system = {endpoint: 'CONNZ', body: {ACC: 'LATTICE_SYS', Account: 'LATTICE_SYS'}, timeoutMs: 2000}
    expect(JSON.stringify(await askLeaf(nc, heard!, system))).not.toContain('lattice-cli')
  } finally {
    await caller.close()
  }
})

test('one that runs from the copy of a folder does not start', async () => {
  await using folder = await tempFolder()
  const copy = join(folder.path, 'copy')
  await mkdir(copy)
  await copyFile(join(leaf.folder, 'control.nk'), join(copy, 'control.nk'))
  const {server: _server, agent: _agent, ...record} = (await readRecord(leaf.folder))!
  await writeRecord(copy, record)
  await expect(
    runLeafNode(hub.spec(), {remotes: hub.remotes, folder: copy}).then((node) => node.stop()),
  ).rejects.toMatchObject({kind: 'conflict'})
})

test('two for the whole account that start at the same moment do not both run', async () => {
  await using other = await startPasswordHub()
  const start = () => runLeafNode(other.spec(), {remotes: other.remotes, accountWide: true})
  const started = await Promise.allSettled([start(), start()])
  const running = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  try {
    expect(running).toHaveLength(1)
  } finally {
    for (const node of running) await node[Symbol.asyncDispose]()
  }
})

test('a leaf node whose folder is removed goes on, and leaves no server when it ends', async () => {
  await using other = await startPasswordHub()
  await using node = await runLeafNode(other.spec(), {remotes: other.remotes})
  const {server} = (await readRecord(node.folder))!
  await rm(node.folder, {recursive: true})
  process.kill(server!.pid, 'SIGKILL')
  await node.sees({kind: 'problem', problem: 'server-lost'})
  await node.sees({kind: 'solved', problem: 'server-lost'})
  expect(await askMany(node.url, 'nobody.there', 1)).toEqual({'': 1})
  await node.stop()
  const gone = openConnection({...callerSpec(node.url), connectTimeoutMs: 500})
  await expect(gone).rejects.toMatchObject({kind: 'connection'})
})

test('a leaf node that cannot write says so, and its server is back as soon as it can', async () => {
  await using other = await startPasswordHub()
  await using node = await runLeafNode(other.spec(), {remotes: other.remotes})
  const {server} = (await readRecord(node.folder))!
  const away = `${node.folder}.away`
  await rename(node.folder, away)
  await writeFile(node.folder, '')
  process.kill(server!.pid, 'SIGKILL')
  const told = await node.sees({kind: 'problem', problem: 'server-lost'})
  await until(() => node.reports.some((one) => 'sentence' in one && one.sentence.includes('does not start')), 5000)
  expect(told).toHaveProperty('kind', 'problem')
  await rm(node.folder)
  await rename(away, node.folder)
  await node.sees({kind: 'solved', problem: 'server-lost'})
})

test('strangers cannot fill the log', async () => {
  const before = leaf.reports.length
  for (let index = 0; index < 200; index++) {
    await stranger.request(leafSubjects('default').change(leaf.id), `{"text":"${index}"}`)
  }
  expect(leaf.reports.length - before).toBeLessThan(5)
})
