import {afterAll, beforeAll, expect, test} from 'vitest'

import {parseVersion} from '../../../src/lib/entity/version.js'
import type {RouteRecord} from '../../../src/lib/records/route.js'
import {mappingDigest, planRoute} from '../../../src/lib/routing/plan.js'
import {routeKey, sourceOf} from '../../../src/lib/routing/source.js'
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

const [one, two] = ['1.0.0', '2.0.0'].map(parseVersion) as [
  ReturnType<typeof parseVersion>,
  ReturnType<typeof parseVersion>,
]
const all = (version: typeof one): {version: typeof one; weight: number}[] => [{version, weight: 100}]
const past = (): string => new Date(Date.now() - 60_000).toISOString()
const future = (): string => new Date(Date.now() + 60_000).toISOString()

interface Opened extends TestRoutes {
  readonly lattice: string
  actor: () => {entity: {kind: 'actor'; key: string}; ref: {name: string}; key: string}
}

let count = 0
async function open(): Promise<Opened> {
  const lattice = `reconcile-${++count}`
  const opened = await openRoutes(server.spec(lattice))
  return {
    ...opened,
    lattice,
    actor: () => {
      const {entity} = testActor()
      for (const version of [one, two])
        serveVersion(opened.connection, {lattice, entity, version}, {dark: version === two})
      return {entity: {kind: 'actor', key: entity.key}, ref: {name: entity.key}, key: routeKey(entity)}
    },
  }
}

/** What a command that died in the middle leaves behind. */
async function die({store}: Opened, key: string, change: Partial<RouteRecord>): Promise<void> {
  const {record, revision} = (await store.get(key))!
  await store.put(key, {...record, state: 'applying', deadline: past(), ...change}, revision)
}

test('there is nothing to do where nothing is due', async () => {
  await using opened = await open()
  const {routes, lattice, actor} = opened
  const {ref} = actor()
  await routes.cutOver(two, {entity: ref, expiresAt: future()})

  expect(await routes.reconcile()).toEqual({lattice, dryRun: false, routes: []})
  expect((await routes.show(ref)).recorded?.legs).toEqual(all(two))
})

test('routes whose time is over go back, each to what was before it', async () => {
  await using opened = await open()
  const {routes, lattice, actor, connection, store} = opened
  const [first, second, lasting] = [actor(), actor(), actor()]
  await routes.split(parseSplit(['70/30']), {entity: first.ref, versions: [one, two]})
  const expiresAt = past()
  await routes.cutOver(two, {entity: first.ref, expiresAt})
  // Not through a command that would put the first one back.
  const held = (await store.get(first.key))!
  await store.put(first.key, {...held.record, expiresAt: future()}, held.revision)
  await routes.cutOver(two, {entity: second.ref, expiresAt: future()})
  await routes.cutOver(two, {entity: lasting.ref})
  for (const {key} of [first, second]) {
    const {record, revision} = (await store.get(key))!
    await store.put(key, {...record, expiresAt}, revision)
  }

  const planned = await routes.reconcile({dryRun: true})
  const done = await routes.reconcile()

  expect(done.routes).toEqual(
    [
      {
        entity: first.ref.name,
        key: first.ref.name,
        action: 'restored',
        legs: [
          {version: one, weight: 70},
          {version: two, weight: 30},
        ],
        expiresAt,
      },
      {entity: second.ref.name, key: second.ref.name, action: 'restored', legs: [], expiresAt},
    ].sort((a, b) => (a.entity < b.entity ? -1 : 1)),
  )
  expect(planned.routes).toEqual(done.routes)
  expect(await measure(connection, sourceOf(lattice, second.entity), 20)).toEqual({[one]: 20})
  expect(await measure(connection, sourceOf(lattice, lasting.entity), 20)).toEqual({[two]: 20})
  expect((await store.get(first.key))?.record).toMatchObject({
    strategy: 'restore',
    why: `its time was over at ${expiresAt}`,
  })
  expect((await routes.reconcile()).routes).toEqual([])
})

