import {execFile} from 'node:child_process'
import {randomUUID} from 'node:crypto'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'

import {afterAll, afterEach, beforeAll, expect, test} from 'vitest'
import {parse} from 'yaml'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteCanary from '../../../src/commands/route/canary.js'
import RouteClear from '../../../src/commands/route/clear.js'
import RouteUndo from '../../../src/commands/route/undo.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {readServers} from '../../../src/lib/apply/account-state.js'
import type {RouteChange} from '../../../src/lib/routes/result.js'
import {startConfigServers, type ConfigServers} from '../../support/config-servers.js'
import {startKubelets, type Kubelets} from '../../support/kubelets.js'
import {freePort} from '../../support/nats-server.js'
import {plainService, type PlainService} from '../../support/plain-service.js'
import {startPump} from '../../support/pump.js'
import {configEnv} from '../../support/route-env.js'
import {run, type RunResult} from '../../support/run.js'
import {serveSubjects} from '../../support/services.js'

let servers: ConfigServers
let kubelets: Kubelets
let ports: readonly number[]
let watcher: string
beforeAll(async () => {
  ports = await Promise.all([0, 1, 2].map(() => freePort()))
  servers = await startConfigServers({
    size: 3,
    mappings: 'mappings {\n  "theirs.get": "theirs.v1.get"\n}\n',
    // Whoever changes routes here need not be able to reload anything.
    system:
      '{user: watcher, password: watcher, permissions: {publish: ["$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.*"], subscribe: "_INBOX.>"}}',
    top: (index) => `http: "127.0.0.1:${ports[index]!}"`,
  })
  watcher = await servers.systemContext('watcher')
  kubelets = await startKubelets(servers.servers)
})
afterEach(() => {
  kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0}])
})
afterAll(async () => {
  await kubelets[Symbol.asyncDispose]()
  await servers[Symbol.asyncDispose]()
})

type Env = Readonly<Record<string, string | undefined>>

/** Credentials and the ConfigMap: no file of a server is here. */
function env(more: Env = {}): Env {
  return {
    ...configEnv(servers),
    LATTICE_SYS_CONTEXT: watcher,
    LATTICE_SERVER_CONFIG: undefined,
    LATTICE_CONFIGMAP: kubelets.configMap,
    LATTICE_APPLY_WITH: kubelets.applyWith,
    LATTICE_STATE: `file:${servers.servers[0]!.dir}/${randomUUID()}.json`,
    ...more,
  }
}

/** A service of which all goes to the first version. */
async function served(here: Env): Promise<PlainService> {
  const service = plainService()
  await service.serve(await servers.connect())
  expect(await run(RouteAb, ['100/0', ...service.words], here)).toMatchObject({exitCode: 0})
  return service
}

/** What the servers give the second version, S0 first. */
async function shares(service: PlainService): Promise<(number | undefined)[]> {
  const views = await readServers({system: servers.system!, account: 'SHOP'})
  return views.map(({live}) => live!.table.get(service.source)?.find(({subject}) => subject.includes('.v2.'))?.weight)
}

const verify = (here: Env, ...words: string[]): Promise<RunResult> => run(RouteVerify, [...words, '--json'], here)

test('a change is applied, told of server by server and waited for, and no call is lost', async () => {
  const here = env()
  const service = await served(here)
  kubelets.behave([{afterMs: 0}, {afterMs: 400, early: true}, {afterMs: 800}])
  const connection = await servers.connect(2)
  await using pump = startPump(connection, service.source, 2)

  const changed = await run(RouteAb, ['70/30', ...service.words, '--json'], here)

  expect(changed).toMatchObject({exitCode: 0})
  expect(changed.json()).toMatchObject({state: 'live', driver: 'config', servers: {applied: 3, total: 3}})
  const lines = changed.stderr.split('\n')
  expect(lines.slice(0, 3)).toEqual([
    'Applying ConfigMap nats/lattice-mappings.',
    '  configmap/lattice-mappings configured',
    'Waiting up to 180 s for all 3 servers to load it.',
  ])
  expect(lines.flatMap((line) => /^\d\/3/.exec(line) ?? [])).toEqual(
    expect.arrayContaining(['1/3', '2/3', '3/3']) as string[],
  )
  expect(lines.find((line) => line.startsWith('2/3'))).toMatch(
    /^2\/3 servers have the new mappings after [\d.]+ s \(not yet: S2\); until all do, callers at different servers are split differently\.$/,
  )
  expect(pump.failures()).toBe(0)
  expect(await shares(service)).toEqual([30, 30, 30])
  expect(await kubelets.stored()).toContain('"theirs.get"')
  expect((await verify(here)).json()).toMatchObject({live: true, by: 'system', routes: [{state: 'current'}]})
})

