import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteBluegreen from '../../../src/commands/route/bluegreen.js'
import RouteClear from '../../../src/commands/route/clear.js'
import RouteLs from '../../../src/commands/route/ls.js'
import RouteReconcile from '../../../src/commands/route/reconcile.js'
import RouteShow from '../../../src/commands/route/show.js'
import RouteUndo from '../../../src/commands/route/undo.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {Bucket} from '../../../src/lib/cache/bucket.js'
import {startRouteServer, type RouteServer} from '../../support/route-lattice.js'
import {measure} from '../../support/routes.js'

let routes: RouteServer
beforeAll(async () => {
  routes = await startRouteServer()
})
afterAll(async () => {
  await routes[Symbol.asyncDispose]()
})

describe('route bluegreen', () => {
  test('moves all traffic to one version, and undo brings it back', async () => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteAb, '70/30')
    const {stdout, exitCode} = await lattice.run(RouteBluegreen, '--to', '2.0.0')
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/1\.0\.0\s+70 %\s+-/)
    expect(stdout).toMatch(/2\.0\.0\s+30 %\s+100 %/)
    expect(stdout).toContain('Undo: lattice route undo echo')
    expect(await measure(lattice.connection, lattice.source, 100)).toEqual({'2.0.0': 100})

    const undone = await lattice.run(RouteUndo, '--json')
    expect(undone.json()).toMatchObject({strategy: 'undo', legs: [{weight: 70}, {weight: 30}], changed: true})
    expect((await lattice.run(RouteUndo, 'echo', '--json')).json()).toMatchObject({
      legs: [{version: '2.0.0', weight: 100}],
    })
  })

  test('tells a script what it inferred', async () => {
    await using lattice = await routes.lattice()
    const {stderr} = await lattice.runWith({CI: '1'}, RouteBluegreen, '--to', '2.0.0')
    expect(stderr).toBe('In full: lattice route bluegreen echo --to 2.0.0\n')
  })

  test('to a version that nobody runs is refused', async () => {
    await using lattice = await routes.lattice()
    const {exitCode, stderr} = await lattice.run(RouteBluegreen, 'echo', '--to', '3.0.0')
    expect(exitCode).toBe(9)
    expect(stderr).toContain("Nobody runs 'echo@3.0.0'.")
  })
})

describe('route clear', () => {
  test.each([[[]], [['--json']]])('with two versions that would share the traffic is refused %j', async (extra) => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteAb, '70/30')
    const {exitCode, stdout, stderr} = await lattice.run(RouteClear, 'echo', ...extra)
    expect(exitCode).toBe(9)
    expect(stdout + stderr).toContain('lattice route clear echo --share')
    expect((await lattice.run(RouteShow, 'echo', '--json')).json()).toMatchObject({state: 'current'})
  })

  test('of one version is as without a route', async () => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteBluegreen, '--to', '1.0.0')
    expect((await lattice.run(RouteClear, '--dry-run')).stdout).toContain(
      `Would remove the mapping of ${lattice.source}`,
    )
    const {stdout} = await lattice.run(RouteClear)
    expect(stdout).toContain("Cleared the route of 'echo'")
    expect((await lattice.run(RouteClear, 'echo')).stdout).toContain("Nothing to change: 'echo' has no mapping")
    expect((await lattice.run(RouteLs, '--json')).json()).toMatchObject({routes: []})
  })

  test('without any route exits 4', async () => {
    await using lattice = await routes.lattice()
    expect((await lattice.run(RouteClear)).exitCode).toBe(4)
    expect((await lattice.run(RouteUndo, 'echo')).exitCode).toBe(4)
  })
})

describe('route show and ls', () => {
  test('tell what is recorded and what is live', async () => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteAb, '70/30', '--reason', 'canary\u001b[31m')
    const {stdout} = await lattice.run(RouteShow, 'echo')
    expect(stdout).toMatch(/state\s+live as recorded/)
    expect(stdout).toMatch(/recorded\s+1\.0\.0 70 %, 2\.0\.0 30 %/)
    expect(stdout).toMatch(/live\s+1\.0\.0 70 %, 2\.0\.0 30 %/)
    expect(stdout).toMatch(/servers\s+test applied/)
    expect(stdout).toMatch(/why\s+canary\\u\{1b\}\[31m/)
    const list = await lattice.run(RouteLs)
    expect(list.stdout.trim().split('\t')).toMatchObject([
      'echo',
      '1.0.0 70 %, 2.0.0 30 %',
      '1.0.0 70 %, 2.0.0 30 %',
      'current',
      expect.stringMatching(/Z$/),
      '2',
    ])
    expect((await lattice.run(RouteLs, '--json')).json()).toMatchObject({
      routes: [
        {
          entity: 'echo',
          state: 'current',
          recorded: {revision: 2, why: 'canary\u001b[31m'},
          effective: {visible: true, agrees: true},
        },
      ],
    })
  })

  test('without system credentials say that mappings are not visible, never that there are none', async () => {
    await using lattice = await routes.lattice()
    const env = {LATTICE_SYS_CREDS: undefined}
    const bare = await lattice.runWith(env, RouteShow, 'echo')
    expect(bare.exitCode).toBe(0)
    expect(bare.stdout).toMatch(/live\s+mappings not visible/)
    expect(bare.stdout).not.toContain('none')
    await lattice.run(RouteAb, '70/30')
    expect((await lattice.runWith(env, RouteShow, 'echo', '--json')).json()).toMatchObject({
      state: 'unknown',
      effective: {visible: false},
      recorded: {legs: [{weight: 70}, {weight: 30}]},
    })
    expect((await lattice.runWith(env, RouteLs)).stdout).toContain('mappings not visible')
  })

  test('show what versions share without a route', async () => {
    await using lattice = await routes.lattice()
    await lattice.host.run({key: lattice.key, name: 'echo', version: '3.0.0'})
    const {stdout} = await lattice.run(RouteShow, 'echo')
    expect(stdout).toMatch(/state\s+no route/)
    expect(stdout).toMatch(/implicit\s+1\.0\.0 50 %, 3\.0\.0 50 % \(by subscriptions\)/)
  })

  test('of an unknown entity exits 4', async () => {
    await using lattice = await routes.lattice()
    expect((await lattice.run(RouteShow, 'nope')).exitCode).toBe(4)
  })
})

test('a record that nobody can read is named, and neither verify nor reconcile is content with it', async () => {
  await using lattice = await routes.lattice()
  await lattice.run(RouteAb, '70/30')
  const bucket = Bucket.at(lattice.connection, `LATTICEROUTES_${lattice.name}`, {timeoutMs: 5000})
  const [entry] = await bucket.list()
  await bucket.put(entry!.key, Buffer.from('null'))
  for (const [command, exitCode] of [
    [RouteLs, 0],
    [RouteVerify, 8],
    [RouteReconcile, 8],
  ] as const) {
    const told = await lattice.run(command, '--json')
    expect(told.exitCode).toBe(exitCode)
    expect(told.json()).toMatchObject({unreadable: [entry!.key]})
    expect(told.stderr).toContain(`The route record '${entry!.key}' fits no known schema`)
  }
})
