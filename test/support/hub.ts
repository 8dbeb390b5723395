import {SystemClient} from '../../src/lib/nats/system.js'
import {createTestOperator, freePort, type OperatorServer, type TestOperator} from './nats-server.js'
import {startTopology, type Topology} from './topology.js'
import {until} from './until.js'

/** A hub and one leaf of its account, joined; every part of them may have more configuration. */
export async function startHub(
  parts: Readonly<Record<'hub' | 'leaf', Parameters<Topology['add']>[1]>>,
  operator: TestOperator = createTestOperator(),
): Promise<Topology> {
  const port = await freePort()
  const listen = `leafnodes {listen: "127.0.0.1:${port}"}\n${parts.hub.config ?? ''}`
  const world = await startTopology({hub: {...parts.hub, config: listen}}, {operator})
  try {
    const hub = world.server('hub')
    const remote = `{url: "nats://127.0.0.1:${port}", credentials: "${hub.credsFile}", account: ${hub.account.publicKey}}`
    await world.add('leaf', {...parts.leaf, config: `leafnodes {remotes: [${remote}]}\n${parts.leaf.config ?? ''}`})
    await until(() => isJoined(hub), 10_000)
    return world
  } catch (error) {
    await world[Symbol.asyncDispose]()
    throw error
  }
}

async function isJoined(hub: OperatorServer): Promise<boolean> {
  await using system = await SystemClient.open(hub.spec())
  const [reply] = await system.ask('LEAFZ', {}, {expect: 1})
  return (reply?.data as {leafnodes?: number} | undefined)?.leafnodes === 1
}
