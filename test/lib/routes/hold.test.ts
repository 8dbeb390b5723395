import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {systemClock} from '../../../src/lib/clock.js'
import {parseVersion} from '../../../src/lib/entity/version.js'
import {createTemporaryUser} from '../../../src/lib/keys/operator.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import type {ChangeOptions} from '../../../src/lib/routes/draft.js'
import type {RouteChange} from '../../../src/lib/routes/result.js'
import type {Held} from '../../../src/lib/routes/strategies/hold.js'
import type {StepEvent} from '../../../src/lib/routes/strategies/steps.js'
import {routeKey, sourceOf} from '../../../src/lib/routing/source.js'
import {parseSplit} from '../../../src/lib/routing/weights.js'
import {startOperatorServer, until, type OperatorServer} from '../../support/nats-server.js'
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
const all = (version: typeof one): object[] => [{version, weight: 100}]

interface Opened extends TestRoutes {
  readonly entity: ReturnType<typeof testActor>['entity']
  readonly ref: {readonly name: string}
  readonly source: string
  readonly record: () => Promise<
    {legs: readonly object[]; strategy: string; expiresAt?: string | undefined} | undefined
  >
}

let count = 0
/** An actor in a lattice of its own, both versions running; 1.0.0 on the source too. */
async function open(served = [one, two]): Promise<Opened> {
  const lattice = `hold-${++count}`
  const opened = await openRoutes(server.spec(lattice))
  const {entity, ref} = testActor()
  for (const version of served) serveVersion(opened.connection, {lattice, entity, version}, {dark: version !== one})
  await opened.connection.flush()
  return {
    ...opened,
    entity,
    ref,
    source: sourceOf(lattice, entity),
    record: async () => (await opened.store.get(routeKey(entity)))?.record,
  }
}

/** Holds a change and tells when it is live. */
function hold(
  {routes}: TestRoutes,
  act: (options: ChangeOptions) => Promise<RouteChange>,
  {forMs = 60_000, signal = new AbortController().signal}: {forMs?: number; signal?: AbortSignal} = {},
): {live: Promise<RouteChange>; held: Promise<Held>} {
  const live = Promise.withResolvers<RouteChange>()
  const held = routes.hold(act, {
    options: {},
    holding: {
      forMs,
      signal,
      clock: systemClock,
      reopen: (use) => routes.use(use),
      report: (change) => live.resolve(change),
    },
  })
  held.catch((error: unknown) => live.reject(error as Error))
  live.promise.catch(() => undefined)
  return {live: live.promise, held}
}

