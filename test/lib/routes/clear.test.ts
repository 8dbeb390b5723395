import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {parseVersion} from '../../../src/lib/entity/version.js'
import {parseSplit} from '../../../src/lib/routing/weights.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {measure, openRoutes} from '../../support/routes.js'
import {behind, runService} from '../../support/services.js'

let server: OperatorServer
beforeAll(async () => {
  server = await startOperatorServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

const [one, two] = ['1.0.0', '2.0.0'].map(parseVersion) as [
  ReturnType<typeof parseVersion>,
  ReturnType<typeof parseVersion>,
]
let count = 0

describe('clear', () => {
  // Services belong to the default lattice unless they say otherwise.
  test('leaves no mapping of a plain subject while its incumbent has traffic, else the version that has it', async () => {
    await using opened = await openRoutes(server.spec())
    const {routes, connection} = opened
    const source = `clear${++count}.get`
    connection.subscribe(source, {queue: 'q', callback: (_, message) => void message.respond(one)})
    connection.subscribe(`${source}.v2`, {queue: 'q', callback: (_, message) => void message.respond(two)})
    await connection.flush()
    const written = {sources: [source], addresses: ['1.0.0=@source', `2.0.0=${source}.v2`]}
    await routes.split(parseSplit(['80/20']), written)

    expect(await routes.clear(undefined, written)).toMatchObject({legs: [], changed: true})
    expect(await measure(connection, source, 20)).toEqual({[one]: 20})

    await routes.cutOver(two, written)
    expect(await routes.clear(undefined, {sources: [source]})).toMatchObject({
      legs: [{version: two, weight: 100}],
      changed: false,
      reason: `Version 1.0.0 listens on the source of '${source}' and has no traffic now, so version 2.0.0 stays at 100 %.`,
    })
    expect(await measure(connection, source, 20)).toEqual({[two]: 20})
  })

  test('of a route to nobody takes the mapping away, and says that nobody listens', async () => {
    await using opened = await openRoutes(server.spec())
    const {routes} = opened
    const source = `clear${++count}.get`
    const written = {sources: [source], addresses: [`1.0.0=${source}.v1`, `2.0.0=${source}.v2`]}
    await routes.split(parseSplit(['80/20']), {...written, allow: ['no-subscriber']})

    expect(await routes.undo(undefined, {sources: [source]})).toMatchObject({
      legs: [],
      changed: true,
      warnings: [`Nobody listens for '${source}' at all: neither on the source nor on a leg.`],
    })
  })

  test('of a service with several endpoints clears all of them, where all are served', async () => {
    await using opened = await openRoutes(server.spec())
    const {routes, connection} = opened
    const name = `shop${++count}`
    const endpoints = {get: {subject: `${name}.get`}, put: {subject: `${name}.put`}}
    await runService(connection, {name, version: one, endpoints})
    const beside = {get: behind(`${name}.get`, 2), put: behind(`${name}.put`, 2)}
    await runService(connection, {name, version: two, endpoints: beside})
    const change = await routes.split(parseSplit(['50/50']), {entity: {name}, versions: [one, two]})
    expect(change.legs).toHaveLength(2)

    expect(await routes.clear({name})).toMatchObject({legs: [], changed: true})
    expect(await measure(connection, `${name}.get`, 10)).toEqual({[`${one} ${name}.get`]: 10})
    expect(await measure(connection, `${name}.put`, 10)).toEqual({[`${one} ${name}.put`]: 10})

    await routes.cutOver(two, {entity: {name}})
    expect(await routes.clear({name})).toMatchObject({legs: [{version: two, weight: 100}], changed: false})
    expect(await routes.undo({name})).toMatchObject({legs: []})
  })

  test('of a service whose versions all stand beside its source leaves one leg, because nobody is there', async () => {
    await using opened = await openRoutes(server.spec())
    const {routes, connection} = opened
    const name = `pay${++count}`
    for (const [version, major] of [
      [one, 1],
      [two, 2],
    ] as const) {
      await runService(connection, {name, version, endpoints: {get: behind(`${name}.get`, major)}})
    }
    await routes.split(parseSplit(['30/70']), {entity: {name}, versions: [one, two]})

    expect(await routes.clear({name})).toMatchObject({
      legs: [{version: two, weight: 100}],
      reason: `Nobody listens on the source of '${name}' itself, so version 2.0.0 stays at 100 %.`,
    })
  })

  test('a canary of a service, its faults and its way back need no mapping to start from', async () => {
    await using opened = await openRoutes(server.spec())
    const {routes, connection} = opened
    const name = `ship${++count}`
    await runService(connection, {name, version: one, endpoints: {get: {subject: `${name}.get`}}})
    await runService(connection, {name, version: two, endpoints: {get: behind(`${name}.get`, 2)}})

    const canary = await routes.shift({to: two, weight: 20, entity: {name}})
    expect(canary.legs).toEqual([
      {version: one, weight: 80},
      {version: two, weight: 20},
    ])
    expect((await routes.fault({drop: 50}, {entity: {name}})).legs.map(({weight}) => weight)).toEqual([40, 40, 10, 10])
    const answers = await measure(connection, `${name}.get`, 200)
    expect(Object.keys(answers).sort()).toEqual([`${one} ${name}.get`, `${two} ${name}.v2.get`, 'lost'].sort())
    expect((await routes.undo({name})).legs).toEqual(canary.legs)
  })
})
