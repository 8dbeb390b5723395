import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteClear from '../../../src/commands/route/clear.js'
import RouteLs from '../../../src/commands/route/ls.js'
import {parseMappings} from '../../../src/lib/conf/mappings-text.js'
import {parseClaims} from '../../../src/lib/routing/parse-claims.js'
import {applyNsc, parseNsc} from '../../../src/lib/routing/parse-nsc.js'
import {parsePlans} from '../../../src/lib/routing/parse-plans.js'
import {startRouteServer, type RouteLattice, type RouteServer} from '../../support/route-lattice.js'

let routes: RouteServer
beforeAll(async () => {
  routes = await startRouteServer()
})
afterAll(async () => {
  await routes[Symbol.asyncDispose]()
})

function plans({source}: RouteLattice, weights: readonly [number, number]): unknown {
  const leg = (version: string): string => `${source}.${Buffer.from(version).toString('base64url')}`
  const [first, second] = weights
  return [
    {
      source,
      destinations: [
        {subject: leg('1.0.0'), weight: first},
        {subject: leg('2.0.0'), weight: second},
      ],
    },
  ]
}

test('the print driver writes a change out in every form and changes nothing', async () => {
  await using lattice = await routes.lattice()
  const print = (...argv: string[]) => lattice.run(RouteAb, '70/30', '--driver', 'print', ...argv)
  const {stdout, exitCode} = await print()
  expect(exitCode).toBe(0)
  const [config, claims, nsc] = stdout.split(/^# (?:Configuration|Claims|Lines).*$/m).slice(1)
  const wanted = plans(lattice, [70, 30])
  expect([...parseMappings(config!, 'x')].map(([source, destinations]) => ({source, destinations}))).toEqual(wanted)
  expect(parseClaims(claims!)).toEqual(wanted)
  expect(applyNsc([], parseNsc(nsc!).steps)).toEqual(wanted)
  expect(await parsePlans((await print('--output', 'yaml')).stdout)).toEqual(wanted)
  expect(await parsePlans((await print('--output', 'json')).stdout)).toEqual(wanted)

  expect((await print('--json')).json()).toMatchObject({
    state: 'printed',
    driver: 'print',
    dryRun: true,
    printed: stdout,
    mappings: wanted,
  })
  expect((await lattice.run(RouteLs, '--json')).json()).toMatchObject({routes: []})
})

test('lines for nsc lead from what the account has, valid at every step, also to nothing', async () => {
  await using lattice = await routes.lattice()
  await lattice.run(RouteAb, '70/30')
  const lines = async (...argv: string[]): Promise<string[]> => {
    const {stdout} = await lattice.run(RouteAb, ...argv, '--driver', 'print', '--output', 'nsc')
    return stdout.split('\n').map((line) => line.replace(/ -f \S+/, ' -f SOURCE').replace(/ -t \S+\.(\S+)/, ' -t $1'))
  }
  const [one, two] = ['1.0.0', '2.0.0'].map((version) => Buffer.from(version).toString('base64url'))
  expect(await lines('20/80')).toEqual([
    `nsc add mapping -a APP -f SOURCE -t ${one!} --weight 20`,
    `nsc add mapping -a APP -f SOURCE -t ${two!} --weight 80`,
    'nsc push -a APP',
    '',
  ])
  expect(await lines('80/20')).toEqual([
    `nsc add mapping -a APP -f SOURCE -t ${two!} --weight 20`,
    `nsc add mapping -a APP -f SOURCE -t ${one!} --weight 80`,
    'nsc push -a APP',
    '',
  ])
  // What is live already is nothing for nsc to do.
  expect(await lines('70/30')).toEqual([''])
  const cleared = await lattice.run(RouteClear, 'echo', '--share', '--driver', 'print', '--output', 'nsc')
  expect(cleared.stdout).toBe(`nsc delete mapping -a APP -f ${lattice.source}\nnsc push -a APP\n`)
})

test('what would be refused is not printed', async () => {
  await using lattice = await routes.lattice()
  const {exitCode, stdout, stderr} = await lattice.run(RouteAb, 'echo@1.0.0=50', 'echo@9.0.0=50', '--driver', 'print')
  expect({exitCode, stdout}).toEqual({exitCode: 9, stdout: ''})
  expect(stderr).toContain("Nobody runs 'echo@9.0.0'.")
})
