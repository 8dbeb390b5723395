import {readFile, readdir, stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteAdopt from '../../../src/commands/route/adopt.js'
import RouteDiff from '../../../src/commands/route/diff.js'
import RouteHistory from '../../../src/commands/route/history.js'
import RouteLs from '../../../src/commands/route/ls.js'
import RouteShow from '../../../src/commands/route/show.js'
import RouteUndo from '../../../src/commands/route/undo.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import Stop from '../../../src/commands/stop.js'
import {ControlClient} from '../../../src/lib/control/client.js'
import {parseVersion} from '../../../src/lib/entity/version.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {SystemClient} from '../../../src/lib/nats/system.js'
import type {RouteRecord} from '../../../src/lib/records/route.js'
import {Routes} from '../../../src/lib/routes/routes.js'
import {FileRouteStore} from '../../../src/lib/routes/store/file-store.js'
import {readStartTime} from '../../../src/lib/server/process.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {operatorEnv} from '../../support/route-env.js'
import {run, type RunResult} from '../../support/run.js'
import {scriptedHost} from '../../support/scripted-host.js'
import {serveSubjects} from '../../support/services.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

let server: OperatorServer
let folder: TempFolder
let connection: NatsConnection
beforeAll(async () => {
  // The account may use JetStream, and the server has none.
  server = await startOperatorServer({jetstream: false})
  folder = await tempFolder()
  connection = await openConnection(server.spec())
})
afterAll(async () => {
  await connection.close()
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

let count = 0
interface Place {
  readonly source: string
  readonly subjects: readonly string[]
  readonly file: string
}

/** A subject with two versions behind it that nobody else uses, and a file of records. */
async function place(): Promise<Place> {
  const source = `state${++count}.get`
  const [first, second] = [`state${count}.v1`, `state${count}.v2`]
  serveSubjects(connection, [source, first, second])
  await connection.flush()
  const subjects = ['--source', source, '--leg', `1.0.0=${first}`, '--leg', `2.0.0=${second}`]
  return {source, subjects, file: join(folder.path, `state-${count}`, 'routes.json')}
}

const within = (
  command: Parameters<typeof run>[0],
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<RunResult> => run(command, argv, {...operatorEnv(server), ...env})

test('without JetStream a change says how to keep records elsewhere', async () => {
  const {subjects} = await place()
  const {exitCode, stderr} = await within(RouteAb, ['70/30', ...subjects])
  expect(exitCode).toBe(11)
  expect(stderr).toContain('--state file:routes.json')
})

test('records in a file carry changes, undo, verification and the last change', async () => {
  const {source, subjects, file} = await place()
  const state = ['--state', `file:${file}`]
  const made = await within(RouteAb, ['70/30', ...subjects, ...state, '--reason', 'one', '--json'])
  expect([made.exitCode, made.json()]).toMatchObject([0, {changed: true, state: 'live', revision: 2}])
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(await readdir(join(file, '..'))).toEqual(['routes.json'])
  const again = await within(RouteAb, ['70/30', ...subjects, ...state, '--json'])
  expect([again.exitCode, again.json()]).toMatchObject([0, {changed: false}])
  expect((await within(RouteAb, ['20/80', ...subjects, '--json'], {LATTICE_STATE: `file:${file}`})).exitCode).toBe(0)
  const undone = await within(RouteUndo, ['--source', source, ...state, '--json'])
  expect([undone.exitCode, undone.json()]).toMatchObject([0, {legs: [{weight: 70}, {weight: 30}]}])
  expect((await within(RouteVerify, ['--source', source, ...state, '--json'])).json()).toMatchObject({
    by: 'system',
    live: true,
    routes: [{state: 'current', servers: [{outcome: 'applied'}]}],
  })
  expect((await within(RouteHistory, ['--source', source, ...state, '--json'])).json()).toMatchObject({
    revisions: [{strategy: 'undo', before: [{weight: 20}, {weight: 80}]}],
  })
  expect((await within(RouteLs, [...state, '--json'])).json()).toMatchObject({routes: [{entity: source}]})
  expect((await within(RouteDiff, [...state, '--exit-code'])).exitCode).toBe(0)
})

test('two commands at once change different routes, one after the other, and lose none', async () => {
  const [one, other, third] = [await place(), await place(), await place()]
  const spec = server.spec()
  await using system = await SystemClient.open(spec)
  const control = new ControlClient(connection, {lattice: 'default', timeoutMs: 1000})
  const access = {state: {kind: 'file', path: one.file}} as const
  const changes = [one, other, third].map(async ({source}) => {
    const routes = await Routes.open({connection, spec, control, system: () => Promise.resolve(system), access})
    const subject = source.replace('.get', '')
    return routes.split(
      {kind: 'weights', weights: [60, 40]},
      {
        sources: [source],
        addresses: [`1.0.0=${subject}.v1`, `2.0.0=${subject}.v2`],
        versions: ['1.0.0', '2.0.0'].map(parseVersion),
      },
    )
  })
  for (const change of await Promise.allSettled(changes)) expect(change).toMatchObject({status: 'fulfilled'})
  const {routes} = JSON.parse(await readFile(one.file, 'utf8')) as {routes: {default: object}}
  expect(Object.values(routes.default)).toMatchObject([1, 2, 3].map(() => ({record: {state: 'live'}})))
})

test('a file keeps every record that is written at the same time, and refuses what is not the newest', async () => {
  const {file} = await place()
  const store = (): FileRouteStore => new FileRouteStore(file, 'default')
  const record: RouteRecord = {
    lattice: 'default',
    kind: 'subject',
    key: 'a',
    name: 'a',
    source: 'a',
    strategy: 'ab',
    driver: 'jwt',
    state: 'live',
    legs: [],
    replaced: [],
    digest: '',
    replacedDigest: '',
    who: {account: 'A'},
    when: new Date(0).toISOString(),
    allowances: [],
    servers: [],
  }
  const keys = Array.from({length: 10}, (_, index) => `subj.${index}`)
  const revisions = await Promise.all(keys.map((key) => store().put(key, record, 0)))
  expect(new Set(revisions).size).toBe(keys.length)
  expect((await store().list()).map(({key}) => key)).toEqual(keys)
  await expect(store().put(keys[0]!, record, 0)).rejects.toMatchObject({kind: 'conflict'})
  await expect(store().put('subj.new', record, 3)).rejects.toMatchObject({kind: 'conflict'})
  expect(await new FileRouteStore(file, 'other').list()).toEqual([])
})

test.each([
  ['', 'does not hold route records'],
  ['{', 'does not hold route records'],
  ['{"format":"lattice-route-state/2","revision":0,"routes":{}}', 'does not hold route records'],
  ['{"format":"lattice-route-state/1","revision":0,"routes":{"default":{"x":{"revision":1,"record":{}}}}}', 'does not'],
])('a file of %j is refused and stays as it is', async (content, sentence) => {
  const {subjects} = await place()
  const file = join(folder.path, `broken-${++count}.json`)
  await writeFile(file, content)
  const {exitCode, stderr} = await within(RouteAb, ['70/30', ...subjects, '--state', `file:${file}`])
  expect(exitCode).toBe(1)
  expect(stderr).toContain(sentence)
  expect(await readFile(file, 'utf8')).toBe(content)
})

test('a file that cannot be written is refused before anything is pushed', async () => {
  const {source, subjects, file} = await place()
  await writeFile(join(folder.path, 'plain'), '')
  for (const path of [folder.path, join(folder.path, 'plain', 'routes.json'), '/proc/routes.json']) {
    const {exitCode, stderr} = await within(RouteAb, ['70/30', ...subjects, '--state', `file:${path}`])
    expect([path, exitCode, stderr]).toEqual([
      path,
      2,
      expect.stringMatching(/^Error: The file of route records '.*\.\n/),
    ])
  }
  const {stdout} = await within(RouteShow, ['--source', source, ...subjects.slice(2), '--state', `file:${file}`])
  expect(stdout).toMatch(/state\s+no route/)
})

test('a lock that a process left behind is taken over, and one that is held is a conflict', async () => {
  const {subjects, file} = await place()
  const state = ['--state', `file:${file}`]
  expect((await within(RouteAb, ['70/30', ...subjects, ...state])).exitCode).toBe(0)
  await writeFile(`${file}.lock`, JSON.stringify({pid: 2 ** 22 + 1, startTime: '1'}))
  expect((await within(RouteAb, ['60/40', ...subjects, ...state])).exitCode).toBe(0)
  const startTime = await readStartTime(process.pid)
  await writeFile(`${file}.lock`, JSON.stringify({pid: process.pid, startTime}))
  const held = await within(RouteAb, ['50/50', ...subjects, ...state, '--timeout', '500ms'])
  expect([held.exitCode, held.stderr]).toEqual([5, expect.stringContaining(String(process.pid))])
})

test('without records a change is compared with what is live, and there is no way back by itself', async () => {
  const {source, subjects} = await place()
  const state = ['--state', 'none']
  const made = await within(RouteAb, ['70/30', ...subjects, ...state, '--json'])
  expect([made.exitCode, made.json()]).toMatchObject([0, {changed: true, state: 'live'}])
  expect(made.json()).not.toHaveProperty('undo')
  expect(made.json()).not.toHaveProperty('revision')
  const again = await within(RouteAb, ['70/30', ...subjects, ...state, '--json'])
  expect([again.exitCode, again.json()]).toMatchObject([0, {changed: false}])
  const text = await within(RouteAb, ['60/40', ...subjects, ...state])
  expect([text.exitCode, text.stdout]).toEqual([0, expect.not.stringContaining('Undo')])
  for (const [command, argv] of [
    [RouteUndo, ['--source', source, ...subjects.slice(2)]],
    [RouteHistory, ['--source', source, ...subjects.slice(2)]],
    [RouteAdopt, [...subjects, '--yes']],
  ] as const) {
    const {exitCode, stderr} = await within(command, [...argv, ...state])
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('no records of routes are kept')])
  }
  expect((await within(RouteLs, [...state, '--json'])).json()).toMatchObject({routes: []})
})

test.each(['nowhere', 'file:', ''])('--state %j', async (text) => {
  const {exitCode, stderr} = await within(RouteLs, ['--state', text])
  // An empty one is none at all, and then the records would be in JetStream.
  expect([exitCode, stderr]).toEqual(
    text === '' ? [11, expect.any(String)] : [2, expect.stringContaining('says not where records are kept')],
  )
})

test('stopping a version that a route in a file leads to is refused', async () => {
  const lattice = 'guarded'
  const {file} = await place()
  const nc = await openConnection(server.spec(lattice))
  try {
    const host = scriptedHost(nc, lattice)
    const {publicKey: key} = createKey('M')
    await host.run({key, name: 'echo', version: '1.0.0'})
    await host.run({key, name: 'echo', version: '2.0.0', dark: true})
    const env = {LATTICE_LATTICE: lattice, LATTICE_STATE: `file:${file}`}
    expect((await within(RouteAb, ['70/30'], env)).exitCode).toBe(0)
    const {exitCode, stderr} = await within(Stop, ['echo@2.0.0'], env)
    expect([exitCode, stderr]).toEqual([9, expect.stringContaining('30 %')])
  } finally {
    await nc.close()
  }
})
