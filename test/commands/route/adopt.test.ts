import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteAdopt from '../../../src/commands/route/adopt.js'
import RouteDiff from '../../../src/commands/route/diff.js'
import RouteHistory from '../../../src/commands/route/history.js'
import RouteShow from '../../../src/commands/route/show.js'
import RouteUndo from '../../../src/commands/route/undo.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {mapElsewhere} from '../../support/jwt-driver.js'
import {startRouteServer, type RouteLattice, type RouteServer} from '../../support/route-lattice.js'
import {serveSubjects} from '../../support/services.js'

let routes: RouteServer
beforeAll(async () => {
  routes = await startRouteServer()
})
afterAll(async () => {
  await routes[Symbol.asyncDispose]()
})

/** Another tool splits the traffic of `echo`. */
function splitElsewhere({source}: RouteLattice, first: number, second: number): Promise<void> {
  const leg = (version: string, weight: number): {subject: string; weight: number} => ({
    subject: `${source}.${Buffer.from(version).toString('base64url')}`,
    weight,
  })
  return mapElsewhere(routes.server, {[source]: [leg('1.0.0', first), leg('2.0.0', second)]})
}

test('history tells who changed a route, when, why, and from what to what, newest first', async () => {
  await using lattice = await routes.lattice()
  expect((await lattice.run(RouteHistory, 'echo')).exitCode).toBe(4)
  await lattice.run(RouteAb, '70/30', '--reason', 'one\u001b[31m')
  await lattice.runWith({GITHUB_ACTOR: 'ann'}, RouteAb, '60/40')
  await lattice.run(RouteUndo, 'echo')
  const {json} = await lattice.run(RouteHistory, '--json')
  expect(json()).toMatchObject({
    entity: 'echo',
    revisions: [
      {revision: 6, strategy: 'undo', before: [{weight: 60}, {weight: 40}], legs: [{weight: 70}, {weight: 30}]},
      {revision: 4, strategy: 'ab', before: [{weight: 70}, {weight: 30}], who: {claimed: {actor: 'ann'}}},
      {revision: 2, strategy: 'ab', before: [], why: 'one\u001b[31m', state: 'live', driver: 'jwt'},
    ],
  })
  const {stdout} = await lattice.run(RouteHistory, 'echo')
  expect(stdout.split('\n')[0]).toMatch(
    /^6\t\S+Z\t.*\tundo\t1\.0\.0 60 %, 2\.0\.0 40 %\t1\.0\.0 70 %, 2\.0\.0 30 %\t[\d.]+ ms/,
  )
  expect(stdout).toContain('ann (claimed)')
  expect(stdout).toContain('one\\u{1b}[31m')
  const back = await lattice.run(RouteUndo, 'echo', '--to', '4', '--json')
  expect(back.json()).toMatchObject({legs: [{weight: 60}, {weight: 40}]})
})

