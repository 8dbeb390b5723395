import {readFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteRender from '../../../src/commands/route/render.js'
import {parseMappings} from '../../../src/lib/conf/mappings-text.js'
import type {RenderedRoutes} from '../../../src/lib/routes/text/render.js'
import {parseClaims} from '../../../src/lib/routing/parse-claims.js'
import {applyNsc, parseNsc} from '../../../src/lib/routing/parse-nsc.js'
import {parsePlans} from '../../../src/lib/routing/parse-plans.js'
import {startRouteServer, type RouteServer} from '../../support/route-lattice.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'
import {changeAccount} from '../../support/users.js'

let routes: RouteServer
let folder: TempFolder
beforeAll(async () => {
  ;[routes, folder] = await Promise.all([startRouteServer(), tempFolder()])
  await changeAccount(routes.server, {mappings: {'secret.one': [{subject: 'hidden.one'}]}})
})
afterAll(async () => {
  await Promise.all([routes[Symbol.asyncDispose](), folder[Symbol.asyncDispose]()])
})

test('every form of the recorded routes says the same, and nothing of what others map', async () => {
  await using lattice = await routes.lattice()
  await lattice.run(RouteAb, '70/30')
  const leg = (version: string): string => `${lattice.source}.${Buffer.from(version).toString('base64url')}`
  const plans = [
    {
      source: lattice.source,
      destinations: [
        {subject: leg('1.0.0'), weight: 70},
        {subject: leg('2.0.0'), weight: 30},
      ],
    },
  ]
  const render = async (...argv: string[]): Promise<string> => {
    const {stdout, stderr, exitCode} = await lattice.run(RouteRender, ...argv)
    expect({stderr, exitCode}).toEqual({stderr: '', exitCode: 0})
    expect(stdout).not.toMatch(/secret|hidden/)
    return stdout
  }
  expect([...parseMappings(await render(), 'mappings.conf')]).toEqual(
    plans.map(({source, destinations}) => [source, destinations]),
  )
  expect(parseClaims(await render('--format', 'jwt'))).toEqual(plans)
  expect(await parsePlans(await render('--format', 'yaml'))).toEqual(plans)
  expect(await parsePlans(await render('echo', '--format', 'json'))).toEqual(plans)

  const nsc = await render('--format', 'nsc', '--account', 'My Shop')
  expect(nsc).toMatch(/^nsc delete mapping -a 'My Shop' -f \S+\n(?:nsc add mapping .*\n){2}nsc push -a 'My Shop'\n$/)
  expect(applyNsc([], parseNsc(nsc).steps)).toEqual(plans)
  // The account of the test server is named in its token.
  expect(parseNsc(await render('--format', 'nsc')).account).toBe('APP')

  const rendered = (await lattice.run(RouteRender, '--json')).json() as RenderedRoutes
  expect(rendered).toMatchObject({lattice: lattice.name, format: 'config', routes: [{entity: 'echo', mappings: plans}]})
})

test('a file is written whole, and said where', async () => {
  await using lattice = await routes.lattice()
  await lattice.run(RouteAb, '70/30')
  const file = join(folder.path, 'claims.json')
  const {stdout, stderr} = await lattice.run(RouteRender, '--format', 'jwt', '-o', file)
  expect({stdout, stderr}).toEqual({stdout: '', stderr: `Wrote '${file}'.\n`})
  expect(parseClaims(await readFile(file, 'utf8'))).toMatchObject([{source: lattice.source}])
})

test('where live mappings are not visible, that is said, and lines for nsc need the name of the account', async () => {
  await using lattice = await routes.lattice()
  await lattice.run(RouteAb, '70/30')
  const env = {LATTICE_SYS_CREDS: undefined}
  const {stderr, exitCode} = await lattice.runWith(env, RouteRender)
  expect(exitCode).toBe(0)
  expect(stderr).toBe("Warning: Whether the route of 'echo' is live is not visible without system credentials.\n")
  const refused = await lattice.runWith(env, RouteRender, '--format', 'nsc', '--json')
  expect(refused.exitCode).toBe(2)
  expect(refused.json()).toMatchObject({error: {suggestions: ['lattice route render --format nsc --account NAME']}})
})

test('a route that is not live as recorded is rendered as recorded, with a warning', async () => {
  await using lattice = await routes.lattice()
  await lattice.run(RouteAb, '70/30')
  await changeAccount(routes.server, {mappings: {}})
  const {stderr, stdout} = await lattice.run(RouteRender, '--format', 'json')
  expect(stderr).toContain("The route of 'echo' is rendered as it is recorded, which is not what is live (drifted).")
  expect(await parsePlans(stdout)).toMatchObject([{destinations: [{weight: 70}, {weight: 30}]}])
})

test.each([[[]], [['--json']]])('an entity that nobody knows exits 4 %j', async (extra) => {
  await using lattice = await routes.lattice()
  expect((await lattice.run(RouteRender, 'nobody', ...extra)).exitCode).toBe(4)
})
