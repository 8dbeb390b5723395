import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteShow from '../../../src/commands/route/show.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {freePort, startNatsServer, startOperatorServer} from '../../support/nats-server.js'
import {startRouteServer, type RouteServer} from '../../support/route-lattice.js'
import {measure} from '../../support/routes.js'

const forms: readonly (readonly string[])[] = [[], ['--json']]

let routes: RouteServer
beforeAll(async () => {
  routes = await startRouteServer()
})
afterAll(async () => {
  await routes[Symbol.asyncDispose]()
})

describe('route ab 70/30', () => {
  test('works as written, and shows before, after, servers and how to undo', async () => {
    await using lattice = await routes.lattice()
    const {stdout, stderr, exitCode} = await lattice.run(RouteAb, '70/30')
    expect(exitCode).toBe(0)
    expect(stdout).toContain(`Changed the route of 'echo' in lattice '${lattice.name}'`)
    expect(stdout).toMatch(/1\.0\.0\s+-\s+70 %/)
    expect(stdout).toMatch(/2\.0\.0\s+-\s+30 %/)
    expect(stdout).toMatch(/applied 1\/1 servers in [\d.]+ ms/)
    expect(stdout).toContain('Undo: lattice route bluegreen echo --to 1.0.0')
    expect(stderr).toBe('')
    const counts = await measure(lattice.connection, lattice.source, 400)
    expect(counts['lost']).toBeUndefined()
    expect(Object.keys(counts).sort()).toEqual(['1.0.0', '2.0.0'])
  })

  test('as JSON is one document with all there is to know', async () => {
    await using lattice = await routes.lattice()
    const {json, exitCode} = await lattice.run(RouteAb, '70/30', '--reason', 'canary', '--json')
    expect(exitCode).toBe(0)
    expect(json()).toEqual({
      entity: 'echo',
      key: lattice.key,
      lattice: lattice.name,
      strategy: 'ab',
      legs: [
        {version: '1.0.0', weight: 70},
        {version: '2.0.0', weight: 30},
      ],
      previous: null,
      source: lattice.source,
      changed: true,
      dryRun: false,
      state: 'live',
      driver: 'jwt',
      servers: {applied: 1, stored: 0, total: 1, names: ['test']},
      pushMs: expect.any(Number) as number,
      liveAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
      revision: 2,
      undo: 'lattice route bluegreen echo --to 1.0.0',
      inferred: 'lattice route ab echo@1.0.0=70 echo@2.0.0=30',
    })
  })

  test('is planned without the operator key, and made only on what was planned on', async () => {
    await using lattice = await routes.lattice()
    const keyless = {LATTICE_OPERATOR_SEED_FILE: undefined}
    const plan = await lattice.runWith(keyless, RouteAb, '70/30', '--dry-run', '--json')
    expect(plan.exitCode).toBe(0)
    expect(plan.json()).toMatchObject({
      state: 'planned',
      revision: 0,
      warnings: ['No operator signing key is known here, so none was checked.'],
    })
    expect(await lattice.runWith(keyless, RouteAb, '70/30')).toMatchObject({exitCode: 11})

    expect(await lattice.run(RouteAb, '70/30', '--revision', '3')).toMatchObject({exitCode: 5})
    expect((await lattice.run(RouteAb, '70/30', '--revision', '0', '--json')).json()).toMatchObject({revision: 2})
    const late = await lattice.run(RouteAb, '60/40', '--revision', '0')
    expect(late).toMatchObject({exitCode: 5})
    expect(late.stderr).toContain("The route of 'echo' is at revision 2, not 0, and nothing was changed.")
    const next = await lattice.run(RouteAb, '60/40', '--dry-run', '--json')
    expect(next.json()).toMatchObject({revision: 2})
  })

  test('repeated is exit 0 and no change', async () => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteAb, '70/30')
    const again = await lattice.run(RouteAb, '70/30')
    expect(again.exitCode).toBe(0)
    expect(again.stdout).toContain("Nothing to change: the route of 'echo'")
    expect((await lattice.run(RouteAb, '70/30', '--json')).json()).toMatchObject({changed: false})
  })

  test('tells a script what it inferred, and that command does the same', async () => {
    await using lattice = await routes.lattice()
    const {stderr} = await lattice.runWith({CI: 'true'}, RouteAb, '70/30')
    expect(stderr).toBe('In full: lattice route ab echo@1.0.0=70 echo@2.0.0=30\n')
    const full = await lattice.runWith({CI: 'true'}, RouteAb, 'echo@1.0.0=70', 'echo@2.0.0=30', '--json')
    expect(full.stderr).toBe('')
    expect(full.json()).toMatchObject({changed: false})
    const flags = await lattice.run(RouteAb, '30/70', '--entity', 'echo', '--versions', '1.0.0,2.0.0', '--json')
    expect(flags.json()).toMatchObject({changed: true, legs: [{weight: 30}, {weight: 70}]})
  })

  test('in a dry run shows the mapping and the record and changes nothing', async () => {
    await using lattice = await routes.lattice()
    const {stdout} = await lattice.run(RouteAb, '70/30', '--dry-run')
    expect(stdout).toContain("Would change the route of 'echo'")
    expect(stdout).toContain(
      `Would map ${lattice.source}\n  70 % to ${lattice.source}.MS4wLjA\n  30 % to ${lattice.source}.Mi4wLjA`,
    )
    const {json, stdout: text} = await lattice.run(RouteAb, '70/30', '--dry-run', '--json')
    expect(json()).toMatchObject({
      dryRun: true,
      state: 'planned',
      mappings: [{source: lattice.source}],
      record: {state: 'applying'},
    })
    expect(text).not.toContain('eyJ')
    expect((await lattice.run(RouteShow, 'echo', '--json')).json()).toMatchObject({state: 'none'})
    expect(await measure(lattice.connection, lattice.source, 50)).toEqual({'1.0.0': 50})
  })
})