test('what somebody else changed is shown three ways before it is overwritten, and can be adopted', async () => {
  await using lattice = await routes.lattice()
  await lattice.run(RouteAb, '70/30')
  expect((await lattice.run(RouteDiff, '--exit-code')).exitCode).toBe(0)
  await splitElsewhere(lattice, 10, 90)

  const differs = await lattice.run(RouteDiff, 'echo', '--exit-code', '--json')
  expect([differs.exitCode, differs.json()]).toMatchObject([
    20,
    {
      differs: true,
      routes: [
        {
          state: 'drifted',
          legs: [
            {version: '1.0.0', recorded: 70, live: 10},
            {recorded: 30, live: 90},
          ],
        },
      ],
    },
  ])
  expect((await lattice.run(RouteDiff)).exitCode).toBe(0)
  expect((await lattice.run(RouteDiff)).stdout).toMatch(/^echo\t1\.0\.0\t70 %\t10 %/)

  const refused = await lattice.run(RouteAb, '50/50')
  expect(refused.exitCode).toBe(9)
  expect(refused.stderr).toContain('1.0.0: before -, lattice made 70 %, live 10 %')
  expect(refused.stderr).toContain('2.0.0: before -, lattice made 30 %, live 90 %')
  expect((await lattice.run(RouteVerify, 'echo')).exitCode).toBe(8)

  const planned = await lattice.run(RouteAdopt, 'echo', '--dry-run', '--json')
  expect(planned.json()).toMatchObject({dryRun: true, changed: true, legs: [{weight: 10}, {weight: 90}]})
  const asked = await lattice.run(RouteAdopt, 'echo')
  expect([asked.exitCode, asked.stderr]).toEqual([2, expect.stringContaining('--yes')])
  expect((await lattice.run(RouteDiff, 'echo', '--exit-code')).exitCode).toBe(20)

  const adopted = await lattice.run(RouteAdopt, 'echo', '--yes', '--reason', 'it was right', '--json')
  expect([adopted.exitCode, adopted.json()]).toMatchObject([0, {changed: true, dryRun: false, strategy: 'adopt'}])
  expect((await lattice.run(RouteShow, 'echo', '--json')).json()).toMatchObject({
    state: 'current',
    recorded: {why: 'it was right', legs: [{weight: 10}, {weight: 90}], replaced: [{weight: 70}, {weight: 30}]},
  })
  expect((await lattice.run(RouteAdopt, 'echo', '--yes', '--json')).json()).toMatchObject({changed: false})
  expect((await lattice.run(RouteUndo, 'echo', '--json')).json()).toMatchObject({legs: [{weight: 70}, {weight: 30}]})
})

test('a mapping of a plain subject is adopted by the words that name its versions', async () => {
  await using lattice = await routes.lattice()
  serveSubjects(lattice.connection, ['adopted.v1', 'adopted.v2'])
  await lattice.connection.flush()
  await mapElsewhere(routes.server, {
    'adopted.get': [
      {subject: 'adopted.v1', weight: 80},
      {subject: 'adopted.v2', weight: 20},
    ],
  })
  const source = ['--source', 'adopted.get', '--leg', '1.0.0=adopted.v1']
  const unknown = await lattice.run(RouteAdopt, ...source, '--yes')
  expect(unknown.exitCode).toBe(9)
  expect(unknown.stderr).toContain('--leg VERSION=adopted.v1 --leg VERSION=adopted.v2')
  const adopted = await lattice.run(RouteAdopt, ...source, '--leg', '2.0.0=adopted.v2', '--yes', '--json')
  expect([adopted.exitCode, adopted.json()]).toMatchObject([
    0,
    {changed: true, entity: 'adopted.get', legs: [{weight: 80}, {weight: 20}]},
  ])
  const changed = await lattice.run(RouteAb, '50/50', '--source', 'adopted.get', '--json')
  expect([changed.exitCode, changed.json()]).toMatchObject([0, {previous: [{weight: 80}, {weight: 20}]}])
})

test('where nothing is mapped there is nothing to adopt', async () => {
  await using lattice = await routes.lattice()
  const {exitCode, stderr} = await lattice.run(RouteAdopt, 'echo', '--yes')
  expect([exitCode, stderr]).toEqual([4, expect.stringContaining('nothing to adopt')])
})

test('a mapping to subjects that are no versions is shown, and is no difference in legs', async () => {
  await using lattice = await routes.lattice()
  await lattice.run(RouteAb, '70/30')
  await mapElsewhere(routes.server, {[lattice.source]: 'some.where'})
  const {exitCode, json} = await lattice.run(RouteDiff, 'echo', '--exit-code', '--json')
  expect([exitCode, json()]).toMatchObject([20, {routes: [{foreign: true}]}])
  const refused = await lattice.run(RouteAb, '50/50')
  expect(refused.stderr).toContain(`live: ${lattice.source} 100 % to some.where`)
  const adopt = await lattice.run(RouteAdopt, 'echo', '--yes')
  expect([adopt.exitCode, adopt.stderr]).toEqual([9, expect.stringContaining('no whole split')])
  const verified = await lattice.run(RouteVerify, '--repair', '--json')
  expect([verified.exitCode, verified.json()]).toMatchObject([
    0,
    {live: true, repaired: [{strategy: 'repair', changed: true, legs: [{weight: 70}, {weight: 30}]}]},
  ])
})
