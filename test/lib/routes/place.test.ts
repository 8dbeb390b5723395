import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {parseVersion} from '../../../src/lib/entity/version.js'
import {sourceOf} from '../../../src/lib/routing/source.js'
import {parseSplit} from '../../../src/lib/routing/weights.js'
import {measure, openRoutes, serveVersion, testActor, type TestRoutes} from '../../support/routes.js'
import {startTopology, superclusterOf, type Topology} from '../../support/topology.js'
import {until} from '../../support/until.js'

let topology: Topology
let east: NatsConnection
let west: NatsConnection
beforeAll(async () => {
  topology = await startTopology(await superclusterOf(['east', 'west'], 1))
  ;[east, west] = await Promise.all([topology.connect('east-0'), topology.connect('west-0')])
})
afterAll(async () => {
  await topology[Symbol.asyncDispose]()
})

const [one, two] = ['1.0.0', '2.0.0'].map(parseVersion) as [
  ReturnType<typeof parseVersion>,
  ReturnType<typeof parseVersion>,
]

let count = 0
/** Both versions answer in both clusters. */
async function open(): Promise<TestRoutes & {ref: {name: string}; source: string}> {
  const lattice = `place-${++count}`
  const opened = await openRoutes(topology.server('east-0').spec(lattice))
  const {entity, ref} = testActor()
  for (const version of [one, two]) {
    for (const nc of [east, west]) serveVersion(nc, {lattice, entity, version}, {dark: version === two})
  }
  await Promise.all([east.flush(), west.flush()])
  return {...opened, ref, source: sourceOf(lattice, entity)}
}

describe('legs of a cluster', () => {
  test('move the traffic of its callers, and of no others', async () => {
    await using opened = await open()
    const {routes, ref, source} = opened
    await routes.cutOver(one, {entity: ref})

    const change = await routes.cutOver(two, {entity: ref, cluster: 'east'})

    expect(change.legs).toEqual([
      {version: one, weight: 100},
      {version: two, weight: 100, cluster: 'east'},
    ])
    expect(change.servers.total).toBe(2)
    await until(async () => (await measure(west, source, 1))[one] === 1, 10_000)
    expect(await measure(east, source, 30)).toEqual({[two]: 30})
    expect(await measure(west, source, 30)).toEqual({[one]: 30})
    expect((await routes.show(ref)).effective).toMatchObject({legs: change.legs, agrees: true})

    // The last region: what every cluster does alike is said once.
    const everywhere = await routes.cutOver(two, {entity: ref})
    expect(everywhere.legs).toEqual([{version: two, weight: 100}])
    expect(await measure(west, source, 30)).toEqual({[two]: 30})
    expect((await routes.undo(ref)).legs).toEqual(change.legs)
    expect((await routes.cutOver(one, {entity: ref, cluster: 'east'})).legs).toEqual([{version: one, weight: 100}])
  })

  test('are refused where NATS cannot express them, where the cluster is none, and where it is not said which', async () => {
    await using opened = await open()
    const {routes, ref} = opened
    await routes.cutOver(one, {entity: ref})

    await expect(routes.shift({to: two, weight: 10, entity: ref, cluster: 'east'})).rejects.toMatchObject({
      kind: 'unsafe',
      message: `Version 1.0.0 of '${ref.name}' would get traffic in cluster east and everywhere else, and NATS takes each destination of a source once for all clusters together.`,
    })
    await expect(routes.cutOver(two, {entity: ref, cluster: 'north'})).rejects.toMatchObject({
      kind: 'notFound',
      suggestions: ['--cluster east', '--cluster west'],
    })
    await routes.cutOver(two, {entity: ref, cluster: 'east'})
    await expect(routes.shift({to: two, weight: 10, entity: ref})).rejects.toMatchObject({kind: 'ambiguous'})
  })

  test('leave an incumbent to every cluster, because it stays on the source', async () => {
    await using opened = await open()
    const {routes} = opened
    const name = `orders${count}`
    for (const nc of [east, west]) {
      nc.subscribe(`${name}.get`, {queue: 'q', callback: (_, message) => void message.respond(one)})
      nc.subscribe(`${name}.v2.get`, {queue: 'q', callback: (_, message) => void message.respond(two)})
    }
    await Promise.all([east.flush(), west.flush()])
    const written = {sources: [`${name}.get`], addresses: ['1.0.0=@source', `2.0.0=${name}.v2.get`]}

    const change = await routes.shift({to: two, weight: 40, cluster: 'west'}, written)

    expect(change.legs).toEqual([
      {version: one, weight: 100},
      {version: one, weight: 60, cluster: 'west'},
      {version: two, weight: 40, cluster: 'west'},
    ])
    expect(await measure(east, `${name}.get`, 30)).toEqual({[one]: 30})
    const counts = await measure(west, `${name}.get`, 300)
    expect(Object.keys(counts).sort()).toEqual([one, two])
    expect(counts[two]).toBeGreaterThan(60)
    const split = await routes.split(parseSplit(['50/50']), {...written, versions: [one, two], cluster: 'west'})
    expect(split.legs[1]).toEqual({version: one, weight: 50, cluster: 'west'})
  })
})
