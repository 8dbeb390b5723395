import {readFile, stat} from 'node:fs/promises'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'
import fc from 'fast-check'
import {afterAll, afterEach, beforeAll, expect, test} from 'vitest'

import {createKey, parseSeed, type SigningKey} from '../../../src/lib/keys/nkey.js'
import {askLeaf, changeLeaf, readLeaves} from '../../../src/lib/leaf/client.js'
import {signText} from '../../../src/lib/leaf/sign.js'
import {leafSubjects} from '../../../src/lib/leaf/subjects.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {askMany, callerSpec, readLeaf, runLeafNode, seventy, tellLeaf, type LeafNode} from '../../support/leaf-node.js'
import {startPasswordHub, type PasswordHub} from '../../support/leaf-hub.js'
import {serveSubjects} from '../../support/services.js'

let hub: PasswordHub
let leaf: LeafNode
let nc: NatsConnection
let key: SigningKey
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  hub = stack.use(await startPasswordHub())
  leaf = stack.use(await runLeafNode(hub.spec(), {remotes: hub.remotes}))
  nc = await openConnection(hub.spec())
  stack.defer(() => nc.close())
  key = parseSeed(await readFile(join(leaf.folder, 'control.nk'), 'utf8'), 'U')
  serveSubjects(nc, ['orders.get', 'orders.get.v1', 'orders.get.v2'])
  await nc.flush()
})

afterAll(() => stack.disposeAsync())

afterEach(async () => {
  const [heard] = await readLeaves(nc, {lattice: 'default', timeoutMs: 2000, expect: 1})
  const change = Object.keys(heard?.mappings ?? {}).map((source) => ({source, destinations: null}))
  if (change.length > 0) await tellLeaf(nc, {key, to: heard!.id, change})
})

test('callers at the leaf node are split, and those at the hub are not', async () => {
  const reply = await tellLeaf(nc, {key, to: leaf.id})
  expect(reply).toMatchObject({
    notes: [],
    state: {
      mappings: {'orders.get': seventy('orders.get').destinations},
      connected: true,
    },
  })
  expect((await readLeaf(nc, leaf.id)).live).toEqual({'orders.get': seventy('orders.get').destinations})
  const here = await askMany(leaf.url, 'orders.get', 600)
  expect(here['orders.get.v1']! + here['orders.get.v2']!).toBe(600)
  expect(here['orders.get.v1']).toBeGreaterThan(360)
  expect(here['orders.get.v1']).toBeLessThan(480)
  const there = await Promise.all(Array.from({length: 50}, () => nc.request('orders.get', '')))
  expect(new Set(there.map((answer) => answer.string()))).toEqual(new Set(['orders.get']))
  await tellLeaf(nc, {key, to: leaf.id, change: [{source: 'orders.get', destinations: null}]})
  expect(await askMany(leaf.url, 'orders.get', 20)).toEqual({'orders.get': 20})
})

test('what stays on the source reaches its workers, and so does what a route does not split', async () => {
  const half = [
    {subject: 'orders.get', weight: 50},
    {subject: 'orders.get.v2', weight: 50},
  ]
  await tellLeaf(nc, {key, to: leaf.id, change: [{source: 'orders.get', destinations: half}]})
  // A tap is another reason for which a server keeps back what a remote denies.
  const heard: string[] = []
  const tap = nc.subscribe('orders.>', {callback: (_error, {subject}) => void heard.push(subject)})
  await nc.flush()
  const here = await askMany(leaf.url, 'orders.get', 200)
  expect(Object.keys(here).sort()).toEqual(['orders.get', 'orders.get.v2'])
  expect(await askMany(leaf.url, 'orders.get.v1', 5)).toEqual({'orders.get.v1': 5})
  await nc.flush()
  expect(heard).toHaveLength(205)
  tap.unsubscribe()
})

test('each request is handled once', async () => {
  let handled = 0
  const subscriptions = ['orders.once', 'orders.once.v1', 'orders.once.v2'].map((subject) =>
    nc.subscribe(subject, {
      queue: 'once',
      callback: (_error, message) => {
        handled++
        message.respond(subject)
      },
    }),
  )
  await nc.flush()
  await tellLeaf(nc, {key, to: leaf.id, change: [seventy('orders.once')]})
  const answers = await askMany(leaf.url, 'orders.once', 300)
  expect(Object.keys(answers).sort()).toEqual(['orders.once.v1', 'orders.once.v2'])
  expect(handled).toBe(300)
  for (const subscription of subscriptions) subscription.unsubscribe()
})