test('any later change puts back what is over first, and tells it', async () => {
  await using opened = await open()
  const {routes, actor} = opened
  const [over, other] = [actor(), actor()]
  await routes.cutOver(one, {entity: over.ref})
  const expiresAt = past()
  await routes.cutOver(two, {entity: over.ref, expiresAt})

  const change = await routes.split(parseSplit(['50/50']), {entity: other.ref, versions: [one, two]})

  expect(change.warnings).toEqual([
    `The time of the route of '${over.ref.name}' was over at ${expiresAt}: it went back to 1.0.0 100 %.`,
  ])
  expect((await routes.show(over.ref)).effective).toMatchObject({legs: all(one), agrees: true})
  expect((await routes.show(other.ref)).effective).toMatchObject({legs: [{weight: 50}, {weight: 50}]})
})

test('a route that cannot go back stays, does not hold up the others, and is an exit 8', async () => {
  await using opened = await open()
  const {routes, actor, store} = opened
  const [stuck, fine] = [actor(), actor()]
  await routes.cutOver(one, {entity: stuck.ref})
  await routes.cutOver(two, {entity: stuck.ref, expiresAt: future()})
  await routes.cutOver(two, {entity: fine.ref, expiresAt: future()})
  for (const {key} of [stuck, fine]) {
    const {record, revision} = (await store.get(key))!
    const restores = key === stuck.key ? {restores: all(parseVersion('9.9.9'))} : {}
    await store.put(key, {...record, ...restores, expiresAt: past()}, revision)
  }

  const failure: unknown = await routes.reconcile().catch((error: unknown) => error)

  expect(failure).toMatchObject({
    kind: 'partial',
    details: {
      routes: expect.arrayContaining([
        expect.objectContaining({
          key: stuck.ref.name,
          action: 'kept',
          legs: all(two),
          reason: expect.stringContaining("Nobody runs '") as string,
        }),
        expect.objectContaining({key: fine.ref.name, action: 'restored', legs: []}),
      ]) as object[],
    },
  })
})

test('a change that died after it was live is completed, one that never got there is taken back', async () => {
  await using opened = await open()
  const {routes, lattice, actor, store} = opened
  const [live, never, working] = [actor(), actor(), actor()]
  for (const {ref} of [live, never, working]) await routes.cutOver(one, {entity: ref})
  await routes.cutOver(two, {entity: live.ref})
  await die(opened, live.key, {})
  const digest = mappingDigest(planRoute(lattice, never.entity, all(two)))
  const before = mappingDigest(planRoute(lattice, never.entity, all(one)))
  const wanted = {legs: all(two), replaced: all(one), digest, replacedDigest: before}
  await die(opened, never.key, wanted)
  await die(opened, working.key, {deadline: future()})

  const {routes: done} = await routes.reconcile()

  expect(new Map(done.map(({key, action, legs}) => [key, [action, legs]]))).toEqual(
    new Map([
      [live.ref.name, ['completed', all(two)]],
      [never.ref.name, ['takenBack', all(one)]],
    ]),
  )
  expect((await store.get(live.key))?.record).toMatchObject({state: 'live', strategy: 'bluegreen', replaced: all(one)})
  expect((await store.get(never.key))?.record).toMatchObject({state: 'live', legs: all(one)})
  expect((await store.get(working.key))?.record.state).toBe('applying')
})

test('a record alone makes no mapping: neither as one that is over nor as one that died', async () => {
  await using opened = await open()
  const {routes, connection, store} = opened
  const source = `${opened.lattice}.get`
  const key = routeKey({kind: 'subject', key: source})
  connection.subscribe('evil.get', {queue: 'q', callback: (_, message) => void message.respond('evil')})
  connection.subscribe(source, {queue: 'q', callback: (_, message) => void message.respond('good')})
  await connection.flush()
  const digest = mappingDigest([{source, destinations: undefined}])
  const record: RouteRecord = {
    ...{lattice: opened.lattice, kind: 'subject', key: source, name: source, source, strategy: 'ab', driver: 'jwt'},
    ...{state: 'live', legs: [], replaced: all(one), digest, replacedDigest: digest, allowances: [], servers: []},
    endpoints: [{source, addresses: {'1.0.0': 'evil.get'}}],
    ...{who: {account: 'A'}, when: past(), expiresAt: past(), restores: all(one)},
  }
  const revision = await store.put(key, record, 0)
  const {ref} = opened.actor()

  const kept = {
    kind: 'partial',
    details: {routes: [{action: 'kept', reason: expect.stringContaining('Only its record') as string}]},
  }
  await expect(routes.reconcile()).rejects.toMatchObject(kept)
  expect((await routes.cutOver(one, {entity: ref})).warnings?.[0]).toContain('Only its record tells')
  const {expiresAt: _, restores: __, ...lasting} = record
  await store.put(key, {...lasting, state: 'applying', deadline: past(), legs: all(one)}, revision)
  await expect(routes.reconcile()).rejects.toMatchObject({kind: 'partial', details: {routes: [{action: 'kept'}]}})
  expect(await measure(connection, source, 20)).toEqual({good: 20})
})

