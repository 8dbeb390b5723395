import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {readAccount} from '../../../src/lib/apply/account-state.js'
import {prepareChange, sendChange, type TokenSigner} from '../../../src/lib/apply/push.js'
import {Bucket} from '../../../src/lib/cache/bucket.js'
import {systemClock} from '../../../src/lib/clock.js'
import {parseVersion} from '../../../src/lib/entity/version.js'
import type {LatticeError} from '../../../src/lib/errors.js'
import {mappingDigest} from '../../../src/lib/routing/plan.js'
import {legAddress, routeKey, sourceOf} from '../../../src/lib/routing/source.js'
import {parseSplit} from '../../../src/lib/routing/weights.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {measure, openRoutes, serveVersion, testActor, type TestRoutes} from '../../support/routes.js'
import {goOn, standStill} from '../../support/stand-still.js'

let server: OperatorServer
beforeAll(async () => {
  server = await startOperatorServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

const versions = ['1.0.0', '2.0.0'].map(parseVersion)
const [one, two] = versions as [(typeof versions)[0], (typeof versions)[0]]
const seventyThirty = parseSplit(['70/30'])
const thirtySeventy = parseSplit(['30/70'])

let count = 0
/** An actor in a lattice of its own, both versions running where no host shows them. */
async function open(
  options: {served?: readonly string[]} = {},
): Promise<
  TestRoutes & {lattice: string; entity: ReturnType<typeof testActor>['entity']; ref: {name: string}; source: string}
> {
  const lattice = `change-${++count}`
  const opened = await openRoutes(server.spec(lattice))
  const {entity, ref} = testActor()
  for (const version of options.served ?? versions) {
    serveVersion(opened.connection, {lattice, entity, version}, {dark: version === two})
  }
  await opened.connection.flush()
  return {...opened, lattice, entity, ref, source: sourceOf(lattice, entity)}
}

/** What another tool would do: read the token, edit it, push it. */
function otherTool({system}: TestRoutes, secondsAhead = 1000): TokenSigner {
  return {
    system,
    account: server.account.publicKey,
    clock: systemClock,
    resolvers: [{server: {id: '', name: 'test', version: ''}, kind: 'full'}],
    key: server.operatorSigning,
    facts: {trust: [{server: 'test', operators: [trusted()]}], clockOffsetMs: 0, silent: []},
    timeoutMs: 5000,
    secondsAhead,
  }
}

function trusted(): {key: string; signingKeys: string[]; strict: boolean} {
  return {key: server.operator.publicKey, signingKeys: [server.operatorSigning.publicKey], strict: false}
}

async function pushForeign(opened: TestRoutes, source: string, subjects: readonly string[] | undefined): Promise<void> {
  const destinations = subjects?.map((subject) => ({subject, weight: 100 / subjects.length}))
  await sendChange(otherTool(opened), await prepareChange(otherTool(opened), [{source, destinations}]))
}

describe('a change', () => {
  test('is live when it returns, and splits real requests', async () => {
    await using opened = await open()
    const {routes, connection, entity, ref, source, lattice} = opened
    expect(await measure(connection, source, 50)).toEqual({'1.0.0': 50})

    const change = await routes.split(seventyThirty, {entity: ref, versions, why: 'canary'})

    expect(change).toMatchObject({
      entity: entity.key,
      key: entity.key,
      lattice,
      strategy: 'ab',
      legs: [
        {version: '1.0.0', weight: 70},
        {version: '2.0.0', weight: 30},
      ],
      previous: null,
      source,
      changed: true,
      dryRun: false,
      state: 'live',
      driver: 'jwt',
      servers: {applied: 1, stored: 0, total: 1, names: ['test']},
      undo: `lattice route undo ${entity.key}`,
    })
    expect(Date.parse(change.liveAt!)).toBeLessThanOrEqual(Date.now())
    expect(change.pushMs).toBeGreaterThan(0)
    const counts = await measure(connection, source, 1000)
    expect(counts['lost']).toBeUndefined()
    // Five standard deviations of 1000 draws at 70 %.
    expect(Math.abs(counts['1.0.0']! - 700)).toBeLessThan(73)
  })

  test('is recorded: who, why, when, what it replaced, on which servers', async () => {
    await using opened = await open()
    const {routes, store, entity, ref, source, lattice} = opened
    await routes.split(seventyThirty, {entity: ref, versions})
    const {revision} = await routes.split(thirtySeventy, {entity: ref, versions, why: 'more of it'})

    const stored = await store.get(routeKey(entity))
    expect(stored?.revision).toBe(revision)
    expect(stored?.record).toMatchObject({
      state: 'live',
      strategy: 'ab',
      driver: 'jwt',
      kind: 'actor',
      legs: [
        {version: one, weight: 30},
        {version: two, weight: 70},
      ],
      replaced: [
        {version: one, weight: 70},
        {version: two, weight: 30},
      ],
      why: 'more of it',
      who: {account: server.account.publicKey},
      servers: ['test'],
      allowances: [],
      digest: mappingDigest([
        {
          source,
          destinations: [
            {subject: legAddress(lattice, entity, one), weight: 30},
            {subject: legAddress(lattice, entity, two), weight: 70},
          ],
        },
      ]),
    })
    expect(stored?.record.who.user).toMatch(/^U/)
    expect(stored?.record.deadline).toBeUndefined()
    expect(Math.abs(Date.parse(stored!.record.when) - Date.now())).toBeLessThan(60_000)
  })

  test('repeated is no change, and pushes nothing', async () => {
    await using opened = await open()
    const {routes, ref} = opened
    const first = await routes.split(seventyThirty, {entity: ref, versions})
    const {token} = await readAccount(otherTool(opened))

    const again = await routes.split(seventyThirty, {entity: ref, versions})

    expect(again).toMatchObject({changed: false, revision: first.revision, servers: {applied: 1, total: 1}})
    expect(again.pushMs).toBeUndefined()
    expect((await readAccount(otherTool(opened))).token.text).toBe(token.text)
  })

  test('leaves every other mapping and claim of the account alone', async () => {
    await using opened = await open()
    await pushForeign(opened, 'orders.get', ['v1.orders.get', 'v2.orders.get'])
    const before = await readAccount(otherTool(opened))

    await opened.routes.split(seventyThirty, {entity: opened.ref, versions})

    const after = await readAccount(otherTool(opened))
    const {[opened.source]: ours, ...others} = after.token.mappings
    expect(ours).toHaveLength(2)
    expect(others).toEqual(before.token.mappings)
    expect(after.token.issuedAt).toBeGreaterThan(before.token.issuedAt)
  })

  test('in a dry run writes nothing, and says exactly what it would write', async () => {
    await using opened = await open()
    const {routes, store, entity, ref, source, lattice} = opened
    const {token} = await readAccount(otherTool(opened))

    const planned = await routes.split(seventyThirty, {entity: ref, versions, dryRun: true})

    expect(planned).toMatchObject({
      dryRun: true,
      state: 'planned',
      changed: true,
      mappings: [
        {
          source,
          destinations: [
            {subject: legAddress(lattice, entity, one), weight: 70},
            {subject: legAddress(lattice, entity, two), weight: 30},
          ],
        },
      ],
      record: {state: 'applying', source},
    })
    expect(planned.undo).toBeUndefined()
    expect((await readAccount(otherTool(opened))).token.text).toBe(token.text)
    expect(await store.get(routeKey(entity))).toBeUndefined()
  })
})

describe('a change is refused', () => {
  test('for legs that nobody serves, all of them at once, and before anything changes', async () => {
    await using opened = await open({served: []})
    const {token} = await readAccount(otherTool(opened))
    const failure = opened.routes.split(seventyThirty, {entity: opened.ref, versions})
    await expect(failure).rejects.toMatchObject({
      kind: 'unsafe',
      message: `Nobody runs '${opened.entity.key}@1.0.0'. Nobody runs '${opened.entity.key}@2.0.0'.`,
    })
    expect((await readAccount(otherTool(opened))).token.text).toBe(token.text)
  })

  test('for a leg whose subscribers are in another queue group, or only tap it', async () => {
    await using opened = await open({served: ['1.0.0']})
    const {connection, lattice, entity} = opened
    connection.subscribe('wasmbus.rpc.>', {callback: () => undefined})
    await connection.flush()
    const change = (): Promise<unknown> => opened.routes.split(seventyThirty, {entity: opened.ref, versions})
    await expect(change()).rejects.toThrow(`Nobody runs '${entity.key}@2.0.0'.`)
    connection.subscribe(legAddress(lattice, entity, two), {queue: 'mine', callback: () => undefined})
    await connection.flush()
    await expect(change()).rejects.toThrow("in queue group 'mine'")
  })

  test('for a source that another mapping overlaps', async () => {
    await using opened = await open()
    await pushForeign(opened, `wasmbus.rpc.${opened.lattice}.*`, ['elsewhere.$1'])
    const change = opened.routes.split(seventyThirty, {entity: opened.ref, versions})
    await expect(change).rejects.toMatchObject({kind: 'unsafe', message: expect.stringContaining('overlaps') as string})
    await pushForeign(opened, `wasmbus.rpc.${opened.lattice}.*`, undefined)
  })

  test('over a mapping that lattice did not make, unless it is to be repaired', async () => {
    await using opened = await open()
    const {routes, ref, source} = opened
    await pushForeign(opened, source, ['somewhere.else'])
    await expect(routes.split(seventyThirty, {entity: ref, versions})).rejects.toMatchObject({
      kind: 'unsafe',
      message: expect.stringContaining('a mapping that lattice did not make') as string,
    })
    const change = await routes.split(seventyThirty, {entity: ref, versions, repair: true})
    expect(change).toMatchObject({changed: true, previous: null})
  })

  test('over a mapping that is not the one it applied', async () => {
    await using opened = await open()
    const {routes, ref, source, lattice, entity, store} = opened
    await routes.split(seventyThirty, {entity: ref, versions})
    await pushForeign(opened, source, [legAddress(lattice, entity, one)])
    await expect(routes.split(thirtySeventy, {entity: ref, versions})).rejects.toMatchObject({
      kind: 'unsafe',
      message: expect.stringContaining('not the one that lattice applied last') as string,
    })
    const change = await routes.split(thirtySeventy, {entity: ref, versions, repair: true})
    expect(change.previous).toEqual([{version: one, weight: 100}])
    expect((await store.get(routeKey(entity)))?.record.allowances).toEqual(['repair'])
  })
})

describe('a change that died', () => {
  test.each(['before', 'after'])('%s its push is completed or redone by the next one', async (moment) => {
    await using opened = await open()
    const {routes, store, entity, ref, source, lattice} = opened
    await routes.split(seventyThirty, {entity: ref, versions})
    const {record, revision} = (await store.get(routeKey(entity)))!
    const wanted = [
      {subject: legAddress(lattice, entity, one), weight: 30},
      {subject: legAddress(lattice, entity, two), weight: 70},
    ]
    const legs = [
      {version: one, weight: 30},
      {version: two, weight: 70},
    ]
    const died = {...record, state: 'applying' as const, deadline: new Date(Date.now() - 1000).toISOString(), legs}
    await store.put(
      routeKey(entity),
      {
        ...died,
        digest: mappingDigest([{source, destinations: wanted}]),
        replaced: record.legs,
        replacedDigest: record.digest,
      },
      revision,
    )
    if (moment === 'after') {
      await sendChange(otherTool(opened), await prepareChange(otherTool(opened), [{source, destinations: wanted}]))
    }
    expect((await routes.show(ref)).state).toBe('interrupted')

    const change = await routes.split(thirtySeventy, {entity: ref, versions})

    expect(change).toMatchObject({changed: true, legs})
    const healed = (await store.get(routeKey(entity)))!.record
    expect(healed).toMatchObject({state: 'live', legs, replaced: record.legs})
    expect((await routes.show(ref)).state).toBe('current')
    expect((await routes.undo(ref)).legs).toEqual(record.legs)
  })

  test('whose servers fall silent right after the push leaves its outcome unknown, and the next one heals it', async () => {
    await using own = await startOperatorServer()
    const lattice = 'silent'
    const {entity, ref} = testActor()
    {
      await using opened = await openRoutes({...own.spec(lattice), timeoutMs: 1000})
      for (const version of versions) serveVersion(opened.connection, {lattice, entity, version})
      await opened.connection.flush()
      await opened.routes.split(seventyThirty, {entity: ref, versions})
      await using peer = await openRoutes(own.spec(lattice))
      // Stopped as by a debugger: it takes the push into its socket and answers nobody.
      let stopped: (() => void) | undefined
      peer.system.connection.subscribe('$SYS.REQ.CLAIMS.UPDATE', {
        callback: () => {
          // A push that is sent again must not stop it for good.
          if (stopped === undefined) return
          standStill(own.pid)
          stopped()
          stopped = undefined
        },
      })
      await peer.system.connection.flush()
      // A quick server has done all of it before it is stopped: then it is told something else.
      let failure: unknown
      for (const asked of [thirtySeventy, seventyThirty, thirtySeventy, seventyThirty]) {
        const frozen = new Promise<void>((resolve) => (stopped = resolve))
        failure = await opened.routes.split(asked, {entity: ref, versions}).catch((error: unknown) => error)
        if (failure instanceof Error) break
        await frozen
        goOn(own.pid)
      }
      // Or live and unrecorded, where it stopped a moment later.
      expect(['timeout', 'partial']).toContain((failure as LatticeError).kind)
      goOn(own.pid)
    }
    await using opened = await openRoutes(own.spec(lattice))
    // The dead command's lease runs out in seconds; that it is taken over then is tested with the lease.
    const lease = {holder: 'the dead one', deadline: new Date(0).toISOString()}
    await Bucket.at(opened.connection, 'LATTICEACCOUNT', {}).put('mappings', Buffer.from(JSON.stringify(lease)))
    for (const version of versions) serveVersion(opened.connection, {lattice, entity, version})
    await opened.connection.flush()
    // What was sent to it before it was given up is done when the server goes on.
    expect(['interrupted', 'current']).toContain((await opened.routes.show(ref)).state)
    expect((await opened.routes.split(thirtySeventy, {entity: ref, versions})).legs[0]?.weight).toBe(30)
    expect((await opened.routes.show(ref)).state).toBe('current')
  }, 40_000)
})