describe('route ab refuses, before anything changes,', () => {
  test.each([
    [['70/40'], 2, 'The weights 70/40 sum to 110, not to 100.'],
    [['70.5/29.5'], 2, 'The weight 70.5 is not a whole percent'],
    [['70/30', '--entity', 'echo@1.0.0'], 2, 'names a version, and an entity is wanted here.'],
    [['70/30', '--entity', 'ecko'], 4, "No entity 'ecko' runs in lattice"],
    [['echo@1.0.0=70', 'echo@3.0.0=30'], 9, "Nobody runs 'echo@3.0.0'."],
    [['70/30', '--versions', '1.0.0'], 2, '2 weights do not fit 1 versions.'],
    [['70/30', '--lattice', 'a.b'], 2, 'is not a lattice name'],
    [[], 2, 'legs'],
  ])('%j with exit %i', async (argv, exit, sentence) => {
    await using lattice = await routes.lattice()
    const {exitCode, stderr} = await lattice.run(RouteAb, ...argv)
    expect(exitCode).toBe(exit)
    expect(stderr).toContain(sentence)
    const failed = await lattice.run(RouteAb, ...argv, '--json')
    expect(failed.exitCode).toBe(exit)
    expect(failed.json()).toMatchObject({error: {message: expect.stringContaining(sentence.slice(0, 20)) as string}})
    expect((await lattice.run(RouteShow, 'echo', '--json')).json()).toMatchObject({effective: {mappings: null}})
  })

  test('70/30 of an unknown entity, offering the nearest name', async () => {
    await using lattice = await routes.lattice()
    const {json} = await lattice.run(RouteAb, '70/30', '--entity', 'ecko', '--json')
    expect(json()).toMatchObject({error: {kind: 'notFound', suggestions: ['echo']}})
  })

  test('70/30 of three versions, with commands that work', async () => {
    await using lattice = await routes.lattice()
    await lattice.host.run({key: lattice.key, name: 'echo', version: '3.0.0', dark: true})
    const {json, exitCode} = await lattice.run(RouteAb, '70/30', '--json')
    expect(exitCode).toBe(3)
    const {error} = json() as {error: {suggestions: string[]}}
    expect(error.suggestions).toHaveLength(2)
    const pasted = error.suggestions[0]!.split(' ').slice(3)
    expect((await lattice.run(RouteAb, ...pasted)).exitCode).toBe(0)
  })

  test('70/30 of one version', async () => {
    await using lattice = await routes.lattice()
    await lattice.host.stop(lattice.key, '2.0.0')
    const {exitCode, stderr} = await lattice.run(RouteAb, '70/30')
    expect(exitCode).toBe(4)
    expect(stderr).toContain('runs in two versions, so there is nothing to split.')
  })
})

