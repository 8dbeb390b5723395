import {afterAll, afterEach, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteCanary from '../../../src/commands/route/canary.js'
import RouteUndo from '../../../src/commands/route/undo.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {startKubernetes, type Kubernetes} from '../../support/kubernetes.js'
import {plainService, type PlainService} from '../../support/plain-service.js'
import {run, type RunResult} from '../../support/run.js'
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

const verify = (here: Parameters<typeof run>[2], ...words: string[]): Promise<RunResult> =>
  run(RouteVerify, [...words, '--json'], here)

test('a server that refuses the file keeps what it has: exit 8 names it, and undo mends it', async () => {
  const here = world.env()
  const service = await served(here)
  world.kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0, spoil: (text) => `${text}\nmappings {`}])

  const changed = await run(RouteAb, ['60/40', ...service.words, '--wait', '2s', '--json'], here)

  expect(changed.exitCode).toBe(8)
  const name = service.source
  const kept = `it has not loaded its configuration since, and serves ${name} to 100 % ${service.addresses[0]!}`
  expect(changed.json()).toMatchObject({
    error: {
      message: `The route of '${name}' is live on 2 of 3 servers, and may still become live on the others.`,
      suggestions: expect.arrayContaining([
        expect.stringContaining('lattice route verify --wait 3m'),
        "kubectl -n nats logs S2 -c nats | grep 'Failed to reload'",
      ]) as string[],
      details: {state: 'late', servers: [{}, {}, {name: 'S2', outcome: 'differs', reason: kept}]},
    },
  })
  expect(await world.servers.servers[2]!.log()).toContain('Failed to reload server configuration')
  expect(await world.shares(service)).toEqual([40, 40, undefined])
  expect((await verify(here)).exitCode).toBe(8)
  const other = plainService()
  await other.serve(await world.servers.connect())
  const refused = await run(RouteAb, ['50/50', ...other.words, '--json'], here)
  expect(refused.exitCode).toBe(5)
  expect(refused.json()).toMatchObject({error: {details: {pending: [name]}}})

  world.kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0}])
  expect(await run(RouteUndo, ['--source', name], here)).toMatchObject({exitCode: 0})
  expect(await world.shares(service)).toEqual([undefined, undefined, undefined])
  expect((await verify(here)).json()).toMatchObject({live: true})
})

test('what comes after the wait is over is found live by verify, which completes the record', async () => {
  const here = world.env()
  const service = await served(here)
  world.kubelets.behave([{afterMs: 0}, {afterMs: undefined}, {afterMs: undefined}])
  const changed = await run(RouteAb, ['90/10', ...service.words, '--wait', '500ms'], here)
  expect(changed.exitCode).toBe(8)
  expect(changed.stderr).toContain('Nothing was taken back, and the record says that the change is on its way.')
  world.kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0}])

  const verified = await verify(here, '--wait', '10s')

  expect(verified).toMatchObject({exitCode: 0})
  expect(verified.json()).toMatchObject({live: true, routes: [{state: 'current'}]})
})

test('a step that does not arrive in time ends the canary where it stands, and undo goes back before all steps', async () => {
  const here = world.env()
  const service = await served(here)
  const words = ['--to', '2.0.0', '--step', '20,60,100', '--every', '1s', '--gate', 'none', '--wait', '2s', '--json']
  const stepping = run(RouteCanary, [...service.words, ...words], here)
  await until(async () => (await world.shares(service)).every((share) => share === 20), 10_000)
  world.kubelets.behave([{afterMs: 0}, {afterMs: 0}, {}])

  const stepped = await stepping

  expect(stepped.exitCode).toBe(8)
  expect(stepped.stdout.trim().split('\n').at(-1)).toContain('"state":"late"')
  expect(await world.shares(service)).toEqual([60, 60, 20])
  world.kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0}])
  expect(await run(RouteUndo, ['--source', service.source], here)).toMatchObject({exitCode: 0})
  expect(await world.shares(service)).toEqual([undefined, undefined, undefined])
})
