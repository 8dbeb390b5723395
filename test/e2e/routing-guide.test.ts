import {readFile} from 'node:fs/promises'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {openConnection} from '../../src/lib/nats/connect.js'
import {cliIn, runToEnd, type Cli} from '../support/cli.js'
import {startOperatorServer, type OperatorServer} from '../support/nats-server.js'
import {startPump} from '../support/pump.js'
import {measure} from '../support/routes.js'
import {behind, runService} from '../support/services.js'
import {tempFolder, type TempFolder} from '../support/temp.js'
import {changeAccount} from '../support/users.js'

const [routing, lattices] = await Promise.all(
  ['routing', 'many-lattices'].map((name) => readFile(new URL(`../../docs/${name}.md`, import.meta.url), 'utf8')),
)

/** The shell blocks of each pattern of the guide, by its heading. */
function patternsOf(text: string): Map<string, readonly string[]> {
  const part = text.slice(text.indexOf('\n## Patterns\n')).split(/\n## /)[1]!
  const patterns = part.split('\n### ').slice(1)
  return new Map(patterns.map((pattern) => [pattern.slice(0, pattern.indexOf('\n')), shellBlocks(pattern)]))
}

function shellBlocks(text: string): string[] {
  return [...text.matchAll(/```sh\n([^]*?)```/g)].map(([, block]) => block!)
}

let server: OperatorServer
let folder: TempFolder
let cli: Cli
let nc: NatsConnection

beforeAll(async () => {
  server = await startOperatorServer()
  folder = await tempFolder()
  cli = await cliIn(folder.path, {
    LATTICE_URL: server.url,
    LATTICE_CREDS: server.credsFile,
    LATTICE_SYS_CREDS: server.sysCredsFile,
    LATTICE_OPERATOR_SEED_FILE: server.operatorKeyFile,
  })
  nc = await openConnection(server.spec())
  for (const major of [1, 2]) {
    const endpoints = {get: behind('orders.get', major), put: behind('orders.put', major)}
    await runService(nc, {name: 'orders', version: `${major}.0.0`, endpoints})
  }
  for (const [subject, version] of [
    ['prices.get', '1.0.0'],
    ['prices.v2.get', '2.0.0'],
  ] as const) {
    nc.subscribe(subject, {queue: 'prices', callback: (_error, message) => void message.respond(version)})
  }
  await nc.flush()
})

afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

/** Runs a block of a guide; all of its lines must succeed. */
async function paste(block: string): Promise<string> {
  const ended = await runToEnd('sh', ['-e', '-c', `cd '${folder.path}'\n${block}`], cli.env)
  expect(ended.exitCode, `${block}\n${ended.stdout}${ended.stderr}`).toBe(0)
  return ended.stdout
}

const [ordersV1, ordersV2] = ['1.0.0 orders.v1.get', '2.0.0 orders.v2.get'] as const

const tried: Readonly<Record<string, (blocks: readonly string[]) => Promise<void>>> = {
  'Blue/green': async ([block]) => {
    expect(await paste(block!)).toContain(ordersV2)
    expect(await measure(nc, 'orders.get', 20)).toEqual({[ordersV1]: 20})
  },
  'A/B': async ([block]) => {
    expect(await paste(block!)).toContain('live as recorded')
    expect(Object.keys(await measure(nc, 'orders.get', 60)).sort()).toEqual([ordersV1, ordersV2])
  },
  'A canary behind a gate': async ([block]) => {
    await paste(block!)
    expect(await measure(nc, 'orders.get', 20)).toEqual({[ordersV2]: 20})
  },
  'A first canary without a redeploy': async ([block]) => {
    const [split, ...rest] = block!.trim().split('\n')
    await paste(split!)
    const counts = await measure(nc, 'prices.get', 1000)
    // Five standard deviations.
    expect(Math.abs(counts['2.0.0']! - 100)).toBeLessThan(48)
    await paste(rest.join('\n'))
    expect(await measure(nc, 'prices.get', 20)).toEqual({'1.0.0': 20})
  },
  'Several services in one step': async ([block]) => {
    await paste(block!)
    const {routes} = await cli.ok<{routes: {entity: string; state: string}[]}>('route', 'ls')
    expect(routes.map(({entity, state}) => `${entity} ${state}`).sort()).toEqual([
      'orders current',
      'prices.get current',
    ])
  },
  'A fault, for some time': async ([block]) => {
    await using pump = startPump(nc, 'orders.get', 1)
    await paste(block!)
    expect(await measure(nc, 'orders.get', 20)).toEqual({[ordersV1]: 20})
    await pump[Symbol.asyncDispose]()
    expect(pump.failures()).toBeGreaterThan(0)
  },
  'What somebody else made': async ([ours, repair]) => {
    await paste(ours!)
    await changeAccount(server, {mappings: {'orders.*': [{subject: 'orders.v2.$1', weight: 100}]}})
    expect(await measure(nc, 'orders.get', 20)).toEqual({[ordersV2]: 20})
    expect(await paste(repair!)).toContain('80 %')
    expect(Object.keys(await measure(nc, 'orders.get', 100)).sort()).toEqual([ordersV1, ordersV2])
  },
  // In test/e2e/topologies/routes-supercluster.test.ts.
  'One region first': (blocks) => {
    expect(blocks).toEqual([])
    return Promise.resolve()
  },
}

describe('the patterns of docs/routing.md do what they say', () => {
  const patterns = patternsOf(routing!)

  test('each of them is tried here', () => {
    expect([...patterns.keys()]).toEqual(Object.keys(tried))
  })

  test.each(Object.entries(tried))('%s', async (name, tryIt) => {
    await tryIt(patterns.get(name) ?? [])
  })
})

test('the commands of docs/many-lattices.md do what they say', async () => {
  const [block] = shellBlocks(lattices!)
  const said = await paste(block!)
  expect(said).toContain('100')
})