test('what it says of itself is signed for who asked, and its own server answers through it', async () => {
  const [heard] = await readLeaves(nc, {lattice: 'default', timeoutMs: 2000, expect: 1})
  expect(heard).toMatchObject({
    id: leaf.id,
    form: 'beside',
    sources: ['orders.>'],
    problems: [],
    signedBy: key.publicKey,
  })
  expect(await readLeaves(nc, {lattice: 'other', timeoutMs: 500})).toEqual([])
  const caller = await openConnection(callerSpec(leaf.url))
  try {
    caller.subscribe('reports.here', {callback: () => undefined})
    await caller.flush()
    const asked = {endpoint: 'CONNZ', body: {subscriptions_detail: true, auth: true}, timeoutMs: 2000}
    const told = JSON.stringify(await askLeaf(nc, heard!, asked))
    expect(told).toContain('reports.here')
    expect(told).not.toContain('authorized_user')
    const varz = JSON.stringify(await askLeaf(nc, heard!, {endpoint: 'VARZ', timeoutMs: 2000}))
    expect(varz).toContain(heard!.server.id)
    expect(varz).not.toContain('app:app')
  } finally {
    await caller.close()
  }
})

test('a change by a key that it does not know is refused', async () => {
  const stranger = createKey('U')
  const reply = await tellLeaf(nc, {key: stranger, to: leaf.id})
  expect(reply).toMatchObject({error: {kind: 'connection', unknown: false}})
  expect(JSON.stringify(reply)).toContain(stranger.publicKey)
  expect((await readLeaf(nc, leaf.id)).mappings).toEqual({})
})

test('a signature over something else, or for something else, counts for nothing', async () => {
  const {nonce, digest} = await readLeaf(nc, leaf.id)
  const text = JSON.stringify({leaf: leaf.id, nonce, expects: digest, change: [seventy('orders.get')]})
  const signed = signText(key, 'lattice leaf change', text)
  const forged = [
    {...signed, text: text.replace('70', '71')},
    signText(key, 'lattice leaf state', text),
    {...signed, signature: ''},
  ]
  for (const one of forged) {
    const reply = await nc.request(leafSubjects('default').change(leaf.id), JSON.stringify(one), {timeout: 2000})
    expect(reply.json()).toMatchObject({error: {kind: 'connection'}})
  }
  expect((await readLeaf(nc, leaf.id)).mappings).toEqual({})
})

test('a change counts once, for the state it was made for, and for the leaf node it was made for', async () => {
  const {nonce, digest} = await readLeaf(nc, leaf.id)
  const change = {leaf: leaf.id, nonce, expects: digest, change: [seventy('orders.get')]}
  expect(await changeLeaf(nc, {lattice: 'default', change, key}, 5000)).toHaveProperty('state')
  expect(await changeLeaf(nc, {lattice: 'default', change, key}, 5000)).toMatchObject({error: {kind: 'conflict'}})
  // The nonce is right, and the file is another.
  expect(await tellLeaf(nc, {key, to: leaf.id, expects: digest})).toMatchObject({
    error: {kind: 'conflict', unknown: false},
  })
  const text = JSON.stringify({...change, leaf: 'AAAAAAAAAA'})
  const elsewhere = await nc.request(
    leafSubjects('default').change(leaf.id),
    JSON.stringify(signText(key, 'lattice leaf change', text)),
    {timeout: 2000},
  )
  expect(elsewhere.json()).toMatchObject({error: {kind: 'conflict'}})
})

test('sources that it was not started for, and mappings that no server takes, are refused by name', async () => {
  const foreign = await tellLeaf(nc, {key, to: leaf.id, change: [seventy('stock.get')]})
  expect(foreign).toMatchObject({error: {kind: 'unsafe'}})
  expect(JSON.stringify(foreign)).toContain("--source 'stock.get'")
  const heavy = {
    source: 'orders.get',
    destinations: [
      {subject: 'a', weight: 70},
      {subject: 'b', weight: 70},
    ],
  }
  expect(await tellLeaf(nc, {key, to: leaf.id, change: [heavy]})).toMatchObject({error: {kind: 'unsafe'}})
  const twice = await tellLeaf(nc, {key, to: leaf.id, change: [seventy('orders.get'), seventy('orders.get')]})
  expect(twice).toMatchObject({error: {kind: 'usage'}})
  expect((await readLeaf(nc, leaf.id)).mappings).toEqual({})
})

