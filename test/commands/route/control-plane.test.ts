import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteCanary from '../../../src/commands/route/canary.js'
import RouteClear from '../../../src/commands/route/clear.js'
import RouteLs from '../../../src/commands/route/ls.js'
import RouteShow from '../../../src/commands/route/show.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {
  answering,
  losingTheAnswer,
  startControlPlane,
  type Mappings,
  type TestControlPlane,
} from '../../support/control-plane.js'
import {startRouteServer, type RouteLattice, type RouteServer} from '../../support/route-lattice.js'
import {measure} from '../../support/routes.js'
import type {RunResult} from '../../support/run.js'

let routes: RouteServer
let plane: TestControlPlane
beforeAll(async () => {
  routes = await startRouteServer()
})
afterAll(async () => {
  await routes[Symbol.asyncDispose]()
})
beforeEach(async () => {
  plane = await startControlPlane({
    server: routes.server,
    mappings: {'other.tool': [{subject: 'other.tool.v2', weight: 10}]},
  })
  return () => plane[Symbol.asyncDispose]()
})

type Words = Parameters<RouteLattice['run']>

/** Runs a command with user credentials only. */
async function through(lattice: RouteLattice, ...[command, ...words]: Words): Promise<RunResult> {
  const env = {...plane.env, LATTICE_SYS_CREDS: undefined, LATTICE_OPERATOR_SEED_FILE: undefined, DEBUG: 'lattice*'}
  const result = await lattice.runWith(env, command, ...words, '--driver', 'controlplane')
  expect(result.stdout + result.stderr).not.toContain(plane.token)
  return result
}

function patched(): unknown[] {
  return plane.patches().map((body) => body.jwt_settings.mappings)
}

describe('with user credentials and a token of the control plane', () => {
  test('a route goes from a split over a canary to nothing, proved by probes', async () => {
    await using lattice = await routes.lattice()
    const split = await through(lattice, RouteAb, '70/30', '--json')
    expect(split.stderr).toBe('')
    expect(split.json()).toMatchObject({
      driver: 'controlplane',
      state: 'live',
      servers: {applied: 1, total: 1, names: ['test']},
    })
    const counts = await measure(lattice.connection, lattice.source, 400)
    expect(counts['lost']).toBeUndefined()
    expect(counts['1.0.0']).toBeGreaterThan(counts['2.0.0']!)

    const canary = await through(lattice, RouteCanary, 'echo', '--to', '2.0.0', '--weight', '100', '--json')
    expect(canary.json()).toMatchObject({changed: true, state: 'live'})
    expect(await measure(lattice.connection, lattice.source, 50)).toEqual({'2.0.0': 50})

    const {stdout} = await through(lattice, RouteShow, 'echo')
    expect(stdout).toMatch(/servers\s+cannot be asked; lattice route verify tries what they do/)
    expect((await through(lattice, RouteLs, '--json')).json()).toMatchObject({
      routes: [{entity: 'echo', state: 'current', effective: {visible: true, unseen: true, servers: []}}],
    })
    const verified = await through(lattice, RouteVerify, '--json')
    expect(verified.json()).toMatchObject({by: 'probe', live: true, routes: [{servers: [{outcome: 'applied'}]}]})

    const cleared = await through(lattice, RouteClear, 'echo', '--share', '--json')
    expect(cleared.json()).toMatchObject({changed: true})
    expect((await measure(lattice.connection, lattice.source, 50))['lost']).toBeUndefined()
    expect(plane.accounts[0]!.mappings).toEqual({'other.tool': [{subject: 'other.tool.v2', weight: 10}]})
    expect(plane.patches().flatMap((body) => Object.keys(body.jwt_settings.mappings))).toEqual(
      plane.patches().map(() => lattice.source),
    )
  })

  test('is planned without a change', async () => {
    await using lattice = await routes.lattice()
    const planned = await through(lattice, RouteAb, '50/50', '--dry-run', '--json')
    expect(planned.json()).toMatchObject({dryRun: true, record: {driver: 'controlplane'}})
    expect(patched()).toEqual([])
  })

  test('a lost answer is no failure where reading back shows the change', async () => {
    await using lattice = await routes.lattice()
    plane.interfere('PATCH', /accounts/, losingTheAnswer)
    expect((await through(lattice, RouteAb, '50/50', '--json')).json()).toMatchObject({state: 'live'})
    expect(patched()).toHaveLength(1)
  })

  test('what became unknown exits 6, and the same command settles it', async () => {
    await using lattice = await routes.lattice()
    plane.interfere('PATCH', /accounts/, async (response, context) => {
      for (let index = 0; index < 9; index++) plane.interfere('GET', /accounts/, answering(403))
      await losingTheAnswer(response, context)
    })
    const unknown = await through(lattice, RouteAb, '50/50', '--json')
    expect(unknown.exitCode).toBe(6)
    expect(unknown.json()).toMatchObject({
      error: {
        message: expect.stringMatching(/^Whether the route of 'echo' was changed is unknown: /) as string,
        suggestions: expect.arrayContaining(['Run the same command again.']) as string[],
      },
    })
    plane.forgive()
    const again = await through(lattice, RouteAb, '50/50', '--json')
    expect(again.json()).toMatchObject({state: 'live'})
    expect(patched()[1]).toEqual(patched()[0])
  })

  test('what does not reach the servers is taken back', async () => {
    await using lattice = await routes.lattice()
    plane.interfere('PATCH', /accounts/, (response, {request}) => {
      const {mappings} = (request.body as {jwt_settings: {mappings: Mappings}}).jwt_settings
      Object.assign(plane.accounts[0]!, {mappings: {...plane.accounts[0]!.mappings, ...mappings}})
      response.writeHead(200).end('{}')
    })
    const {exitCode, json} = await through(lattice, RouteAb, '50/50', '--timeout', '2s', '--json')
    expect(exitCode).toBe(8)
    expect(json()).toMatchObject({error: {details: {writtenBack: 'written'}}})
    expect(patched().at(-1)).toEqual({[lattice.source]: null})
    expect(plane.accounts[0]!.mappings).toEqual({'other.tool': [{subject: 'other.tool.v2', weight: 10}]})
  })

  test.each([
    [403, 11, /LATTICE_CP_TOKEN_FILE/],
    [429, 6, /--timeout/],
  ])('a refusal with %d exits %d, says what to do and leaves no record', async (status, exit, hint) => {
    await using lattice = await routes.lattice()
    plane.interfere('PATCH', /accounts/, answering(status, {'retry-after': '99'}, `no, ${plane.token}\u001b[2J`))
    const {exitCode, stderr} = await through(lattice, RouteAb, '50/50')
    expect(exitCode).toBe(exit)
    expect(stderr).toMatch(hint)
    expect(stderr).not.toContain('\u001b[2J')
    expect((await through(lattice, RouteLs, '--json')).json()).toMatchObject({routes: []})
  })

  test('without address and token exits 11 and names the variables', async () => {
    await using lattice = await routes.lattice()
    const env = {LATTICE_CP_URL: undefined, LATTICE_CP_TOKEN_FILE: undefined}
    const {exitCode, stderr} = await lattice.runWith(env, RouteAb, '50/50', '--control-plane-account', 'abc')
    expect(exitCode).toBe(11)
    expect(stderr).toContain('LATTICE_CP_URL=')
    expect(stderr).toContain('LATTICE_CP_TOKEN_FILE=')
  })
})