describe('a route for some time', () => {
  test('goes back by itself when the time is over, to the mapping there was', async () => {
    await using opened = await open()
    const {routes, ref, record, connection, source} = opened
    await routes.split(parseSplit(['70/30']), {entity: ref, versions: [one, two]})

    const {live, held} = hold(opened, (options) => routes.cutOver(two, {entity: ref, ...options}), {forMs: 300})

    const change = await live
    expect(change.expiresAt).toEqual(expect.any(String))
    expect(await record()).toMatchObject({
      legs: all(two),
      expiresAt: change.expiresAt,
      restores: [{weight: 70}, {weight: 30}],
    })
    expect((await routes.show(ref)).recorded).toMatchObject({expiresAt: change.expiresAt})
    const {restored, interrupted} = await held
    expect(interrupted).toBe(false)
    expect(Date.parse(restored!.liveAt!)).toBeGreaterThanOrEqual(Date.parse(change.expiresAt!) - 100)
    expect(restored).toMatchObject({strategy: 'restore', legs: [{weight: 70}, {weight: 30}]})
    expect((await record())?.expiresAt).toBeUndefined()
    expect(Object.keys(await measure(connection, source, 100)).sort()).toEqual([one, two])
  })

  test('goes back to no mapping, and at once on a signal', async () => {
    await using opened = await open()
    const {routes, ref, record, connection, source} = opened
    const interrupt = new AbortController()
    const {live, held} = hold(opened, (options) => routes.cutOver(two, {entity: ref, ...options}), interrupt)
    await live
    expect(await measure(connection, source, 20)).toEqual({[two]: 20})

    const started = performance.now()
    interrupt.abort('SIGTERM')
    const {restored, interrupted} = await held

    expect(performance.now() - started).toBeLessThan(5000)
    expect(interrupted).toBe(true)
    expect(restored).toMatchObject({legs: [], changed: true})
    expect(await record()).toMatchObject({legs: [], why: 'interrupted by SIGTERM'})
    expect(await measure(connection, source, 20)).toEqual({[one]: 20})
  })

  test('is left alone when somebody else changes it', async () => {
    await using opened = await open()
    const {routes, ref, record} = opened
    await routes.cutOver(one, {entity: ref})
    const interrupt = new AbortController()
    const {live, held} = hold(opened, (options) => routes.cutOver(two, {entity: ref, ...options}), interrupt)
    await live
    await routes.split(parseSplit(['20/80']), {entity: ref, versions: [one, two]})

    interrupt.abort('SIGINT')

    await expect(held).rejects.toMatchObject({kind: 'conflict', name: 'LostHoldError'})
    // Made for good over what was there for some time: what it replaced is what was there before both.
    expect(await record()).toMatchObject({legs: [{weight: 20}, {weight: 80}], replaced: all(one)})
    expect((await record())?.expiresAt).toBeUndefined()
  })

  test('stays where what was before is gone, and says so', async () => {
    await using opened = await open([two])
    const {routes, ref, record} = opened
    await using first = await openRoutes(opened.spec)
    serveVersion(first.connection, {lattice: opened.spec.lattice, entity: opened.entity, version: one})
    await first.connection.flush()
    await routes.cutOver(one, {entity: ref})
    const interrupt = new AbortController()
    const {live, held} = hold(opened, (options) => routes.cutOver(two, {entity: ref, ...options}), interrupt)
    await live
    await first.connection.close()

    interrupt.abort('SIGINT')

    await expect(held).rejects.toMatchObject({kind: 'unsafe', name: 'NotRestoredError'})
    expect(await record()).toMatchObject({legs: all(two), restores: all(one), expiresAt: expect.any(String) as string})
  })

  test('goes back to what was there before both when two follow each other', async () => {
    await using opened = await open()
    const {routes, ref, record} = opened
    await routes.cutOver(one, {entity: ref})
    const first = hold(opened, (options) => routes.cutOver(two, {entity: ref, ...options}))
    await first.live
    const interrupt = new AbortController()
    const halves = parseSplit(['50/50'])
    const second = hold(
      opened,
      (options) => routes.split(halves, {entity: ref, versions: [one, two], ...options}),
      interrupt,
    )
    await second.live

    interrupt.abort('SIGHUP')

    expect((await second.held).restored).toMatchObject({legs: all(one)})
    expect(await record()).toMatchObject({legs: all(one), strategy: 'restore'})
  })

  test('is refused when the credentials end first', async () => {
    await using opened = await open()
    const now = Math.floor(Date.now() / 1000)
    const user = createTemporaryUser(server.account, {
      name: 'short',
      account: server.account.publicKey,
      issuedAt: now,
      expires: now + 60,
      publish: ['>'],
      subscribe: ['>'],
    })
    await using short = await openRoutes({...opened.spec, credentials: {kind: 'jwt', ...user}})
    const act = (options: ChangeOptions): Promise<RouteChange> =>
      short.routes.cutOver(two, {entity: opened.ref, ...options})

    const refused: unknown = await hold(short, act, {forMs: 120_000}).held.catch((error: unknown) => error)

    expect(refused).toMatchObject({
      kind: 'unsafe',
      name: 'EndsFirstError',
      details: {endsAt: new Date((now + 60) * 1000).toISOString()},
    })
    expect(await opened.record()).toBeUndefined()
  })
})

