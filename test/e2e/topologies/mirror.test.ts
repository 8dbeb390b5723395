import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import type {LatticeCache} from '../../../src/lib/cache/cache.js'
import {initBuckets} from '../../../src/lib/cache/init.js'
import {Lattice} from '../../../src/lib/lattice.js'
import {SystemClient} from '../../../src/lib/nats/system.js'
import {bytes} from '../../support/cache-lattice.js'
import {createTestOperator, freePort, type OperatorServer} from '../../support/nats-server.js'
import {startTopology, type Topology} from '../../support/topology.js'
import {until} from '../../support/until.js'

let world: Topology
const open: Lattice[] = []
/** A test that is tried again gets a lattice of its own. */
let tries = 0

beforeAll(async () => {
  const operator = createTestOperator()
  const port = await freePort()
  world = await startTopology({hub: {domain: 'hub', config: `leafnodes {listen: "127.0.0.1:${port}"}`}}, {operator})
  const {credsFile, account} = world.server('hub')
  const remote = `{url: "nats://127.0.0.1:${port}", credentials: "${credsFile}", account: ${account.publicKey}}`
  await world.add('leaf', {domain: 'leaf', config: `leafnodes {remotes: [${remote}]}`})
  await until(() => isJoined(world.server('hub')), 10_000)
})

afterAll(async () => {
  await Promise.all(open.map((lattice) => lattice[Symbol.asyncDispose]()))
  await world[Symbol.asyncDispose]()
})

async function isJoined(hub: OperatorServer): Promise<boolean> {
  await using system = await SystemClient.open(hub.spec())
  const [reply] = await system.ask('LEAFZ', {}, {expect: 1})
  return (reply?.data as {leafnodes?: number} | undefined)?.leafnodes === 1
}

async function cacheAt(server: 'hub' | 'leaf', lattice: string): Promise<LatticeCache> {
  const opened = await Lattice.open({...world.server(server).spec(lattice), timeoutMs: 2000})
  open.push(opened)
  return opened.cache()
}

async function arrives(cache: LatticeCache, key: string, value: unknown): Promise<void> {
  await until(async () => {
    const found = await cache.get('key', key).catch(() => undefined)
    return found?.value === value
  }, 5000)
}

describe('buckets of a leaf node that follow those of its hub', () => {
  test('have its records, send writes there, and are read while the hub is away', async () => {
    if (world.server('hub').pid === -1) await world.server('hub').restart()
    const lattice = `shop${++tries}`
    const [hub, leaf] = [await cacheAt('hub', lattice), await cacheAt('leaf', lattice)]
    await initBuckets(hub, {history: 10})
    await hub.put('key', 'owner', bytes('"hub"'))
    const made = await initBuckets(leaf, {mirrorOf: 'hub', dryRun: true})
    expect(made.buckets.map(({state}) => state)).toEqual(['created', 'created', 'created'])
    expect(await initBuckets(leaf, {mirrorOf: 'hub'})).toMatchObject({changed: true})
    await arrives(leaf, 'owner', 'hub')
    expect(await initBuckets(leaf, {mirrorOf: 'hub'})).toMatchObject({
      changed: false,
      buckets: [{settings: {mirrorOf: 'hub', history: 10}}, {}, {}],
    })
    const put = await leaf.put('key', 'owner', bytes('"leaf"'), {})
    expect((await hub.get('key', 'owner')).revision).toBe(put.revision)
    await arrives(leaf, 'owner', 'leaf')
    expect((await leaf.list('key')).map(({value}) => value)).toEqual(['leaf'])
    expect(await leaf.bucket(`LATTICEDATA_${lattice}`).history('owner')).toHaveLength(2)
    await world.server('hub').stop()
    expect(await leaf.get('key', 'owner')).toMatchObject({value: 'leaf'})
    await expect(leaf.put('key', 'owner', bytes('"alone"'))).rejects.toMatchObject({kind: 'connection'})
    await world.server('hub').restart()
    await until(() => isJoined(world.server('hub')), 10_000)
    await until(
      () =>
        leaf.put('key', 'owner', bytes('"again"')).then(
          () => true,
          () => false,
        ),
      10_000,
    )
    await arrives(await cacheAt('hub', lattice), 'owner', 'again')
  }, 60_000)

  test('are refused where the hub has none, or where there are own ones', async () => {
    const lattice = `other${++tries}`
    const [hub, leaf] = [await cacheAt('hub', lattice), await cacheAt('leaf', lattice)]
    await expect(initBuckets(leaf, {mirrorOf: 'hub'})).rejects.toMatchObject({
      kind: 'notFound',
      suggestions: [expect.stringContaining('lattice cache init --js-domain hub')],
    })
    await expect(initBuckets(leaf, {mirrorOf: 'nowhere'})).rejects.toMatchObject({kind: 'connection'})
    await initBuckets(leaf, {})
    await initBuckets(hub, {})
    await expect(initBuckets(leaf, {mirrorOf: 'hub', update: true})).rejects.toMatchObject({
      kind: 'unsafe',
      message: expect.stringContaining('no server changes that to hub') as string,
    })
  })
})
