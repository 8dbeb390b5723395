import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {connect, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {openConnection} from '../../src/lib/nats/connect.js'
import {runToEnd, type Ended} from '../support/cli.js'
import {startLeafWorld, type LeafWorld} from '../support/leaf-world.js'
import {startPump} from '../support/pump.js'
import {measure} from '../support/routes.js'
import {until} from '../support/until.js'

const guide = await readFile(new URL('../../docs/no-keys.md', import.meta.url), 'utf8')

/** The fenced blocks of a language below a heading. */
function blocksOf(heading: string, language: string): string[] {
  const at = guide.indexOf(`\n${heading}\n`)
  expect(at, heading).toBeGreaterThan(0)
  const part = guide.slice(at + 1).split(/\n#{2,3} /)[0]!
  return [...part.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))].map(([, block]) => block!)
}

let world: LeafWorld
let workers: NatsConnection
let oldWorkers: NatsConnection

beforeAll(async () => {
  world = await startLeafWorld()
  oldWorkers = await serve('1.0.0', 'orders.get')
  workers = await serve('2.0.0', 'orders.Mi4wLjA.get')
})

afterAll(async () => {
  await Promise.all([oldWorkers, workers].map((nc) => nc.close()))
  await world[Symbol.asyncDispose]()
})

/** Plain queue subscribers at the hub. */
async function serve(version: string, subject: string): Promise<NatsConnection> {
  const nc = await openConnection(world.hub.spec())
  nc.subscribe(subject, {queue: 'orders', callback: (_error, message) => void message.respond(version)})
  await nc.flush()
  return nc
}

/** Runs lines of the guide in a repository; each of them must succeed. */
async function paste(lines: string): Promise<Ended> {
  const ended = await runToEnd('sh', ['-e', '-c', `cd '${world.cli.folder}/repository'\n${lines}`], world.cli.env)
  expect(ended.exitCode, `${lines}\n${ended.stdout}${ended.stderr}`).toBe(0)
  if (process.env['SHOW'] !== undefined) process.stdout.write(`${lines}${ended.stderr}${ended.stdout}\n`)
  return ended
}

/** JetStream of the account, from behind a leaf node. */
async function expectStreams(caller: NatsConnection): Promise<void> {
  const made = await caller.request(
    '$JS.API.STREAM.CREATE.EVENTS',
    JSON.stringify({name: 'EVENTS', subjects: ['events.>']}),
  )
  expect(made.json()).toMatchObject({config: {name: 'EVENTS'}})
  // What the account's servers listen on is known behind a leaf node a moment later.
  await until(async () => (await caller.request('events.made').catch(() => undefined)) !== undefined, 5000)
  const stored = await caller.request('$JS.API.STREAM.MSG.GET.EVENTS', JSON.stringify({last_by_subj: 'events.made'}))
  expect(stored.json()).toMatchObject({message: {subject: 'events.made'}})
}

/** Whatever two versions get of so many calls, this is never further than five standard deviations off. */
function expectShare(counts: Readonly<Record<string, number>>, calls: number, percent: number): void {
  const share = percent / 100
  const deviation = Math.sqrt(calls * share * (1 - share))
  expect(Math.abs((counts['2.0.0'] ?? 0) - calls * share)).toBeLessThanOrEqual(5 * deviation)
  expect((counts['1.0.0'] ?? 0) + (counts['2.0.0'] ?? 0)).toBe(calls)
}

describe('the story of docs/no-keys.md: a team with user credentials only', () => {
  const story = '### From a CI job: 0, 10, 50, 100, and the old version retires'

  test('0 → 10 → 50 → 100 → retire', async () => {
    const [start] = blocksOf('## A leaf node beside the callers', 'sh')
    const [services] = blocksOf(story, 'yaml')
    const [first, rest] = blocksOf(story, 'sh')
    await mkdir(join(world.cli.folder, 'repository', '.git'), {recursive: true})
    await writeFile(join(world.cli.folder, 'repository', 'services.yaml'), services!)
    const url = await world.started(await paste(start!.trim().replace('--detach', `--detach ${world.here}`)))
    const caller = await connect({servers: url})
    const elsewhere = await openConnection(world.hub.spec())
    try {
      await using pump = startPump(caller, 'orders.get', 1)
      // 0: callers are behind the leaf node, and nothing has changed for them.
      expectShare(await measure(caller, 'orders.get', 200), 200, 0)
      await expectStreams(caller)
      await paste(first!)
      expectShare(await measure(caller, 'orders.get', 1000), 1000, 10)
      const [half, ...others] = rest!.trim().split('\n')
      await paste(half!)
      expectShare(await measure(caller, 'orders.get', 1000), 1000, 50)
      // Callers elsewhere are as they were.
      expect(await measure(elsewhere, 'orders.get', 100)).toEqual({'1.0.0': 100})
      await paste(others.join('\n'))
      expectShare(await measure(caller, 'orders.get', 200), 200, 100)
      // The old version retires.
      await oldWorkers.close()
      expectShare(await measure(caller, 'orders.get', 200), 200, 100)
      await pump[Symbol.asyncDispose]()
      // What is left on the source may lose a call at each of the three changes, and nothing else may.
      expect(pump.failures()).toBeLessThanOrEqual(3)
    } finally {
      await Promise.all([caller.close(), elsewhere.close()])
    }
  })
})
