import {afterAll, afterEach, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {startKubernetes, type Kubernetes} from '../../support/kubernetes.js'
import {plainService, type PlainService} from '../../support/plain-service.js'
import {startPump} from '../../support/pump.js'
import {run} from '../../support/run.js'
import {until} from '../../support/until.js'

let world: Kubernetes
beforeAll(async () => {
  world = await startKubernetes()
})
afterEach(() => {
  world.kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0}])
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

/** A service of which all goes to the first version. */
async function served(here: Parameters<typeof run>[2]): Promise<PlainService> {
  const service = plainService()
  await service.serve(await world.servers.connect())
  expect(await run(RouteAb, ['100/0', ...service.words], here)).toMatchObject({exitCode: 0})
  return service
}

test('a change is applied, told of server by server and waited for, and no call is lost', async () => {
  const here = world.env()
  const service = await served(here)
  world.kubelets.behave([{afterMs: 0}, {afterMs: 800, early: true}, {afterMs: 1600}])
  const connection = await world.servers.connect(2)
  await using pump = startPump(connection, service.source, 2)

  const changed = await run(RouteAb, ['70/30', ...service.words, '--json'], here)

  expect(changed).toMatchObject({exitCode: 0})
  expect(changed.json()).toMatchObject({state: 'live', driver: 'config', servers: {applied: 3, total: 3}})
  const lines = changed.stderr.split('\n')
  expect(lines.slice(0, 3)).toEqual([
    'Applying ConfigMap nats/lattice-mappings.',
    '  configmap/lattice-mappings configured',
    'Waiting up to 180 s for all 3 servers to load it.',
  ])
  expect(lines.flatMap((line) => /^\d\/3/.exec(line) ?? [])).toEqual(
    expect.arrayContaining(['1/3', '2/3', '3/3']) as string[],
  )
  expect(lines.find((line) => line.startsWith('2/3'))).toMatch(
    /^2\/3 servers have the new mappings after [\d.]+ s \(not yet: S2\); until all do, callers at different servers are split differently\.$/,
  )
  expect(pump.failures()).toBe(0)
  expect(await world.shares(service)).toEqual([30, 30, 30])
  expect(await world.kubelets.stored()).toContain('"theirs.get"')
  expect((await run(RouteVerify, ['--json'], here)).json()).toMatchObject({
    live: true,
    by: 'system',
    routes: [{state: 'current'}],
  })
})

test('a pod that is replaced meanwhile is waited for under its name', async () => {
  const here = world.env()
  const service = await served(here)
  const [, , last] = world.servers.servers
  const before = await world.kubelets.stored()
  world.kubelets.behave([{afterMs: 0}, {afterMs: 0}, {}])

  const changing = run(RouteAb, ['80/20', ...service.words, '--json'], here)
  await until(async () => (await world.kubelets.stored()) !== before, 10_000)
  await last!.restart()
  world.kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0}])

  const changed = await changing
  expect(changed).toMatchObject({exitCode: 0})
  expect(changed.json()).toMatchObject({state: 'live', servers: {applied: 3, total: 3}})
  expect(await world.shares(service)).toEqual([20, 20, 20])
})