describe('a canary in steps', () => {
  function step(
    {routes, ref}: Opened,
    gate?: string,
    {weights = [10, 50, 100], everyMs = 20, timeoutMs = 5000, signal = new AbortController().signal} = {},
  ): {events: StepEvent[]; ended: Promise<unknown>} {
    const events: StepEvent[] = []
    const steps = {weights, everyMs, gate: gate === undefined ? undefined : {command: gate, timeoutMs}}
    const ended = routes.step(
      {shift: {to: two, entity: ref}, steps, options: {why: 'new'}},
      {signal, clock: systemClock, reopen: (use) => routes.use(use), report: (event) => void events.push(event)},
    )
    ended.catch(() => undefined)
    return {events, ended}
  }

  test('grows while its gate passes, which is told where it stands, and stays in the end', async () => {
    await using opened = await open()
    await opened.routes.cutOver(one, {entity: opened.ref})
    const gate =
      '[ "$LATTICE_ROUTE_VERSION/$LATTICE_ROUTE_STEP/$LATTICE_ROUTE_STEPS" != "2.0.0/2/3" ] || [ "$LATTICE_ROUTE_WEIGHT" = 50 ]'

    const {events, ended} = step(opened, gate)
    await ended

    expect(events.map(({event, weight}) => [event, weight])).toEqual([
      ['live', 10],
      ['live', 50],
      ['live', 100],
      ['done', 100],
    ])
    expect(events[0]!.legs).toEqual([
      {version: one, weight: 90},
      {version: two, weight: 10},
    ])
    const record = await opened.record()
    expect(record).toMatchObject({legs: all(two), replaced: all(one), strategy: 'canary', why: 'new'})
    expect(record?.expiresAt).toBeUndefined()
  })

  test.each([
    ['says no', '[ "$LATTICE_ROUTE_STEP" = 1 ]', 'it ended with exit 1', {}],
    ['is not there', 'no-such-command-anywhere', 'it ended with exit 127', {}],
    ['cannot even be started', '\u0000', 'it cannot be started', {}],
    ['takes too long', 'sleep 60', 'it did not end within 100 ms', {timeoutMs: 100}],
  ])('puts back what was before when its gate %s', async (_, gate, reason, more) => {
    await using opened = await open()
    await opened.routes.cutOver(one, {entity: opened.ref})

    const {events, ended} = step(opened, gate, more)

    const failure: unknown = await ended.catch((error: unknown) => error)
    expect(failure).toMatchObject({kind: 'gateFailed', details: {reason: expect.stringContaining(reason) as string}})
    expect(events.at(-1)).toMatchObject({event: 'restored', legs: all(one), strategy: 'restore'})
    expect(await opened.record()).toMatchObject({legs: all(one)})
    expect(await measure(opened.connection, opened.source, 20)).toEqual({[one]: 20})
  })

  test('puts back what was before when its version dies between two steps', async () => {
    await using opened = await open([one])
    const {routes, ref, entity, spec} = opened
    await routes.cutOver(one, {entity: ref})
    const worker = await openConnection(spec)
    serveVersion(worker, {lattice: spec.lattice, entity, version: two}, {dark: true})
    await worker.flush()
    const {events, ended} = step(opened, undefined, {everyMs: 500})
    await until(() => events.length === 1, 10_000)
    await worker.close()

    await expect(ended).rejects.toMatchObject({kind: 'unsafe'})
    expect(events.at(-1)).toMatchObject({event: 'restored', legs: all(one)})
    expect(await opened.record()).toMatchObject({legs: all(one)})
  })

  test('puts back what was before on a signal, also while the gate runs', async () => {
    await using opened = await open()
    await opened.routes.cutOver(one, {entity: opened.ref})
    const interrupt = new AbortController()
    const {events, ended} = step(opened, 'sleep 60', {signal: interrupt.signal})
    await until(() => events.length === 1, 10_000)
    const started = performance.now()
    interrupt.abort('SIGINT')

    expect(await ended).toMatchObject({interrupted: true, last: {event: 'restored'}})
    expect(performance.now() - started).toBeLessThan(5000)
    expect(await opened.record()).toMatchObject({legs: all(one)})
  })

  test('ends as a conflict when somebody else changes the route, which is left as it is', async () => {
    await using opened = await open()
    await opened.routes.cutOver(one, {entity: opened.ref})
    const {events, ended} = step(opened, undefined, {everyMs: 1500})
    await until(() => events.length === 1, 10_000)
    await opened.routes.split(parseSplit(['40/60']), {entity: opened.ref, versions: [one, two]})

    await expect(ended).rejects.toMatchObject({kind: 'conflict'})
    expect(await opened.record()).toMatchObject({legs: [{weight: 40}, {weight: 60}]})
  })
})
