import type {ChildProcess} from 'node:child_process'
import {fileURLToPath} from 'node:url'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import {openConnection} from '../../src/lib/nats/connect.js'
import {cliIn, runToEnd, type Cli} from '../support/cli.js'
import {readLeaf, type LeafNode} from '../support/leaf-node.js'
import {startLeafRoutes, type LeafRoutes} from '../support/leaf-routes.js'
import {expireLease} from '../support/lease.js'
import {until} from '../support/nats-server.js'
import {behind, runService} from '../support/services.js'

let world: LeafRoutes
let leaf: LeafNode
let cli: Cli
let nc: NatsConnection
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  world = stack.use(await startLeafRoutes())
  nc = await openConnection(world.hub.spec())
  stack.defer(() => nc.close())
  for (const major of [1, 2]) {
    await runService(nc, {name: 'orders', version: `${major}.0.0`, endpoints: {get: behind('orders.get', major)}})
  }
  leaf = await world.leaf({name: 'edge', sources: ['orders.get']})
  const env = Object.entries(world.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  cli = await cliIn(world.hub.dir, Object.fromEntries(env) as Record<string, string>)
})
afterAll(() => stack.disposeAsync())

function split(first: number): string[] {
  return ['route', 'ab', `orders@1.0.0=${first}`, `orders@2.0.0=${100 - first}`]
}

/** Share of the first version as the leaf node's server has it. */
async function live(): Promise<number | undefined> {
  const {live: table} = await readLeaf(nc, leaf.id)
  return table?.['orders.get']?.find(({subject}) => subject === 'orders.v1.get')?.weight
}

const bin = fileURLToPath(new URL('../../bin/run.js', import.meta.url))

/** Runs a command that gets a signal when the leaf node was changed for it. */
async function signalled(
  signal: NodeJS.Signals,
  ...argv: string[]
): Promise<{exitCode: number | null; stderr: string}> {
  const changes = (): number => leaf.reports.filter(({kind}) => kind === 'changed').length
  const before = changes()
  let child: ChildProcess | undefined
  const running = runToEnd(process.execPath, [bin, ...argv], cli.env, {onStart: (started) => (child = started)})
  await until(() => changes() > before, 10_000)
  child!.kill(signal)
  return running
}

test('of jobs that change a route at once, none is lost without a word', async () => {
  await cli.ok(...split(50))
  const weights = [10, 20, 30]
  const ended = await Promise.all(weights.map((weight) => cli.run(...split(weight), '--json')))
  const codes = ended.map(({exitCode}) => exitCode)
  for (const code of codes) expect([0, 5]).toContain(code)
  const done = weights.filter((_weight, index) => codes[index] === 0)
  expect(done.length).toBeGreaterThan(0)
  expect(done).toContain(await live())
  expect(await cli.ok('route', 'verify')).toMatchObject({live: true})
})

test('what is there for a time is put back on Ctrl-C', async () => {
  await cli.ok(...split(60))
  const {exitCode, stderr} = await signalled('SIGINT', ...split(5), '--for', '10m')
  expect(exitCode, stderr).toBe(130)
  expect(await live()).toBe(60)
})

test('a command that is killed in the middle is finished by the next one', async () => {
  const {exitCode} = await signalled('SIGKILL', ...split(35))
  expect(exitCode).toBeNull()
  expect(await live()).toBe(35)
  // Whoever comes at once is told who is at it; nobody waits for a dead process longer than its lease.
  await cli.fails(5, ...split(35), '--timeout', '300ms')
  await expireLease(nc)
  await cli.ok(...split(35))
  expect(await cli.ok('route', 'verify')).toMatchObject({live: true})
  expect(await live()).toBe(35)
})
