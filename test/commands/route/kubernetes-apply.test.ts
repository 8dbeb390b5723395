import {execFile} from 'node:child_process'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'

import {afterAll, afterEach, beforeAll, expect, test} from 'vitest'
import {parse} from 'yaml'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteCanary from '../../../src/commands/route/canary.js'
import RouteClear from '../../../src/commands/route/clear.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import type {RouteChange} from '../../../src/lib/routes/result.js'
import {startKubernetes, type Kubernetes} from '../../support/kubernetes.js'
import {plainService, type PlainService} from '../../support/plain-service.js'
import {run, type RunResult} from '../../support/run.js'
import {serveSubjects} from '../../support/services.js'

let world: Kubernetes
beforeAll(async () => {
  world = await startKubernetes()
})
afterEach(() => {
  world.kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0}])
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

/** A service of which all goes to the first version. */
async function served(here: Parameters<typeof run>[2]): Promise<PlainService> {
  const service = plainService()
  await service.serve(await world.servers.connect())
  expect(await run(RouteAb, ['100/0', ...service.words], here)).toMatchObject({exitCode: 0})
  return service
}

const verify = (here: Parameters<typeof run>[2], ...words: string[]): Promise<RunResult> =>
  run(RouteVerify, [...words, '--json'], here)

test('a command that fails changes nothing, and what it says is shown without what a terminal would obey', async () => {
  const here = world.env()
  const service = await served(here)
  const before = await world.kubelets.stored()
  const command = "cat >/dev/null; printf 'error: \\033[31mforbidden\\n' >&2; exit 3"

  const failed = await run(RouteAb, ['70/30', ...service.words], {...here, LATTICE_APPLY_WITH: command})

  expect(failed.exitCode).toBe(1)
  expect(failed.stderr).toContain('  error: \\u{1b}[31mforbidden\n')
  expect(failed.stderr).toContain('ended with exit 3, and nothing was changed: error: \\u{1b}[31mforbidden.')
  expect(failed.stderr).not.toContain('\u001b')
  expect(await world.kubelets.stored()).toBe(before)
  expect((await verify(here)).json()).toMatchObject({live: true, routes: [{state: 'current'}]})
})

test('without a command the manifest is for whoever applies it, as kubectl reads it', async () => {
  const here = world.env({LATTICE_APPLY_WITH: undefined})
  const service = plainService()
  await service.serve(await world.servers.connect())
  const folder = join(world.servers.servers[0]!.dir, 'out')

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

  await promisify(execFile)('sh', ['-c', `${world.kubelets.applyWith} < '${path}'`])

  expect((await verify(here, '--wait', '10s')).json()).toMatchObject({live: true, routes: [{state: 'current'}]})
})

test('steps, a time, and no mapping at all go the same way', async () => {
  const here = world.env()
  const service = await served(here)
  const steps = ['--to', '2.0.0', '--step', '50,100', '--every', '10ms', '--gate', 'none', '--json']
  const grown = await run(RouteCanary, [...service.words, ...steps], here)
  expect(grown.exitCode).toBe(0)
  expect(await world.shares(service)).toEqual([100, 100, 100])
  world.kubelets.behave([{afterMs: 0}, {afterMs: 400}, {afterMs: 400}])
  const held = await run(RouteAb, ['100/0', ...service.words, '--for', '1s', '--json'], here)
  expect(held.exitCode).toBe(0)
  const [change, restored] = held.stdout
    .trim()
    .split('\n')
    .map((line) => Date.parse((JSON.parse(line) as RouteChange).liveAt!))
  // The time counts from when it is live, and going back takes its time, too.
  expect(restored! - change!).toBeGreaterThanOrEqual(1400)
  expect(await world.shares(service)).toEqual([100, 100, 100])
  world.kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0}])
  // Only where somebody listens on the source itself may its mapping go.
  const [source, next] = [`own-${service.source}`, `next-${service.source}`]
  serveSubjects(await world.servers.connect(), [source, next])
  const own = ['--source', source, '--leg', '1.0.0=@source', '--leg', `2.0.0=${next}`]
  expect((await run(RouteAb, ['50/50', ...own], here)).exitCode).toBe(0)
  expect(await world.kubelets.stored()).toContain(source)
  const cleared = await run(RouteClear, ['--source', source, '--json'], here)
  expect(cleared.json()).toMatchObject({state: 'live', legs: [], servers: {applied: 3}})
  expect(await world.kubelets.stored()).not.toContain(source)
})

test('monitoring ports show it where there are no system credentials, and without either it is refused', async () => {
  const monitored = world.env({
    LATTICE_SYS_CONTEXT: undefined,
    LATTICE_MONITOR_URL: world.monitors,
  })
  const service = await served(monitored)
  expect(await world.shares(service)).toEqual([undefined, undefined, undefined])
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
  const refused = await run(RouteAb, ['70/30', ...plainService().words, ...words], world.env())
  expect(refused.exitCode).toBe(2)
  expect(refused.stderr).toContain(sentence)
})

test('servers that serve what nobody can account for are left alone, unless they are to be mended', async () => {
  const here = world.env()
  const service = await served(here)
  const spoil = (text: string): string => text.replace('mappings {', 'mappings {\n  "odd.get": "odd.v1.get"')
  world.kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0, spoil}])
  const odd = await run(RouteAb, ['70/30', ...service.words, '--wait', '1s', '--json'], here)
  const reason = expect.stringContaining('it loaded its configuration again without the new mappings') as string
  expect([odd.exitCode, odd.json()]).toMatchObject([8, {error: {details: {servers: [{}, {}, {name: 'S2', reason}]}}}])
  world.kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0}])

  const refused = await run(RouteAb, ['60/40', ...service.words], here)
  expect(refused.exitCode).toBe(5)
  expect(refused.stderr).toContain("Servers 'S0' and 'S2' serve different mappings")
  const mended = await run(RouteAb, ['60/40', ...service.words, '--repair'], here)

  expect(mended).toMatchObject({exitCode: 0})
  expect(await world.shares(service)).toEqual([40, 40, 40])
  expect(await world.kubelets.stored()).not.toContain('odd.get')
})