test('with system credentials every server is asked what it has', async () => {
  await using lattice = await routes.lattice()
  const {id} = plane.accounts[0]!
  const result = await lattice.runWith(plane.env, RouteAb, '50/50', '--control-plane-account', id, '--json')
  expect(result.json()).toMatchObject({driver: 'controlplane', servers: {applied: 1, total: 1}})
  expect(plane.requests.every(({path}) => path.endsWith(`/accounts/${id}`))).toBe(true)
})

describe('a token that is pushed past the control plane', () => {
  test('is refused where that manages the account, unless it is allowed', async () => {
    await using lattice = await routes.lattice()
    const refused = await lattice.runWith(plane.env, RouteAb, '50/50', '--json')
    expect(refused.exitCode).toBe(9)
    const {id, publicKey} = plane.accounts[0]!
    expect(refused.json()).toMatchObject({
      error: {
        message: `The control plane '${plane.url}' manages account '${publicKey}' (there '${id}').`,
        suggestions: expect.arrayContaining([
          'Change the route through it: --driver controlplane.',
          '--allow managed-account   (switches off this rule alone)',
        ]) as string[],
      },
    })
    const allowed = await lattice.runWith(plane.env, RouteAb, '50/50', '--allow', 'managed-account', '--json')
    expect(allowed.json()).toMatchObject({driver: 'jwt', state: 'live'})
    const cleared = await lattice.runWith(plane.env, RouteClear, 'echo', '--share', '--json')
    expect(cleared.json()).toMatchObject({warnings: [expect.stringContaining('manages account')]})
    expect(patched()).toEqual([])
  })

  test('is refused where that cannot be asked', async () => {
    await using lattice = await routes.lattice()
    const {exitCode, stderr} = await lattice.runWith({LATTICE_CP_URL: plane.url}, RouteAb, '50/50')
    expect(exitCode).toBe(9)
    expect(stderr).toContain('Whether a control plane manages the account is not known')
  })

  test('is taken where that knows no such account', async () => {
    await using lattice = await routes.lattice()
    plane.accounts[0] = {...plane.accounts[0]!, publicKey: createKey('A').publicKey}
    const result = await lattice.runWith(plane.env, RouteAb, '50/50', '--json')
    expect(result.json()).toMatchObject({driver: 'jwt', state: 'live'})
  })
})
