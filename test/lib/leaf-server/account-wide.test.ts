import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import {parseSeed} from '../../../src/lib/keys/nkey.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {startPasswordHub, type PasswordHub} from '../../support/leaf-hub.js'
import {askMany, readLeaf, runLeafNode, seventy, tellLeaf, type LeafNode} from '../../support/leaf-node.js'
import {serveSubjects} from '../../support/services.js'

let hub: PasswordHub
let leaf: LeafNode
let nc: NatsConnection
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  hub = stack.use(await startPasswordHub())
  leaf = stack.use(await runLeafNode(hub.spec(), {remotes: hub.remotes, accountWide: true}))
  nc = await openConnection(hub.spec())
  stack.defer(() => nc.close())
  serveSubjects(nc, ['orders.get.v1', 'orders.get.v2'])
  await nc.flush()
  const key = parseSeed(await readFile(join(leaf.folder, 'control.nk'), 'utf8'), 'U')
  await tellLeaf(nc, {key, to: leaf.id})
})

afterAll(() => stack.disposeAsync())

test('callers at the hub are split, and so are those at the leaf node', async () => {
  const answers = await Promise.all(Array.from({length: 400}, () => nc.request('orders.get', '', {timeout: 3000})))
  const counts = Map.groupBy(answers, (answer) => answer.string())
  expect([...counts.keys()].sort()).toEqual(['orders.get.v1', 'orders.get.v2'])
  expect(counts.get('orders.get.v1')!.length).toBeGreaterThan(230)
  expect(Object.keys(await askMany(leaf.url, 'orders.get', 100)).sort()).toEqual(['orders.get.v1', 'orders.get.v2'])
})

test('a second one that may split the same is refused, and one for other sources is not', async () => {
  const second = {remotes: hub.remotes, accountWide: true, name: 'second'}
  await expect(runLeafNode(hub.spec(), second)).rejects.toMatchObject({
    kind: 'unsafe',
    details: {rule: 'second-leaf'},
  })
  await expect(runLeafNode(hub.spec(), {remotes: hub.remotes})).rejects.toMatchObject({details: {rule: 'second-leaf'}})
})

test('a worker on a source that it splits is a problem while it is there', async () => {
  const worker = nc.subscribe('orders.get', {queue: 'old', callback: () => undefined})
  await nc.flush()
  expect(await leaf.sees({kind: 'problem', problem: 'doubling'})).toHaveProperty(
    'sentence',
    expect.stringContaining("'orders.get'"),
  )
  expect((await readLeaf(nc, leaf.id)).problems).toMatchObject([{kind: 'doubling'}])
  worker.unsubscribe()
  await nc.flush()
  await leaf.sees({kind: 'solved', problem: 'doubling'})
  expect((await readLeaf(nc, leaf.id)).problems).toEqual([])
})

test('a file that somebody edited is a problem', async () => {
  const file = join(leaf.folder, 'lattice-mappings.conf')
  const before = await readFile(file, 'utf8')
  await writeFile(file, before.replace('weight: 70', 'weight: 60'))
  expect(await leaf.sees({kind: 'problem', problem: 'table-differs'})).toHaveProperty(
    'sentence',
    expect.stringContaining("'orders.get'"),
  )
  await writeFile(file, before)
  await leaf.sees({kind: 'solved', problem: 'table-differs'})
})

test('it does not start where workers listen on what its file splits, unless it is told to', async () => {
  await leaf.stop()
  const worker = nc.subscribe('orders.get', {queue: 'old', callback: () => undefined})
  await nc.flush()
  const again = {remotes: hub.remotes, accountWide: true, folder: leaf.folder}
  await expect(runLeafNode(hub.spec(), again)).rejects.toMatchObject({
    kind: 'unsafe',
    details: {rule: 'source-doubled', subjects: ['orders.get']},
  })
  await using allowed = await runLeafNode(hub.spec(), {...again, allow: ['source-doubled']})
  expect((await readLeaf(nc, allowed.id)).live).toEqual({'orders.get': seventy('orders.get').destinations})
  worker.unsubscribe()
})
