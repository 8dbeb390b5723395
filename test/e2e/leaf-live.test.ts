import {readFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import {isLive} from '../../src/lib/apply/driver.js'
import {openLeafDriver} from '../../src/lib/apply/leaf-driver.js'
import {systemClock} from '../../src/lib/clock.js'
import {parseSeed} from '../../src/lib/keys/nkey.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {callerSpec, type LeafNode} from '../support/leaf-node.js'
import {startLeafRoutes, type LeafRoutes} from '../support/leaf-routes.js'
import {startPump} from '../support/pump.js'
import {serveSubjects} from '../support/services.js'

let world: LeafRoutes
let leaf: LeafNode
let nc: NatsConnection
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  world = stack.use(await startLeafRoutes())
  nc = await openConnection(world.hub.spec())
  stack.defer(() => nc.close())
  serveSubjects(nc, ['orders.get', 'orders.v1.get', 'orders.v2.get'])
  await nc.flush()
  leaf = await world.leaf({name: 'edge', sources: ['orders.get']})
})
afterAll(() => stack.disposeAsync())

/** Changes the shares so often, each proven live, while callers at the leaf node call; how many calls failed. */
async function changeUnderLoad(times: number, old: string): Promise<number> {
  const key = parseSeed(await readFile(join(leaf.folder, 'control.nk'), 'utf8'), 'U')
  const driver = await openLeafDriver({
    ...{connection: nc, lattice: 'default', name: 'edge', timeoutMs: 5000, clock: systemClock},
    findKey: () => Promise.resolve(key),
  })
  const caller = await openConnection(callerSpec(leaf.url))
  const pump = startPump(caller, 'orders.get', 4)
  try {
    for (let index = 0; index < times; index++) {
      const weight = 1 + (index % 99)
      const destinations = [
        {subject: old, weight},
        {subject: 'orders.v2.get', weight: 100 - weight},
      ]
      const {verify} = await driver.apply([{source: 'orders.get', destinations}])
      expect((await verify(2000)).outcomes.every(isLive)).toBe(true)
    }
  } finally {
    await pump[Symbol.asyncDispose]()
    await caller.close()
  }
  return pump.failures()
}

test('hundred changes under load lose no call of versions with subjects of their own', async () => {
  expect(await changeUnderLoad(100, 'orders.v1.get')).toBe(0)
})
