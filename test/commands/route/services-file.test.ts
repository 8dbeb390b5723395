import {appendFile, mkdir, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import Call from '../../../src/commands/call.js'
import EntityInspect from '../../../src/commands/entity/inspect.js'
import EntityLs from '../../../src/commands/entity/ls.js'
import RouteAb from '../../../src/commands/route/ab.js'
import RouteAdopt from '../../../src/commands/route/adopt.js'
import RouteApply from '../../../src/commands/route/apply.js'
import RouteBluegreen from '../../../src/commands/route/bluegreen.js'
import RouteCanary from '../../../src/commands/route/canary.js'
import RouteClear from '../../../src/commands/route/clear.js'
import RouteDrop from '../../../src/commands/route/drop.js'
import RouteFail from '../../../src/commands/route/fail.js'
import RouteLint from '../../../src/commands/route/lint.js'
import RouteLs from '../../../src/commands/route/ls.js'
import RoutePlan from '../../../src/commands/route/plan.js'
import RouteShow from '../../../src/commands/route/show.js'
import RouteTrace from '../../../src/commands/route/trace.js'
import RouteUndo from '../../../src/commands/route/undo.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import RouteWatch from '../../../src/commands/route/watch.js'
import {encodeVersion} from '../../../src/lib/entity/version.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {startPump} from '../../support/pump.js'
import {operatorEnv} from '../../support/route-env.js'
import {measure} from '../../support/routes.js'
import {run, type RunResult} from '../../support/run.js'
import {behind, runService} from '../../support/services.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'
import {writeUser} from '../../support/users.js'

let server: OperatorServer
let folder: TempFolder
let workers: NatsConnection
let count = 0
beforeAll(async () => {
  server = await startOperatorServer()
  folder = await tempFolder()
  workers = await openConnection(server.spec())
})
afterAll(async () => {
  await workers.close()
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

/** A service of plain queue subscribers with a name of its own, and the file that declares it. */
async function declare(more = '', template = '{name}.{v}.get'): Promise<{name: string; file: string; source: string}> {
  const name = `s${process.pid}x${++count}`
  const dir = join(folder.path, name)
  await mkdir(dir)
  const file = join(dir, 'services.yaml')
  const leg = template.replace('{name}', name)
  await writeFile(
    file,
    `format: lattice-services/1\nservices:\n  - name: ${name}\n    sources:\n      ${name}.get: "${leg}"\n${more}`,
  )
  return {name, file, source: `${name}.get`}
}

async function serve(subject: string, version: string): Promise<void> {
  workers.subscribe(subject, {queue: 'workers', callback: (_error, message) => void message.respond(version)})
  await workers.flush()
}

function lattice(command: Parameters<typeof run>[0], file: string, ...argv: string[]): Promise<RunResult> {
  return run(command, argv, {...operatorEnv(server), LATTICE_SERVICES: file})
}

/** A service with two versions that listen where its template says. */
async function running(more = ''): Promise<Awaited<ReturnType<typeof declare>>> {
  const declared = await declare(more)
  for (const version of ['1.0.0', '2.0.0']) await serve(addressOf(declared.name, version), version)
  return declared
}

function addressOf(name: string, version: string): string {
  return `${name}.${encodeVersion(version)}.get`
}

describe('a service of plain queue subscribers', () => {
  test('goes 0, 10, 50, 100 by name and version alone', async () => {
    const {name, file, source} = await declare()
    await serve(addressOf(name, '2.3.0'), '2.3.0')
    await serve(addressOf(name, '2.3.1'), '2.3.1')
    for (const weight of [10, 50, 100]) {
      const canary = await lattice(RouteCanary, file, name, '--to', '2.3.1', '--weight', String(weight))
      expect(canary).toMatchObject({exitCode: 0})
      const counts = await measure(workers, source, 400)
      expect((counts['2.3.0'] ?? 0) + (counts['2.3.1'] ?? 0)).toBe(400)
      expect(Math.abs((counts['2.3.1'] ?? 0) / 4 - weight)).toBeLessThan(14)
    }
    expect((await lattice(RouteShow, file, name, '--json')).json()).toMatchObject({state: 'current'})
  })

  test('is split by weights alone, because its versions are seen', async () => {
    const {name, file} = await declare()
    for (const version of ['1.9.0', '1.10.0']) await serve(addressOf(name, version), version)
    const ab = await lattice(RouteAb, file, '70/30', '--entity', name, '--json')
    expect(ab.json()).toMatchObject({
      state: 'live',
      legs: [
        {version: '1.9.0', weight: 70},
        {version: '1.10.0', weight: 30},
      ],
    })
  })

  test('is what every route command knows by its name, and what its record keeps without the file', async () => {
    const {name, file, source} = await running()
    const ok = async (command: Parameters<typeof run>[0], ...argv: string[]): Promise<unknown> => {
      const {exitCode, stdout, stderr} = await lattice(command, file, ...argv, '--json')
      expect({exitCode, stderr}).toMatchObject({exitCode: 0})
      return JSON.parse(stdout)
    }
    await ok(RouteAb, '70/30', '--entity', name)
    expect(await ok(RouteBluegreen, name, '--to', '2.0.0')).toMatchObject({legs: [{version: '2.0.0', weight: 100}]})
    expect(await ok(RouteUndo, name)).toMatchObject({legs: [{weight: 70}, {weight: 30}]})
    expect(await ok(RouteVerify, name)).toMatchObject({live: true})
    expect(await ok(RouteTrace, name, '--probes', '20')).toMatchObject({entity: name})
    const pump = startPump(workers, source)
    const watch = await lattice(
      RouteWatch,
      file,
      name,
      '--until-stable',
      '--window',
      '500ms',
      '--timeout',
      '20s',
      '--json',
    )
    await pump[Symbol.asyncDispose]()
    expect(pump.failures()).toBe(0)
    expect(watch).toMatchObject({exitCode: 0})
    await ok(RouteDrop, '10', name, '--for', '1m', '--dry-run')
    await ok(RouteFail, name, '--version', '2.0.0', '--for', '1m', '--dry-run')
    const plan = join(folder.path, `${name}.json`)
    await ok(RoutePlan, `${name}@1.0.0=50`, `${name}@2.0.0=50`, '-o', plan)
    await ok(RouteApply, plan)
    const routes = join(folder.path, `${name}.yaml`)
    await writeFile(routes, `routes: [{entity: ${name}, legs: {"1.0.0": 20, "2.0.0": 80}}]\n`)
    await ok(RouteApply, '-f', routes)
    expect(await ok(RouteLs)).toMatchObject({
      routes: expect.arrayContaining([expect.objectContaining({entity: name})]) as unknown,
    })

    const without = async (command: Parameters<typeof run>[0], ...argv: string[]): Promise<RunResult> =>
      run(command, [...argv, '--json'], operatorEnv(server))
    expect((await without(RouteShow, name)).json()).toMatchObject({state: 'current'})
    expect((await without(RouteUndo, name)).json()).toMatchObject({state: 'live', legs: [{weight: 50}, {weight: 50}]})
    expect((await without(RouteCanary, name, '--to', '2.0.0', '--weight', '90')).json()).toMatchObject({state: 'live'})
    expect(await ok(RouteShow, name)).toMatchObject({state: 'current'})
    await ok(RouteBluegreen, name, '--to', '2.0.0')
    await ok(RouteClear, name)
  })

  test('gets its first canary beside a version that listens on the source', async () => {
    const {name, file, source} = await declare('    incumbent: "1.0.0"\n')
    await serve(source, '1.0.0')
    await serve(addressOf(name, '2.0.0'), '2.0.0')
    expect(await lattice(RouteCanary, file, name, '--to', '2.0.0', '--weight', '25')).toMatchObject({exitCode: 0})
    const counts = await measure(workers, source, 400)
    expect((counts['1.0.0'] ?? 0) + (counts['2.0.0'] ?? 0)).toBe(400)
    expect(Math.abs((counts['2.0.0'] ?? 0) - 100)).toBeLessThan(45)
    expect(await lattice(RouteClear, file, name)).toMatchObject({exitCode: 0})
    expect(await measure(workers, source, 20)).toEqual({'1.0.0': 20})
  })

  test('whose mapping was made elsewhere is adopted', async () => {
    const {name, file, source} = await running()
    const legs = ['1.0.0', '2.0.0'].flatMap((version) => ['--leg', `${version}=${addressOf(name, version)}`])
    const elsewhere = await run(RouteAb, ['50/50', '--source', source, ...legs], operatorEnv(server))
    expect(elsewhere).toMatchObject({exitCode: 0})
    expect((await lattice(RouteAdopt, file, name, '--yes', '--json')).json()).toMatchObject({
      changed: true,
      legs: [
        {version: '1.0.0', weight: 50},
        {version: '2.0.0', weight: 50},
      ],
    })
  })
})

describe('a template with {v:dash}', () => {
  test('needs its versions named, and refuses two with one address', async () => {
    const {name, file} = await declare('', '{name}.{v:dash}.get')
    for (const version of ['1-0-0', '2-0-0']) await serve(`${name}.${version}.get`, version)
    expect(await lattice(RouteAb, file, '70/30', '--entity', name)).toMatchObject({exitCode: 4})
    const named = await lattice(RouteAb, file, '70/30', '--entity', name, '--versions', '1.0.0,2.0.0')
    expect(named).toMatchObject({exitCode: 0})
    const twins = await lattice(RouteAb, file, `${name}@2.0.0=50`, `${name}@2-0-0=50`)
    expect(twins).toMatchObject({exitCode: 2})
    expect(twins.stderr).toContain(
      `The versions '2.0.0' and '2-0-0' of '${name}' have one address, '${name}.2-0-0.get'`,
    )
    const {stdout} = await lattice(EntityInspect, file, name)
    expect(stdout).toContain('does not tell which version, so name it.')
    expect((await lattice(Call, file, `${name}@2.0.0`, `${name}.get`, '--json')).json()).toMatchObject({
      subject: `${name}.2-0-0.get`,
      result: '2-0-0',
    })
  })
})

describe('what a file says', () => {
  test('is shown with what listens', async () => {
    const {name, file} = await running('    description: Things\n')
    const {stdout} = await lattice(EntityInspect, file, name)
    expect(stdout).toContain(`declared     ${file}:3`)
    expect(stdout).toContain('description  Things')
    expect((await lattice(EntityInspect, file, name, '--json')).json()).toMatchObject({
      kind: 'service',
      endpoints: [{source: `${name}.get`, addresses: {'1.0.0': addressOf(name, '1.0.0')}}],
      instances: [
        {version: '1.0.0', count: 1, dark: true},
        {version: '2.0.0', count: 1, dark: true},
      ],
      service: {declared: {where: `${file}:3`, description: 'Things'}},
    })
    const listed = (await lattice(EntityLs, file, '--json')).json() as {entities: {name: string}[]}
    expect(listed.entities.map((entity) => entity.name)).toContain(name)
    const idle = await declare()
    const none = (await lattice(EntityLs, idle.file, '--json')).json() as {entities: {name: string}[]}
    expect(none.entities.map((entity) => entity.name)).not.toContain(idle.name)
    expect(await lattice(EntityInspect, idle.file, idle.name)).toMatchObject({exitCode: 0})
  })

  test('is seen with nothing but the credentials of a user', async () => {
    const {name, file} = await running()
    const env = {...operatorEnv(server), LATTICE_SERVICES: file, LATTICE_SYS_CREDS: undefined}
    expect((await run(EntityInspect, [name, '--json'], env)).json()).toMatchObject({
      instances: [
        {version: '1.0.0', count: 1},
        {version: '2.0.0', count: 1},
      ],
    })
  })

  test('is known, and who listens is not, to a user who may not ask', async () => {
    const {name, file} = await running()
    const creds = await writeUser(server.dir, server.account, {pub: {deny: ['$SYS.>']}})
    const env = {...operatorEnv(server), LATTICE_CREDS: creds, LATTICE_SYS_CREDS: undefined, LATTICE_SERVICES: file}
    const {exitCode, stdout} = await run(EntityInspect, [name], env)
    expect({exitCode, stdout}).toEqual({
      exitCode: 0,
      stdout: [
        `name       ${name}\nkind       service\nrouted by  ${name}.get\ndeclared   ${file}:3\n`,
        'Who listens is not visible here, so versions have to be named.\n',
      ].join('\n'),
    })
  })

  test('that nobody named is told where it matters, and in pipelines always', async () => {
    const {name, file} = await running()
    await mkdir(join(dirname(file), '.git'))
    const before = process.cwd()
    process.chdir(dirname(file))
    try {
      const found = (ci: string | undefined, ...argv: string[]): Promise<RunResult> =>
        run(RouteAb, [...argv, '--dry-run', '--json'], {...operatorEnv(server), LATTICE_SERVICES: '', CI: ci})
      const told = await found(undefined, '70/30', '--entity', name)
      expect(told).toMatchObject({exitCode: 0, stderr: "Services are declared in 'services.yaml'.\n"})
      const stepped = ['--to', '2.0.0', '--step', '50,100', '--every', '100ms', '--gate', 'none']
      const steps = await run(RouteCanary, [name, ...stepped], {...operatorEnv(server), LATTICE_SERVICES: ''})
      expect(steps).toMatchObject({exitCode: 0})
      expect(steps.stderr.match(/Services are declared/g)).toHaveLength(1)
      expect(await found(undefined, '70/30', '--entity', 'echo')).toMatchObject({
        exitCode: 4,
        stderr: expect.not.stringContaining('Services are declared') as string,
      })
      expect((await found('true', '70/30', '--entity', 'echo')).stderr).toContain('Services are declared')
      await writeFile(file, 'format: lattice-services/1\nservices: 7\n')
      const broken = await found(undefined, '70/30', '--entity', 'echo')
      expect(broken).toMatchObject({exitCode: 2})
      expect((broken.json() as {error: {message: string}}).error.message).toBe(
        'services.yaml:2: "services": services is a list.',
      )
    } finally {
      process.chdir(before)
    }
  })

  test('is named by --services and --file too, which suggested lines repeat', async () => {
    const {name, file} = await running()
    for (const flag of ['--services', '--file']) {
      const show = await run(RouteAb, ['70/30', '--entity', name, flag, file, '--dry-run'], operatorEnv(server))
      expect(show).toMatchObject({exitCode: 0})
    }
    const done = await run(RouteAb, ['60/40', '--entity', name, '--services', file], operatorEnv(server))
    expect(done.stdout).toContain(`Undo: lattice route undo ${name} --services ${file}`)
  })

  test('has its sources beside --source only where the service answers for itself', async () => {
    const {name, file} = await running()
    const {exitCode, stderr} = await lattice(RouteAb, file, '70/30', '--entity', name, '--source', `get=${name}.get`)
    expect({exitCode, stderr}).toEqual({exitCode: 2, stderr: expect.stringContaining(`stand in ${file}:3`) as string})
  })

  test('sends no weight to nobody', async () => {
    const {name, file} = await running()
    const {exitCode, stderr} = await lattice(RouteAb, file, `${name}@1.0.0=50`, `${name}@3.0.0=50`)
    expect(exitCode).toBe(9)
    expect(stderr).toContain(`Nobody listens on '${addressOf(name, '3.0.0')}', where '${name}@3.0.0' should.`)
  })

  test('does not move a version that has traffic, and forgets no mapping', async () => {
    const {name, file, source} = await running()
    expect(await lattice(RouteAb, file, '70/30', '--entity', name)).toMatchObject({exitCode: 0})
    const rewrite = (sources: string): Promise<void> =>
      writeFile(file, `format: lattice-services/1\nservices:\n  - name: ${name}\n    sources: ${sources}\n`)
    await rewrite(`{${source}: "${name}.at{v}.get"}`)
    const moved = await lattice(RouteAb, file, `${name}@1.0.0=50`, `${name}@2.0.0=50`)
    expect(moved.exitCode).toBe(9)
    expect(moved.stderr).toContain(`Version 1.0.0 of '${name}' has traffic on '${addressOf(name, '1.0.0')}', and`)
    expect((await lattice(RouteShow, file, name, '--json')).json()).toMatchObject({state: 'current'})
    await rewrite(`{${name}.other: "${name}.{v}.get"}`)
    const left = await lattice(RouteAb, file, `${name}@1.0.0=50`, `${name}@2.0.0=50`)
    expect(left).toMatchObject({exitCode: 9})
    expect(left.stderr).toContain(`maps '${source}', which its declaration at ${file}:3 does not have.`)
    await rewrite(`{${source}: "${name}.{v}.get", ${name}.more: "${name}.{v}.more"}`)
    for (const version of ['1.0.0', '2.0.0']) await serve(`${name}.${encodeVersion(version)}.more`, version)
    expect(await lattice(RouteAb, file, `${name}@1.0.0=100`)).toMatchObject({exitCode: 0})
    expect(await measure(workers, `${name}.more`, 20)).toEqual({'1.0.0': 20})
    expect((await lattice(RouteShow, file, name, '--json')).json()).toMatchObject({state: 'current'})
  })
})

describe('a micro service that a file declares too', () => {
  test('has the sources of the file where it names none', async () => {
    const {name, file, source} = await declare()
    await appendFile(file, `      ${name}.later: "${name}.{v}.later"\n`)
    for (const version of ['1.0.0', '2.0.0']) {
      await runService(workers, {name, version, endpoints: {get: {subject: addressOf(name, version)}}})
    }
    const {exitCode, stderr} = await lattice(RouteAb, file, '70/30', '--entity', name)
    expect(exitCode).toBe(0)
    expect(stderr).toContain(`No endpoint of '${name}' is behind '${name}.later' (${file}:6), so that stays as it is.`)
    const counts = await measure(workers, source, 200)
    expect(Object.values(counts).reduce((sum, each) => sum + each)).toBe(200)
    expect(Object.keys(counts).sort()).toEqual(
      ['1.0.0', '2.0.0'].map((version) => `${version} ${addressOf(name, version)}`),
    )
  })

  test('that says something else is refused', async () => {
    const {name, file, source} = await declare()
    for (const version of ['1.0.0', '2.0.0']) {
      const endpoints = {
        get: {subject: addressOf(name, version), source: `${name}.fetch`},
        put: behind(source, Number(version[0])),
      }
      await runService(workers, {name, version, endpoints})
    }
    const {exitCode, stderr} = await lattice(RouteAb, file, '70/30', '--entity', name)
    expect(exitCode).toBe(9)
    expect(stderr).toContain(`Version 1.0.0 says that callers use '${name}.fetch', and ${file}:5 says '${source}'.`)
    expect(stderr).toContain(
      `Version 2.0.0 listens on '${name}.v2.get' behind '${source}', and ${file}:5 says '${addressOf(name, '2.0.0')}'.`,
    )
  })
})

describe('lint of a file of services', () => {
  test.each([[['--services']], [[]], [['--form', 'services']]])(
    'finds nothing in one that is in order %j',
    async (more) => {
      const {file} = await declare()
      const {exitCode, stderr} = await lattice(RouteLint, file, file, ...more, '--exit-code')
      expect({exitCode, stderr}).toMatchObject({exitCode: 0})
      expect(stderr).toContain('nothing found')
    },
  )

  test('is of the file that commands would use, and exits with 20 where it is asked to', async () => {
    const {file, name} = await declare('', '{name}.v1.get')
    const {exitCode, json} = await lattice(RouteLint, file, '--services', '--exit-code', '--json')
    expect(exitCode).toBe(20)
    expect(json()).toMatchObject({
      clean: false,
      refusals: 1,
      checked: [
        {
          input: file,
          form: 'services',
          mappings: 1,
          findings: [{rule: 'template', source: `${name}.get`, where: `${file}:5`}],
        },
      ],
    })
    const broken = await lattice(RouteAb, file, '70/30', '--entity', name)
    expect(broken).toMatchObject({exitCode: 2})
    expect(broken.stderr).toContain(`${file}:5: "${name}.v1.get" is no template`)
  })

  test('of no file is exit 4', async () => {
    const none = await run(RouteLint, ['--services'], {...operatorEnv(server), LATTICE_SERVICES: undefined})
    expect(none).toMatchObject({exitCode: 4})
  })
})