test('where its user may not send, nothing is split to', async () => {
  await using narrow = await runLeafNode(hub.spec('narrow'), {remotes: hub.remotes, name: 'narrow'})
  const control = parseSeed(await readFile(join(narrow.folder, 'control.nk'), 'utf8'), 'U')
  const reply = await tellLeaf(nc, {key: control, to: narrow.id})
  expect(reply).toMatchObject({error: {kind: 'unsafe', message: expect.stringContaining("'orders.get.v2'") as string}})
})

test('garbage is answered with an error and changes nothing', async () => {
  const subjects = leafSubjects('default')
  const places = [subjects.change(leaf.id), subjects.ask(leaf.id), subjects.read]
  const bytes = fc.oneof(
    fc.uint8Array({maxLength: 200}),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .record({text: fc.json(), by: fc.string(), signature: fc.string()})
      .map((one) => Buffer.from(JSON.stringify(one))),
    fc
      .record({leaf: fc.string(), nonce: fc.string(), expects: fc.string(), change: fc.jsonValue()})
      .map((one) => Buffer.from(JSON.stringify(signText(key, 'lattice leaf change', JSON.stringify(one))))),
    fc
      .record({endpoint: fc.constantFrom('CONNZ', 'RELOAD', 'JSZ'), body: fc.jsonValue()})
      .map((one) => Buffer.from(JSON.stringify(one))),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...places), bytes, async (subject, payload) => {
      const reply = await nc.request(subject, payload, {timeout: 2000})
      const answer = reply.json<object>()
      if (subject === subjects.change(leaf.id)) expect(answer).toHaveProperty('error')
      expect(JSON.stringify(answer)).not.toContain('state"')
    }),
    {numRuns: 150},
  )
  expect(await readLeaf(nc, leaf.id)).toMatchObject({mappings: {}, live: {}, problems: []})
})

test('a worker behind it that listens on a source is a problem while it is there', async () => {
  const worker = await openConnection(callerSpec(leaf.url))
  try {
    worker.subscribe('orders.get', {queue: 'old', callback: () => undefined})
    await worker.flush()
    const told = await leaf.sees({kind: 'problem', problem: 'worker-here'})
    expect(told).toHaveProperty('sentence', expect.stringContaining("'orders.get'"))
  } finally {
    await worker.close()
  }
  await leaf.sees({kind: 'solved', problem: 'worker-here'})
})

test('whoever asks for no answer gets nothing done', async () => {
  const {nonce, digest} = await readLeaf(nc, leaf.id)
  const text = JSON.stringify({leaf: leaf.id, nonce, expects: digest, change: [seventy('orders.get')]})
  nc.publish(leafSubjects('default').change(leaf.id), JSON.stringify(signText(key, 'lattice leaf change', text)))
  await nc.flush()
  expect(await readLeaf(nc, leaf.id)).toMatchObject({nonce, mappings: {}})
})

test('a second one of its name takes over what the first one has, where its key is known', async () => {
  await tellLeaf(nc, {key, to: leaf.id})
  await using second = await runLeafNode(hub.spec(), {remotes: hub.remotes, acceptKeys: [key.publicKey]})
  expect((await readLeaf(nc, second.id)).live).toEqual({'orders.get': seventy('orders.get').destinations})
  expect(second.reports).toContainEqual({kind: 'note', message: expect.stringContaining('Took over') as string})
  const here = await askMany(second.url, 'orders.get', 200)
  expect(Object.keys(here).sort()).toEqual(['orders.get.v1', 'orders.get.v2'])
  await using third = await runLeafNode(hub.spec(), {remotes: hub.remotes})
  expect((await readLeaf(nc, third.id)).live).toEqual({})
  expect(third.reports).toContainEqual({kind: 'warning', message: expect.stringContaining(key.publicKey) as string})
})

test('its folder is only for its user, and mappings outlive a restart', async () => {
  expect((await stat(leaf.folder)).mode & 0o77).toBe(0)
  const files = ['leaf.conf', 'control.nk', 'sys.json', 'lattice-mappings.conf']
  for (const file of files) expect((await stat(join(leaf.folder, file))).mode & 0o77).toBe(0)
  await tellLeaf(nc, {key, to: leaf.id})
  await leaf.stop()
  expect(await readLeaves(nc, {lattice: 'default', timeoutMs: 500})).toEqual([])
  await using again = await runLeafNode(hub.spec(), {remotes: hub.remotes, folder: leaf.folder})
  expect(again.id).toBe(leaf.id)
  expect((await readLeaf(nc, again.id)).live).toEqual({'orders.get': seventy('orders.get').destinations})
})
