import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {parseVersion} from '../../../src/lib/entity/version.js'
import {legAddress, sourceOf} from '../../../src/lib/routing/source.js'
import {parseSplit} from '../../../src/lib/routing/weights.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {measure, openRoutes, serveVersion, testActor, type TestRoutes} from '../../support/routes.js'

let server: OperatorServer
beforeAll(async () => {
  server = await startOperatorServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

const [one, two, three] = ['1.0.0', '2.0.0', '3.0.0'].map(parseVersion) as [
  ReturnType<typeof parseVersion>,
  ReturnType<typeof parseVersion>,
  ReturnType<typeof parseVersion>,
]

let count = 0
/** An actor in a lattice of its own: 1.0.0 listens on the source, the others are dark. */
async function open(): Promise<TestRoutes & {ref: {name: string}; source: string; address: (v: string) => string}> {
  const lattice = `strategies-${++count}`
  const opened = await openRoutes(server.spec(lattice))
  const {entity, ref} = testActor()
  for (const version of [one, two, three]) {
    serveVersion(opened.connection, {lattice, entity, version}, {dark: version !== one})
  }
  await opened.connection.flush()
  return {
    ...opened,
    ref,
    source: sourceOf(lattice, entity),
    address: (version) => legAddress(lattice, entity, version),
  }
}

describe('a canary', () => {
  test('takes its share from the legs that are there, which keep their proportions', async () => {
    await using opened = await open()
    const {routes, ref} = opened
    await routes.split(parseSplit(['70/30']), {entity: ref, versions: [one, two]})

    const change = await routes.shift({to: three, weight: 10, entity: ref})

    expect(change).toMatchObject({strategy: 'canary', previous: [{weight: 70}, {weight: 30}]})
    expect(change.legs).toEqual([
      {version: one, weight: 63},
      {version: two, weight: 27},
      {version: three, weight: 10},
    ])
    expect((await routes.shift({to: three, weight: 100, entity: ref})).legs).toEqual([{version: three, weight: 100}])
    expect(Object.keys(await measure(opened.connection, opened.source, 50))).toEqual([three])
  })

  test('is refused where nobody knows who has the traffic, and where nothing is left to have the rest', async () => {
    await using opened = await open()
    const {routes, ref} = opened
    // No host shows what runs, and nothing is mapped.
    await expect(routes.shift({to: two, weight: 10, entity: ref})).rejects.toMatchObject({kind: 'unsafe'})
    await routes.cutOver(two, {entity: ref})
    await expect(routes.shift({to: two, weight: 10, entity: ref})).rejects.toMatchObject({
      kind: 'usage',
      message: 'Version 2.0.0 has all traffic, and no other version is known to get the rest.',
    })
  })
})

describe('a fault', () => {
  test('lets its share fail at once, of every leg, and a version with all of its share', async () => {
    await using opened = await open()
    const {routes, ref, connection, source} = opened
    await routes.split(parseSplit(['60/40']), {entity: ref, versions: [one, two]})

    const change = await routes.fault({drop: 50}, {entity: ref})

    expect(change.legs).toEqual([
      {version: one, weight: 30},
      {version: one, weight: 30, sink: true},
      {version: two, weight: 20},
      {version: two, weight: 20, sink: true},
    ])
    const started = performance.now()
    const answers = await measure(connection, source, 200)
    expect(performance.now() - started).toBeLessThan(2000)
    expect(answers['lost']).toBeGreaterThan(50)
    expect(answers['lost']).toBeLessThan(150)

    expect((await routes.fault({fail: two}, {entity: ref})).legs).toEqual([
      {version: one, weight: 60},
      {version: two, weight: 40, sink: true},
    ])
    expect(Object.keys(await measure(connection, source, 100)).sort()).toEqual([one, 'lost'])
    await expect(routes.fault({fail: three}, {entity: ref})).rejects.toMatchObject({kind: 'usage'})
  })

  test('is refused while somebody hears what is dropped, by the name of that rule', async () => {
    await using opened = await open()
    const {routes, ref, connection, spec} = opened
    await routes.cutOver(one, {entity: ref})
    const tap = connection.subscribe(`wasmbus.rpc.${spec.lattice}.>`)
    await connection.flush()

    const refused: unknown = await routes.fault({drop: 10}, {entity: ref}).catch((error: unknown) => error)

    expect(refused).toMatchObject({
      kind: 'unsafe',
      suggestions: expect.arrayContaining(['--allow sink-heard   (switches off this rule alone)']) as string[],
      details: {findings: [expect.objectContaining({rule: 'sink-heard', level: 'refuse'})]},
    })
    expect((await routes.fault({drop: 10}, {entity: ref, allow: ['sink-heard']})).changed).toBe(true)
    tap.unsubscribe()
  })
})
