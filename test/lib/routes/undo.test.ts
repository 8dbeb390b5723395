import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {parseVersion} from '../../../src/lib/entity/version.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {routeKey, sourceOf} from '../../../src/lib/routing/source.js'
import {parseSplit} from '../../../src/lib/routing/weights.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {measure, openRoutes, type TestRoutes} from '../../support/routes.js'
import {scriptedHost, type ScriptedHost} from '../../support/scripted-host.js'

let server: OperatorServer
beforeAll(async () => {
  server = await startOperatorServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

const one = parseVersion('1.0.0')
const two = parseVersion('2.0.0')
const legs = (first: number, second: number): object[] => [
  {version: one, weight: first},
  {version: two, weight: second},
]
const echo = {name: 'echo'}

let count = 0
/** A host that runs `echo` in version 1.0.0, and 2.0.0 dark. */
async function open(): Promise<TestRoutes & {host: ScriptedHost; key: string; source: string}> {
  const lattice = `undo-${++count}`
  const opened = await openRoutes(server.spec(lattice))
  const host = scriptedHost(opened.connection, lattice)
  const {publicKey: key} = createKey('M')
  await host.run({key, name: 'echo', version: one})
  await host.run({key, name: 'echo', version: two, dark: true})
  return {...opened, host, key, source: sourceOf(lattice, {kind: 'actor', key})}
}

describe('a first weight', () => {
  test('makes a dark version listen on the source too, after the route is live', async () => {
    await using opened = await open()
    const change = await opened.routes.split(parseSplit(['70/30']))
    expect(change.inferred).toBe('lattice route ab echo@1.0.0=70 echo@2.0.0=30')
    expect(opened.host.scaled).toMatchObject([{key: opened.key, version: two, dark: false, count: 4}])
    expect(change.warnings).toBeUndefined()
  })

  test('of a version that was dark is undone by the cutover to the other one', async () => {
    await using opened = await open()
    expect((await opened.routes.split(parseSplit(['70/30']))).undo).toBe('lattice route bluegreen echo --to 1.0.0')
    expect((await opened.routes.cutOver(two)).undo).toBe('lattice route undo echo')
  })
})

describe('undo', () => {
  test('goes back one change, and a second undo redoes it', async () => {
    await using opened = await open()
    const {routes} = opened
    await routes.split(parseSplit(['70/30']))
    await routes.split(parseSplit(['30/70']))

    expect(await routes.undo(undefined)).toMatchObject({strategy: 'undo', changed: true, legs: legs(70, 30)})
    expect(await routes.undo(echo)).toMatchObject({legs: legs(30, 70), previous: legs(70, 30)})
  })

  test('goes back to a revision, and repeated that is no change', async () => {
    await using opened = await open()
    const {routes} = opened
    const {revision} = await routes.split(parseSplit(['70/30']))
    await routes.split(parseSplit(['30/70']))
    await routes.split(parseSplit(['0/100']))

    expect(await routes.undo(echo, {to: revision})).toMatchObject({changed: true, legs: legs(70, 30)})
    expect(await routes.undo(echo, {to: revision})).toMatchObject({changed: false, legs: legs(70, 30)})
  })

  test('refuses a revision that never was live, and names those that were', async () => {
    await using opened = await open()
    const {routes} = opened
    const {revision} = await routes.split(parseSplit(['70/30']))
    await expect(routes.undo(echo, {to: revision! - 1})).rejects.toMatchObject({
      kind: 'notFound',
      suggestions: [`lattice route undo echo --to ${revision!}`],
    })
    await expect(routes.undo(echo, {to: 9999})).rejects.toMatchObject({kind: 'notFound'})
  })

  test('of the first change is refused while both versions would share the source', async () => {
    await using opened = await open()
    await opened.routes.split(parseSplit(['70/30']))
    await expect(opened.routes.undo(echo)).rejects.toMatchObject({
      kind: 'unsafe',
      suggestions: expect.arrayContaining([
        'lattice route bluegreen echo --to 1.0.0',
        'lattice route undo echo --share',
      ]) as string[],
    })
    expect(await opened.routes.undo(echo, {share: true})).toMatchObject({changed: true, legs: []})
  })

  test('goes through the preflight: a version that is gone gets no traffic back', async () => {
    await using opened = await open()
    const {routes, host, key} = opened
    await routes.split(parseSplit(['70/30']))
    await routes.cutOver(two)
    await host.stop(key, one)
    await expect(routes.undo(echo)).rejects.toMatchObject({kind: 'unsafe', message: "Nobody runs 'echo@1.0.0'."})
  })

  test('without a record is not found', async () => {
    await using opened = await open()
    await expect(opened.routes.undo(echo)).rejects.toMatchObject({kind: 'notFound'})
    await expect(opened.routes.undo(undefined)).rejects.toMatchObject({kind: 'notFound'})
  })
})

describe('clear', () => {
  test('is refused while two versions would share the traffic by chance', async () => {
    await using opened = await open()
    await opened.routes.split(parseSplit(['70/30']))
    await expect(opened.routes.clear(echo)).rejects.toMatchObject({
      kind: 'unsafe',
      message:
        "Without a mapping the versions 1.0.0, 2.0.0 of 'echo' would share its traffic by their number of subscribers.",
    })
    expect((await opened.routes.show(echo)).state).toBe('current')
  })

  test('may be told to let them share it', async () => {
    await using opened = await open()
    const {routes, store, key} = opened
    await routes.split(parseSplit(['70/30']))
    expect(await routes.clear(echo, {share: true})).toMatchObject({legs: [], previous: legs(70, 30), changed: true})
    expect((await store.get(routeKey({kind: 'actor', key})))?.record.allowances).toEqual(['share'])
    expect(await routes.show(echo)).toMatchObject({
      state: 'current',
      effective: {visible: true, mappings: null},
      implicit: [
        {version: one, share: 50},
        {version: two, share: 50},
      ],
    })
  })

  test('after the old version is gone removes the mapping, and nothing is lost', async () => {
    await using opened = await open()
    const {routes, host, key, connection, source} = opened
    await routes.split(parseSplit(['70/30']))
    await routes.cutOver(two)
    await host.stop(key, one)

    expect(await routes.clear(echo)).toMatchObject({legs: [], previous: [{version: two, weight: 100}], changed: true})
    expect(await measure(connection, source, 100)).toEqual({'2.0.0': 100})
    expect(await routes.clear(echo)).toMatchObject({changed: false})
    expect(await routes.list()).toEqual([])
  })

  test('leaves one leg at 100 where nobody listens on the source, and says why', async () => {
    await using opened = await open()
    const {routes, host, key, connection, source} = opened
    await routes.split(parseSplit(['30/70']))
    await host.stop(key, one)
    await host.stop(key, two)
    await host.run({key, name: 'echo', version: two, dark: true})

    const change = await routes.clear(echo)

    expect(change).toMatchObject({
      legs: [{version: two, weight: 100}],
      reason: "Nobody listens on the source of 'echo' itself, so version 2.0.0 stays at 100 %.",
    })
    expect(await measure(connection, source, 50)).toEqual({'2.0.0': 50})
  })

  test('does not take who only watches the source for somebody who answers', async () => {
    await using opened = await open()
    const {routes, host, key, connection, source} = opened
    await routes.cutOver(two)
    await host.stop(key, one)
    await host.stop(key, two)
    await host.run({key, name: 'echo', version: two, dark: true})
    connection.subscribe(source, {callback: () => undefined})
    await connection.flush()

    expect(await routes.clear(echo)).toMatchObject({legs: [{version: two, weight: 100}], changed: false})
    expect(await measure(connection, source, 50)).toEqual({'2.0.0': 50})
  })

  test('moves no traffic to a version that has none: the one that has it stays', async () => {
    await using opened = await open()
    const {routes, host, key} = opened
    await routes.cutOver(two)
    await host.stop(key, two)
    await host.run({key, name: 'echo', version: two, dark: true})
    const change = await routes.clear(echo, {dryRun: true})
    expect(change).toMatchObject({
      legs: [{version: two, weight: 100}],
      reason: "Version 1.0.0 listens on the source of 'echo' and has no traffic now, so version 2.0.0 stays at 100 %.",
    })
    // What was there before is another matter.
    expect((await routes.undo(echo, {dryRun: true})).warnings).toEqual([
      "All traffic goes to 'echo@1.0.0', which has none now.",
    ])
  })

  test('of several routes is ambiguous', async () => {
    await using opened = await open()
    const {routes, host} = opened
    const {publicKey: key} = createKey('M')
    await host.run({key, name: 'ping', version: one})
    await routes.cutOver(one, {entity: echo})
    await routes.cutOver(one, {entity: {name: 'ping'}})
    await expect(routes.clear(undefined)).rejects.toMatchObject({
      kind: 'ambiguous',
      suggestions: ['lattice route clear echo', 'lattice route clear ping'],
    })
    expect((await routes.list()).map(({entity, state}) => [entity, state])).toEqual([
      ['echo', 'current'],
      ['ping', 'current'],
    ])
  })
})