describe.each(forms)('route ab with what it needs missing exits 11 %s', (...extra) => {
  const text = ({stdout, stderr}: {stdout: string; stderr: string}): string => stdout + stderr

  test('for the operator key, and says where it can come from', async () => {
    await using lattice = await routes.lattice()
    const result = await lattice.runWith({LATTICE_OPERATOR_SEED_FILE: undefined}, RouteAb, '70/30', ...extra)
    expect(result.exitCode).toBe(11)
    expect(text(result)).toContain('An operator signing key is needed and none is known.')
    expect(text(result)).toContain('--operator-seed-file FILE (or LATTICE_OPERATOR_SEED_FILE)')
  })

  test('for the system credentials', async () => {
    await using lattice = await routes.lattice()
    const result = await lattice.runWith({LATTICE_SYS_CREDS: undefined}, RouteAb, '70/30', ...extra)
    expect(result.exitCode).toBe(11)
    expect(text(result)).toContain('System-account credentials are needed and none are known.')
  })

  test('for several things at once, all named', async () => {
    await using lattice = await routes.lattice()
    const env = {LATTICE_SYS_CREDS: undefined, LATTICE_OPERATOR_SEED_FILE: undefined}
    const result = await lattice.runWith(env, RouteAb, '70/30', ...extra)
    expect(result.exitCode).toBe(11)
    expect(text(result)).toContain('An operator signing key is needed')
    expect(text(result)).toContain('ystem-account credentials are needed')
  })

  test('for an operator key that is no seed, a seed of another kind, or a file that is not there', async () => {
    await using lattice = await routes.lattice()
    const file = join(routes.server.dir, 'bad.seed')
    const seeds = ['not a seed', createKey('U').seed]
    for (const seed of seeds) {
      await writeFile(file, seed)
      const result = await lattice.runWith({LATTICE_OPERATOR_SEED_FILE: file}, RouteAb, '70/30', ...extra)
      expect(result.exitCode).toBe(11)
      expect(text(result)).not.toContain(seed)
    }
    const missing = await lattice.runWith({LATTICE_OPERATOR_SEED_FILE: `${file}.not`}, RouteAb, '70/30', ...extra)
    expect(missing.exitCode).toBe(11)
    expect(text(missing)).toContain('does not exist')
  })

  test('for the key of another operator, and nothing was pushed', async () => {
    await using lattice = await routes.lattice()
    const file = join(routes.server.dir, 'other.seed')
    await writeFile(file, createKey('O').seed)
    const result = await lattice.run(RouteAb, '70/30', '--operator-seed-file', file, ...extra)
    expect(result.exitCode).toBe(11)
    expect(text(result)).toContain('cannot sign for this account')
    expect((await lattice.run(RouteShow, 'echo', '--json')).json()).toMatchObject({effective: {mappings: null}})
    expect((await lattice.run(RouteAb, '70/30')).exitCode).toBe(0)
  })

  test('for JetStream', async () => {
    await using server = await startOperatorServer({jetstream: false})
    await using lattice = await routes.lattice()
    const env = {
      LATTICE_URL: server.url,
      LATTICE_CREDS: server.credsFile,
      LATTICE_SYS_CREDS: server.sysCredsFile,
      LATTICE_OPERATOR_SEED_FILE: server.operatorKeyFile,
    }
    const result = await lattice.runWith(env, RouteAb, '70/30', ...extra)
    expect(result.exitCode).toBe(11)
    expect(text(result)).toContain('JetStream')
  })

  test('for operator mode', async () => {
    await using server = await startNatsServer({jetstream: true})
    await using lattice = await routes.lattice()
    const env = {LATTICE_URL: server.url, LATTICE_CREDS: undefined, LATTICE_SYS_CREDS: undefined}
    const result = await lattice.runWith(env, RouteAb, '70/30', ...extra)
    expect(result.exitCode).toBe(11)
    expect(text(result)).toContain('not in operator mode')
  })

  test('for files where there are tokens: nothing is changed by another way than was meant', async () => {
    await using lattice = await routes.lattice()
    const result = await lattice.run(RouteAb, '70/30', '--config', '/nowhere/server.conf', ...extra)
    expect(result.exitCode).toBe(2)
    expect(text(result)).toContain('stand in its token and not in configuration files')
    expect((await lattice.run(RouteShow, 'echo', '--json')).json()).toMatchObject({effective: {mappings: null}})
  })

  test('for a server', async () => {
    await using lattice = await routes.lattice()
    const started = performance.now()
    const env = {LATTICE_URL: `nats://127.0.0.1:${await freePort()}`}
    const result = await lattice.runWith(env, RouteAb, '70/30', '--timeout', '2s', ...extra)
    expect(result.exitCode).toBe(11)
    expect(performance.now() - started).toBeLessThan(4000)
  })
})