test('what goes back unasked is live or was sealed with the operator key', async () => {
  await using opened = await open()
  const {routes, connection, store, lattice} = opened
  const [source, addressOne, addressTwo] = [`${lattice}.get`, `${lattice}.v1.get`, `${lattice}.v2.get`]
  for (const [address, answer] of [
    [addressOne, '1'],
    [addressTwo, '2'],
    [`${lattice}.evil`, 'evil'],
  ] as const) {
    connection.subscribe(address, {queue: 'q', callback: (_, message) => void message.respond(answer)})
  }
  await connection.flush()
  const named = {sources: [source], addresses: [`1.0.0=${addressOne}`, `2.0.0=${addressTwo}`]}
  const key = routeKey({kind: 'subject', key: source})
  await routes.cutOver(one, named)
  await routes.cutOver(two, {...named, expiresAt: future()})
  const {record, revision} = (await store.get(key))!

  const evil = {source, addresses: {'1.0.0': `${lattice}.evil`, '2.0.0': addressTwo}}
  const forged = await store.put(key, {...record, endpoints: [evil], expiresAt: past()}, revision)
  await expect(routes.reconcile()).rejects.toMatchObject({
    kind: 'partial',
    details: {routes: [{action: 'kept', reason: expect.stringContaining('not all of that is live') as string}]},
  })
  expect(await measure(connection, source, 20)).toEqual({'2': 20})

  await store.put(key, {...record, expiresAt: past()}, forged)
  expect((await routes.reconcile()).routes).toMatchObject([{action: 'restored', legs: all(one)}])
  expect(await measure(connection, source, 20)).toEqual({'1': 20})
})

test('a record that names other subjects than those that are live is no ground for a change', async () => {
  await using opened = await open()
  const {routes, connection, store, lattice} = opened
  const [source, other, evil] = [`${lattice}.get`, `${lattice}.v2.get`, `${lattice}.evil`]
  for (const subject of [source, other, evil]) {
    connection.subscribe(subject, {queue: 'q', callback: (_, message) => void message.respond(subject)})
  }
  await connection.flush()
  const addresses = ['1.0.0=@source', `2.0.0=${other}`]
  const key = routeKey({kind: 'subject', key: source})
  await routes.split(parseSplit(['80/20']), {sources: [source], addresses})
  const {record, revision} = (await store.get(key))!
  const endpoints = [{source, addresses: {'1.0.0': source, '2.0.0': evil}}]
  await store.put(key, {...record, endpoints}, revision)

  const refused = {kind: 'unsafe', details: {state: 'drifted'}}
  await expect(routes.split(parseSplit(['50/50']), {sources: [source]})).rejects.toMatchObject(refused)
  expect(await measure(connection, source, 20)).not.toHaveProperty(evil)
})

test('a change that died over a route for some time goes back to what was before that', async () => {
  await using opened = await open()
  const {routes, lattice, actor, store} = opened
  const {ref, key, entity} = actor()
  await routes.split(parseSplit(['70/30']), {entity: ref, versions: [one, two]})
  await routes.cutOver(two, {entity: ref, expiresAt: future()})
  const digest = mappingDigest(planRoute(lattice, entity, all(one)))
  const {record, revision} = (await store.get(key))!
  const {expiresAt: _, restores: __, ...permanent} = record
  const wanted = {legs: all(one), replaced: all(two), digest, replacedDigest: record.digest}
  await store.put(key, {...permanent, ...wanted, state: 'applying', deadline: past()}, revision)

  expect((await routes.reconcile()).routes).toMatchObject([{action: 'takenBack', legs: [{weight: 70}, {weight: 30}]}])
})
