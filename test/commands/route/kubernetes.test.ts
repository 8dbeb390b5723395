import {randomUUID} from 'node:crypto'

import {afterAll, afterEach, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {startConfigServers, type ConfigServers} from '../../support/config-servers.js'
import {startKubelets, type Kubelets} from '../../support/kubelets.js'
import {plainService} from '../../support/plain-service.js'
import {startPump} from '../../support/pump.js'
import {configEnv} from '../../support/route-env.js'
import {run} from '../../support/run.js'

let servers: ConfigServers
let kubelets: Kubelets
beforeAll(async () => {
  servers = await startConfigServers({size: 3})
  kubelets = await startKubelets(servers.servers)
})
afterEach(() => {
  kubelets.behave([{afterMs: 0}, {afterMs: 0}, {afterMs: 0}])
})
afterAll(async () => {
  await kubelets[Symbol.asyncDispose]()
  await servers[Symbol.asyncDispose]()
})

/** Nothing but credentials and the ConfigMap: no file of a server is here. */
function env(more: Readonly<Record<string, string>> = {}): Record<string, string | undefined> {
  return {
    ...configEnv(servers),
    LATTICE_SERVER_CONFIG: undefined,
    LATTICE_CONFIGMAP: kubelets.configMap,
    LATTICE_APPLY_WITH: kubelets.applyWith,
    LATTICE_STATE: `file:${servers.servers[0]!.dir}/${randomUUID()}.json`,
    ...more,
  }
}

test('a change is applied and waited for on every server, and no call is lost meanwhile', async () => {
  const service = plainService()
  await using connection = await servers.connect()
  await service.serve(connection)
  const here = env()
  expect((await run(RouteAb, ['100/0', ...service.words], here)).exitCode).toBe(0)
  kubelets.behave([{afterMs: 0}, {afterMs: 500, early: true}, {afterMs: 1000}])
  await using pump = startPump(connection, service.source, 2)

  const changed = await run(RouteAb, ['70/30', ...service.words, '--json'], here)

  expect(changed.stderr).toContain('configmap/lattice-mappings configured')
  expect(changed.exitCode).toBe(0)
  expect(pump.failures()).toBe(0)
  const verified = await run(RouteVerify, ['--json'], here)
  expect(verified.json()).toMatchObject({live: true})
})