test('a server that refuses the file keeps what it has: exit 8 names it, and undo mends it', async () => {
  const here = env()
  const service = await served(here)
  kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0, spoil: (text) => `${text}\nmappings {`}])

  const changed = await run(RouteAb, ['60/40', ...service.words, '--wait', '1500ms', '--json'], here)

  expect(changed.exitCode).toBe(8)
  const name = service.source
  const kept = `it has not loaded its configuration since, and serves ${name} to 100 % ${service.addresses[0]!}`
  expect(changed.json()).toMatchObject({
    error: {
      message: `The route of '${name}' is live on 2 of 3 servers, and may still become live on the others.`,
      suggestions: expect.arrayContaining([
        expect.stringContaining('lattice route verify --wait 3m'),
        "kubectl -n nats logs S2 -c nats | grep 'Failed to reload'",
      ]) as string[],
      details: {state: 'late', servers: [{}, {}, {name: 'S2', outcome: 'differs', reason: kept}]},
    },
  })
  expect(await servers.servers[2]!.log()).toContain('Failed to reload server configuration')
  expect(await shares(service)).toEqual([40, 40, undefined])
  expect((await verify(here)).exitCode).toBe(8)
  const other = plainService()
  await other.serve(await servers.connect())
  const refused = await run(RouteAb, ['50/50', ...other.words, '--json'], here)
  expect(refused.exitCode).toBe(5)
  expect(refused.json()).toMatchObject({error: {details: {pending: [name]}}})

  kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0}])
  expect(await run(RouteUndo, ['--source', name], here)).toMatchObject({exitCode: 0})
  expect(await shares(service)).toEqual([undefined, undefined, undefined])
  expect((await verify(here)).json()).toMatchObject({live: true})
})

test('what comes after the wait is over is found live by verify, which completes the record', async () => {
  const here = env()
  const service = await served(here)
  kubelets.behave([{afterMs: 0}, {afterMs: undefined}, {afterMs: undefined}])
  const changed = await run(RouteAb, ['90/10', ...service.words, '--wait', '500ms'], here)
  expect(changed.exitCode).toBe(8)
  expect(changed.stderr).toContain('Nothing was taken back, and the record says that the change is on its way.')
  kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0}])

  const verified = await verify(here, '--wait', '10s')

  expect(verified).toMatchObject({exitCode: 0})
  expect(verified.json()).toMatchObject({live: true, routes: [{state: 'current'}]})
})

test('a command that fails changes nothing, and what it says is shown without what a terminal would obey', async () => {
  const here = env()
  const service = await served(here)
  const before = await kubelets.stored()
  const command = "cat >/dev/null; printf 'error: \\033[31mforbidden\\n' >&2; exit 3"

  const failed = await run(RouteAb, ['70/30', ...service.words], {...here, LATTICE_APPLY_WITH: command})

  expect(failed.exitCode).toBe(1)
  expect(failed.stderr).toContain('  error: \\u{1b}[31mforbidden\n')
  expect(failed.stderr).toContain('ended with exit 3, and nothing was changed: error: \\u{1b}[31mforbidden.')
  expect(failed.stderr).not.toContain('\u001b')
  expect(await kubelets.stored()).toBe(before)
  expect((await verify(here)).json()).toMatchObject({live: true, routes: [{state: 'current'}]})
})

