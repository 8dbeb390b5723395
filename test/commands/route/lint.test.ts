import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteLint from '../../../src/commands/route/lint.js'
import type {LintReport} from '../../../src/lib/routing/lint-report.js'
import {startRouteServer, type RouteServer} from '../../support/route-lattice.js'
import {run, type RunResult} from '../../support/run.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'
import {changeAccount} from '../../support/users.js'

let folder: TempFolder
beforeAll(async () => {
  folder = await tempFolder()
})
afterAll(async () => {
  await folder[Symbol.asyncDispose]()
})

async function fileOf(name: string, text: string): Promise<string> {
  const file = join(folder.path, name)
  await writeFile(file, text)
  return file
}

/** Offline: no server is there to be found. */
const lint = (...argv: string[]): Promise<RunResult> => run(RouteLint, argv, {LATTICE_URL: 'nats://127.0.0.1:1'})

describe('route lint of files', () => {
  test('names rule, place, reason and remedy of each finding, and exits 20 where asked to', async () => {
    const file = await fileOf(
      'bad.conf',
      'accounts { SHOP { mappings {\n  orders.get: v1.orders\n  orders.*: v2.orders.$1\n} } }',
    )
    const plain = await lint(file)
    expect(plain.exitCode).toBe(0)
    expect(plain.stdout.split('\n').slice(0, 1)).toEqual([
      [
        ...['refuse', 'overlap', file, 'SHOP', 'orders.get', `${file}:2:3`],
        "The source 'orders.get' overlaps 'orders.*', and which of them wins is random.",
        'Where two sources match a subject, which one wins is drawn anew at each load of each server.',
        'Make the sources disjoint, or map only the wider one.',
      ].join('\t'),
    ])
    expect(plain.stderr).toBe('2 mappings in 1 input by the rules of all servers: 2 to refuse, 0 warnings.\n')
    expect((await lint(file, '--exit-code')).exitCode).toBe(20)
  })

  test('is quiet and exits 0 where nothing is wrong', async () => {
    const file = await fileOf('good.conf', 'mappings { orders.get: v1.orders }')
    const {stdout, stderr, exitCode} = await lint(file, '--exit-code', '--server-version', '2.10')
    expect({stdout, stderr, exitCode}).toEqual({
      stdout: '',
      stderr: '1 mapping in 1 input by the rules of server 2.10.0: nothing found.\n',
      exitCode: 0,
    })
  })

  test('judges several files by the version that is named', async () => {
    const conf = await fileOf('old.conf', 'mappings { "a.*": "b.{{left(1,3)}}" }')
    const json = await fileOf('old.json', '{"nats":{"mappings":{"a.>":[{"subject":"b.>"}]}}}')
    const report = (await lint(conf, json, '--server-version', '2.9.10', '--json')).json() as LintReport
    expect(report).toMatchObject({
      clean: false,
      refusals: 2,
      warnings: 0,
      serverVersion: '2.9.10',
      checked: [
        {input: conf, form: 'config', account: '$G', findings: [{rule: 'function-version', source: 'a.*'}]},
        {input: json, form: 'claims', findings: [{rule: 'jwt-tail-wildcard', source: 'a.>'}]},
      ],
    })
  })

  test.each([
    ['is missing', ['/nowhere/x.conf'], "The mappings file '/nowhere/x.conf' does not exist."],
    ['is of no server', ['--server-version', 'new', 'x'], '"new" is not a version of nats-server.'],
  ])('what %s is exit 2', async (_name, argv, sentence) => {
    const {exitCode, stderr} = await lint(...argv)
    expect({exitCode, first: stderr.split('\n')[0]}).toEqual({exitCode: 2, first: `Error: ${sentence}`})
  })

  test('a text that cannot be read is exit 2, with its place', async () => {
    const file = await fileOf('broken.conf', 'accounts {\n  SHOP {\n')
    const {exitCode, json} = await lint(file, '--json')
    expect(exitCode).toBe(2)
    expect(json()).toMatchObject({error: {kind: 'usage', message: `${file}:2:8: this brace is never closed.`}})
  })

  test('control characters of a file reach no terminal', async () => {
    const file = await fileOf('evil.json', '{"nats":{"mappings":{"a\\u001b[31m":[{"subject":"b"}]}}}')
    const {stdout} = await lint(file)
    expect(stdout).toContain("'a\\u{1b}[31m' is not a subject that can be mapped.")
  })
})

describe('route lint of the live account', () => {
  let routes: RouteServer
  beforeAll(async () => {
    routes = await startRouteServer()
  })
  afterAll(async () => {
    await routes[Symbol.asyncDispose]()
  })

  test('tells ours in full, and of what others map only which rules it breaks how often', async () => {
    await using lattice = await routes.lattice()
    await lattice.run(RouteAb, '70/30')
    const leg = (version: string): string => `${lattice.source}.${Buffer.from(version).toString('base64url')}`
    await changeAccount(routes.server, {
      mappings: {
        [lattice.source]: [
          {subject: leg('1.0.0'), weight: 60},
          {subject: leg('2.0.0'), weight: 30},
        ],
        'secret.*': [{subject: 'hidden.$1', weight: 50}],
        'secret.one': [{subject: 'hidden.one'}],
      },
    })
    const {stdout, exitCode, json} = await lattice.run(RouteLint, '--json', '--exit-code')
    expect(exitCode).toBe(20)
    const report = json() as LintReport
    expect(report.checked).toMatchObject([
      {
        input: 'account',
        form: 'account',
        mappings: 3,
        findings: [
          {
            rule: 'sum',
            level: 'refuse',
            source: lattice.source,
            sentence: `The weights of '${lattice.source}' sum to 90, not to 100.`,
          },
        ],
        foreign: [
          {rule: 'overlap', level: 'refuse', count: 2},
          {rule: 'rest', level: 'warn', count: 1},
        ],
      },
    ])
    expect(report).toMatchObject({refusals: 3, warnings: 1})
    expect(report.serverVersion).toMatch(/^2\./)
    expect(stdout).not.toMatch(/secret|hidden/)
    await changeAccount(routes.server, {mappings: {}})
  })

  test('a change counts what it adds to the table', async () => {
    await using lattice = await routes.lattice()
    const mappings = Object.fromEntries(
      Array.from({length: 200}, (_, index) => [`m.${index}`, [{subject: `n.${index}`}]]),
    )
    await changeAccount(routes.server, {mappings})
    const {stderr, exitCode} = await lattice.run(RouteAb, '70/30')
    expect(exitCode).toBe(0)
    expect(stderr).toBe('Warning: The account would have 201 mappings, and every message is compared with each.\n')
    expect((await lattice.run(RouteAb, '60/40')).stderr).toBe('')
    await changeAccount(routes.server, {mappings: {}})
  })

  test('without system credentials is exit 11', async () => {
    await using lattice = await routes.lattice()
    const {exitCode, stderr} = await lattice.runWith({LATTICE_SYS_CREDS: undefined}, RouteLint)
    expect(exitCode).toBe(11)
    expect(stderr).toContain('System-account credentials are needed')
  })
})
