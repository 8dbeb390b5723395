import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteBluegreen from '../../../src/commands/route/bluegreen.js'
import RouteCanary from '../../../src/commands/route/canary.js'
import RouteClear from '../../../src/commands/route/clear.js'
import RouteDrop from '../../../src/commands/route/drop.js'
import RouteFail from '../../../src/commands/route/fail.js'
import RouteLs from '../../../src/commands/route/ls.js'
import RouteReconcile from '../../../src/commands/route/reconcile.js'
import RouteShow from '../../../src/commands/route/show.js'
import type {RouteChange} from '../../../src/lib/routes/result.js'
import {startRouteServer, type RouteServer} from '../../support/route-lattice.js'

let server: RouteServer
beforeAll(async () => {
  server = await startRouteServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

test('a canary needs no words that leave no choice: the one version that has the traffic keeps the rest', async () => {
  await using lattice = await server.lattice()

  const {stdout, exitCode} = await lattice.run(RouteCanary, '--to', '2.0.0', '--weight', '10')

  expect(exitCode).toBe(0)
  expect(stdout).toContain('1.0.0\t-\t90 %\n2.0.0\t-\t10 %\n')
  expect(stdout).toContain('applied 1/1 servers')
  expect(lattice.host.scaled).toHaveLength(1)
  const {stdout: json} = await lattice.runWith({CI: 'true'}, RouteCanary, '--to', '2.0.0', '--weight', '25', '--json')
  expect(JSON.parse(json)).toMatchObject({
    strategy: 'canary',
    inferred: 'lattice route canary echo --to 2.0.0 --weight 25',
  })
})

test('a version that has traffic for some time stays dark, so that no mapping can come back', async () => {
  await using lattice = await server.lattice()

  const {stdout, stderr, exitCode} = await lattice.run(
    RouteCanary,
    '--to',
    '2.0.0',
    '--weight',
    '10',
    '--for',
    '200ms',
    '--json',
  )

  expect(exitCode).toBe(0)
  expect(lattice.host.scaled).toEqual([])
  const documents = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RouteChange)
  expect(documents).toMatchObject([
    {strategy: 'canary', expiresAt: expect.any(String) as string},
    {strategy: 'restore', legs: [], previous: [{weight: 90}, {weight: 10}]},
  ])
  // What was put back is what undo leads to.
  expect(documents.map(({undo}) => undo !== undefined)).toEqual([true, false])
  expect(stderr).toBe(`The route of 'echo' goes back at ${documents[0]!.expiresAt!}; Ctrl-C puts it back at once.\n`)
})

test('a cutover tells how to call the version that gets nothing: the new one before, the old one after', async () => {
  await using lattice = await server.lattice()

  const planned = (await lattice.run(RouteBluegreen, '--to', '2.0.0', '--dry-run', '--json')).json()
  const done = await lattice.run(RouteBluegreen, '--to', '2.0.0')

  const address = (version: string): string => `${lattice.source}.${Buffer.from(version).toString('base64url')}`
  expect(planned).toMatchObject({
    preview: [{version: '2.0.0', subjects: [address('2.0.0')], call: 'lattice call echo@2.0.0 OPERATION'}],
  })
  expect(done.stdout).toContain(`Preview 1.0.0: lattice call echo@1.0.0 OPERATION (${address('1.0.0')})\n`)
})

test('show and ls tell until when a route is there, and what comes then', async () => {
  await using lattice = await server.lattice()
  await lattice.run(RouteBluegreen, '--to', '1.0.0')
  const dry = await lattice.run(RouteFail, '--version', '1.0.0', '--for', '1h', '--dry-run', '--json')
  expect(dry.json()).toMatchObject({
    dryRun: true,
    expiresAt: expect.any(String) as string,
    legs: [{version: '1.0.0', weight: 100, sink: true}],
  })

  expect((await lattice.run(RouteFail, '--version', '1.0.0', '--for', '50ms')).exitCode).toBe(0)

  expect((await lattice.run(RouteShow, 'echo')).stdout).not.toContain('until')
  expect((await lattice.run(RouteLs)).stdout).toContain('echo\t1.0.0 100 %\t1.0.0 100 %\tcurrent')
  expect((await lattice.run(RouteReconcile, '--json')).json()).toEqual({
    lattice: lattice.name,
    dryRun: false,
    routes: [],
  })
})

test.each(['0', '101', '2.5', 'x'])('a share of %s per cent cannot fail', async (share) => {
  await using lattice = await server.lattice()

  const {exitCode, stderr} = await lattice.run(RouteDrop, share, 'echo', '--for', '1m')

  expect(exitCode).toBe(2)
  expect(stderr).toContain('a whole percent from 1 to 100 is wanted.')
})

test('the lines for each entity that can be meant say for how long, so that they run as they stand', async () => {
  await using lattice = await server.lattice()
  await lattice.host.run({key: `${lattice.key.slice(0, -1)}7`, name: 'other', version: '2.0.0'})

  const dropped = await lattice.run(RouteDrop, '5', '--for', '90s', '--dry-run')
  const failed = await lattice.run(RouteFail, '--version', '2.0.0', '--for', '200ms', '--dry-run')

  expect(dropped.exitCode).toBe(3)
  expect(dropped.stderr).toContain('  lattice route drop 5 other --for 90s')
  expect(failed.stderr).toContain('  lattice route fail echo --version 2.0.0 --for 0.2s')
})

test('a route for some time is refused where what is there now could not come back', async () => {
  await using lattice = await server.lattice()
  await lattice.host.run({key: lattice.key, name: 'echo', version: '3.0.0'})

  const {exitCode, stderr} = await lattice.run(RouteBluegreen, 'echo', '--to', '3.0.0', '--for', '1m')

  expect(exitCode).toBe(9)
  expect(stderr).toContain(
    "What 'echo' has now could not be put back: its versions 1.0.0, 3.0.0 share the traffic by their number of subscribers.",
  )
  expect((await lattice.run(RouteCanary, 'echo', '--to', '2.0.0', '--weight', '5')).exitCode).toBe(3)
})

test('what is cleared for some time comes back', async () => {
  await using lattice = await server.lattice()
  await lattice.run(RouteBluegreen, '--to', '1.0.0')

  const {stdout, exitCode} = await lattice.run(RouteClear, 'echo', '--for', '50ms', '--json')

  expect(exitCode).toBe(0)
  const documents = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RouteChange)
  expect(documents.map(({strategy, legs}) => [strategy, legs])).toEqual([
    ['clear', []],
    ['restore', [{version: '1.0.0', weight: 100}]],
  ])
})
