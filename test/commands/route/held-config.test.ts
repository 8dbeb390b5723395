import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteBluegreen from '../../../src/commands/route/bluegreen.js'
import RouteReconcile from '../../../src/commands/route/reconcile.js'
import type {RouteChange} from '../../../src/lib/routes/result.js'
import {startConfigServers, type ConfigServers} from '../../support/config-servers.js'
import {plainService} from '../../support/plain-service.js'
import {configEnv} from '../../support/route-env.js'
import {measure} from '../../support/routes.js'
import {run} from '../../support/run.js'

let servers: ConfigServers
beforeAll(async () => {
  servers = await startConfigServers()
})
afterAll(async () => {
  await servers[Symbol.asyncDispose]()
})

const state = (name: string): string => `file:${servers.servers[0]!.dir}/${name}.json`

test('a route for some time goes back in the configuration too, with its record in a file', async () => {
  const service = plainService()
  await using connection = await servers.connect()
  await service.serve(connection)
  const [one, two] = ['1.0.0', '2.0.0'] as const
  const env = {...configEnv(servers), LATTICE_STATE: state('held')}
  await run(RouteBluegreen, ['--to', one, ...service.words], env)

  const held = await run(RouteBluegreen, ['--to', two, ...service.words, '--for', '300ms', '--json'], env)

  expect(held.exitCode).toBe(0)
  const documents = held.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RouteChange)
  expect(documents.map(({strategy, driver, legs}) => [strategy, driver, legs])).toEqual([
    ['bluegreen', 'config', [{version: two, weight: 100}]],
    ['restore', 'config', [{version: one, weight: 100}]],
  ])
  expect((await run(RouteReconcile, ['--json'], env)).json()).toMatchObject({routes: []})
  expect(Object.keys(await measure(connection, service.source, 20))).toHaveLength(1)
})

test('what is recorded nowhere is refused before anything is changed', async () => {
  const service = plainService()
  await using connection = await servers.connect()
  await service.serve(connection)
  const env = {...configEnv(servers), LATTICE_STATE: 'none'}

  const refused = await run(RouteBluegreen, ['--to', '2.0.0', ...service.words, '--for', '1m'], env)

  expect(refused.exitCode).toBe(2)
  expect(refused.stderr).toContain('A route for some time needs a record of what it goes back to')
})