test('without a command the manifest is for whoever applies it, as kubectl reads it', async () => {
  const here = env({LATTICE_APPLY_WITH: undefined})
  const service = plainService()
  await service.serve(await servers.connect())
  const folder = join(servers.servers[0]!.dir, 'out')

  const printed = await run(RouteAb, ['70/30', ...service.words], here)

  expect(printed.exitCode).toBe(8)
  expect(printed.stderr).toContain('Nothing is live yet. Then: lattice route verify')
  const manifest = parse(printed.stdout) as {data: Record<string, string>}
  expect(manifest).toMatchObject({
    kind: 'ConfigMap',
    metadata: {
      name: 'lattice-mappings',
      namespace: 'nats',
      labels: {'app.kubernetes.io/managed-by': 'lattice'},
      annotations: {'lattice-cli/mappings-digest': expect.stringMatching(/^sha256:[\da-f]{64}$/) as string},
    },
  })
  expect(Object.keys(manifest.data)).toEqual(['lattice-mappings.conf'])
  expect(manifest.data['lattice-mappings.conf']).toContain(`"${service.source}"`)
  const written = await run(RouteAb, ['70/30', ...service.words, '--render-to', folder, '--json'], here)
  const path = join(folder, 'nats.lattice-mappings.yaml')
  expect([written.exitCode, written.json()]).toMatchObject([8, {state: 'rendered', rendered: [path]}])
  expect(await readFile(path, 'utf8')).toBe(printed.stdout)

  await promisify(execFile)('sh', ['-c', `${kubelets.applyWith} < '${path}'`])

  expect((await verify(here, '--wait', '10s')).json()).toMatchObject({live: true, routes: [{state: 'current'}]})
})

test('steps, a time, and no mapping at all go the same way', async () => {
  const here = env()
  const service = await served(here)
  const steps = ['--to', '2.0.0', '--step', '50,100', '--every', '10ms', '--gate', 'none', '--json']
  const grown = await run(RouteCanary, [...service.words, ...steps], here)
  expect(grown.exitCode).toBe(0)
  expect(await shares(service)).toEqual([100, 100, 100])
  kubelets.behave([{afterMs: 0}, {afterMs: 400}, {afterMs: 400}])
  const held = await run(RouteAb, ['100/0', ...service.words, '--for', '1s', '--json'], here)
  expect(held.exitCode).toBe(0)
  const [change, restored] = held.stdout
    .trim()
    .split('\n')
    .map((line) => Date.parse((JSON.parse(line) as RouteChange).liveAt!))
  // The time counts from when it is live, and going back takes its time, too.
  expect(restored! - change!).toBeGreaterThanOrEqual(1400)
  expect(await shares(service)).toEqual([100, 100, 100])
  kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0}])
  // Only where somebody listens on the source itself may its mapping go.
  const [source, next] = [`own-${service.source}`, `next-${service.source}`]
  serveSubjects(await servers.connect(), [source, next])
  const own = ['--source', source, '--leg', '1.0.0=@source', '--leg', `2.0.0=${next}`]
  expect((await run(RouteAb, ['50/50', ...own], here)).exitCode).toBe(0)
  expect(await kubelets.stored()).toContain(source)
  const cleared = await run(RouteClear, ['--source', source, '--json'], here)
  expect(cleared.json()).toMatchObject({state: 'live', legs: [], servers: {applied: 3}})
  expect(await kubelets.stored()).not.toContain(source)
})

test('monitoring ports show it where there are no system credentials, and without either it is refused', async () => {
  const monitored = env({
    LATTICE_SYS_CONTEXT: undefined,
    LATTICE_MONITOR_URL: ports.map((port) => `http://127.0.0.1:${port}`).join(','),
  })
  const service = await served(monitored)
  expect(await shares(service)).toEqual([undefined, undefined, undefined])
  const blind = await run(RouteAb, ['70/30', ...service.words], {...monitored, LATTICE_MONITOR_URL: undefined})
  expect(blind.exitCode).toBe(11)
  expect(blind.stderr).toContain(
    "What the servers serve is not visible, and the ConfigMap 'nats/lattice-mappings' holds",
  )
})

test.each([
  [['--configmap', 'nats'], '"nats" names no ConfigMap.'],
  [['--configmap', 'nats/nats-config'], 'has a name as the NATS chart gives to its own.'],
  [['--config', 'server.conf'], 'The mappings are either in a ConfigMap or in files that are here.'],
  [['--render-to', '/tmp'], 'A ConfigMap is either applied or written to a folder.'],
])('%j is refused before anything is done', async (words, sentence) => {
  const refused = await run(RouteAb, ['70/30', ...plainService().words, ...words], env())
  expect(refused.exitCode).toBe(2)
  expect(refused.stderr).toContain(sentence)
})
