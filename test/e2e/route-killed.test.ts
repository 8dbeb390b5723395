import type {ChildProcess} from 'node:child_process'
import {once} from 'node:events'

import {afterAll, beforeAll, expect, test} from 'vitest'

import {openSource, readAccount} from '../../src/lib/apply/account-state.js'
import {systemClock} from '../../src/lib/clock.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {predictTable} from '../../src/lib/routing/effective.js'
import {sourceOf} from '../../src/lib/routing/source.js'
import {openWire, type BreakableWire} from '../support/breakable-wire.js'
import {runRoute, type RouteProgram} from '../support/killed-route.js'
import {expireLease} from '../support/lease.js'
import {startOperatorServer, type OperatorServer} from '../support/nats-server.js'
import {measure, openRoutes, serveVersion, testActor, type TestRoutes} from '../support/routes.js'

const versions = ['1.0.0', '2.0.0']
const pushSubject = '$SYS.REQ.CLAIMS.UPDATE'

let server: OperatorServer
beforeAll(async () => {
  server = await startOperatorServer()
})
afterAll(() => server[Symbol.asyncDispose]())

/** Lets the wire end, and the process with it, at one moment of a change. */
type KillAt = (
  wire: BreakableWire,
  kill: () => Promise<void>,
  opened: TestRoutes,
) => Promise<AsyncDisposable | undefined>

const beforePush: KillAt = (wire, kill) => {
  wire.breakAt(`PUB ${pushSubject}`, 'request', kill)
  return Promise.resolve(undefined)
}

const afterPush: KillAt = (wire, kill) => {
  wire.breakAt(`PUB ${pushSubject}`, 'answer', kill)
  return Promise.resolve(undefined)
}

/** Who listens to pushes too knows when the next look at the account is the verification. */
const duringVerify: KillAt = async (wire, kill) => {
  const spec = server.spec()
  const tap = await openConnection({...spec, credentials: {kind: 'creds', file: spec.sysCreds!}})
  tap.subscribe(pushSubject, {
    max: 1,
    callback: () => wire.breakAt('PUB $SYS.REQ.SERVER.PING.ACCOUNTZ', 'answer', kill),
  })
  await tap.flush()
  return {[Symbol.asyncDispose]: () => tap.close()}
}

test.each([
  {when: 'before the push', lattice: 'killed-before', killAt: beforePush, live: false},
  {when: 'after the push', lattice: 'killed-after', killAt: afterPush, live: true},
  {when: 'during the verification', lattice: 'killed-during', killAt: duringVerify, live: true},
])('a change that is killed $when is told of, and finished by the same command', async ({lattice, killAt, live}) => {
  await using opened = await openRoutes(server.spec(lattice))
  const {entity} = testActor()
  for (const version of versions) serveVersion(opened.connection, {lattice, entity, version})
  await opened.connection.flush()
  await using wire = await openWire(server.port)
  const program: RouteProgram = {
    spec: server.spec(lattice),
    systemUrl: wire.url,
    key: entity.key,
    weights: '70/30',
    versions,
  }
  let child: ChildProcess | undefined
  const kill = async (): Promise<void> => {
    const ended = once(child!, 'exit')
    child!.kill('SIGKILL')
    await ended
  }
  await using tap = await killAt(wire, kill, opened)
  expect(await runRoute(program, (started) => (child = started))).toMatchObject({exitCode: null, stdout: ''})
  expect(wire.broken).toBe(true)
  await tap?.[Symbol.asyncDispose]()

  const source = sourceOf(lattice, entity)
  const table = async () => {
    const view = await readAccount(
      await openSource({system: opened.system, account: server.account.publicKey, clock: systemClock}),
    )
    return predictTable(view.mappings).get(source)
  }
  expect((await table())?.length).toBe(live ? 2 : undefined)
  const [left] = await opened.store.list()
  expect(left!.record.state).toBe('applying')

  // Whoever comes at once is told who is at it; nobody waits for a dead process longer than its lease.
  const again = {...program, systemUrl: server.url}
  const told = (await runRoute({...again, spec: {...again.spec, timeoutMs: 300}})).json()
  expect(told).toMatchObject({error: {kind: 'conflict'}})
  await expireLease(opened.connection)
  const healed = (await runRoute(again)).json()
  expect(healed).toMatchObject({state: 'live', changed: true, servers: {applied: 1, total: 1}})
  expect(await table()).toMatchObject([{weight: 70}, {weight: 30}])
  const [stored] = await opened.store.list()
  expect(stored!.record).toMatchObject({state: 'live', legs: [{weight: 70}, {weight: 30}]})
  const counts = await measure(opened.connection, source, 300)
  expect(counts['lost']).toBeUndefined()
  expect(counts['2.0.0']).toBeGreaterThan(45)
  expect(counts['2.0.0']).toBeLessThan(135)
})
