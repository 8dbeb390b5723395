import {randomUUID} from 'node:crypto'

import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RoutePlan from '../../../src/commands/route/plan.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {startConfigServers, type ConfigServers} from '../../support/config-servers.js'
import {plainService, type PlainService} from '../../support/plain-service.js'
import {configEnv} from '../../support/route-env.js'
import {run, type RunResult} from '../../support/run.js'

const web = plainService()
const jobs = plainService()
const far = plainService()

let servers: ConfigServers
beforeAll(async () => {
  const [root] = far.source.split('.') as [string]
  servers = await startConfigServers({
    users: [
      `{user: web, password: web, permissions: {publish: ["${web.source}"], subscribe: ">"}}`,
      `{user: ops, password: ops, permissions: {publish: {deny: ["${web.addresses[1]!}"]}}}`,
      `{user: jobs, password: jobs, permissions: {publish: ["${jobs.source.split('.')[0]!}.>"]}}`,
    ],
    account: `exports: [{service: "${root}.>"}]`,
    accounts: `FAR {
      users: [{user: far, password: far}]
      imports: [{service: {account: SHOP, subject: "${far.source}"}, to: "near.get"}]
      mappings: {"near.get": [{destination: "near.other", weight: 50%}]}
    }`,
  })
  const connection = await servers.connect()
  for (const service of [web, jobs, far]) await service.serve(connection)
})
afterAll(async () => {
  await servers[Symbol.asyncDispose]()
})

function ab(service: PlainService, ...words: string[]): Promise<RunResult> {
  const state = `file:${servers.servers[0]!.dir}/${randomUUID()}.json`
  return run(RouteAb, ['50/50', ...service.words, ...words, '--json'], {...configEnv(servers), LATTICE_STATE: state})
}

test('users of the configuration who reach the source and not a version are named', async () => {
  const refused = await ab(web)
  expect(refused.exitCode).toBe(9)
  const [one, two] = web.addresses as [string, string]
  expect(refused.json()).toMatchObject({
    error: {
      message: `User 'web', user 'ops' may publish '${web.source}' and not '${one}', '${two}', so those requests would time out.`,
      details: {findings: [{rule: 'caller-permission', level: 'refuse', source: web.source}]},
    },
  })
  const planned = await ab(web, '--allow', 'caller-permission', '--dry-run')
  expect(planned.json()).toMatchObject({permissions: [one, two], record: {allowances: ['caller-permission']}})
})

test('a plan does not hold who may do what', async () => {
  const state = `file:${servers.servers[0]!.dir}/${randomUUID()}.json`
  const env = {...configEnv(servers), LATTICE_STATE: state}
  const words = ['50/50', ...web.words, '--allow', 'caller-permission', '--json']
  const {stdout, stderr} = await run(RoutePlan, words, env)
  expect(stderr).toContain("User 'web', user 'ops' may publish")
  expect(JSON.parse(stdout)).toMatchObject({plan: {routes: [{permissions: web.addresses, warnings: []}]}})
})

test('requests of such a user time out where the change was allowed', async () => {
  const change = await ab(web, '--allow', 'caller-permission')
  expect(change.json()).toMatchObject({changed: true})
  await using connection = await openConnection(servers.spec('web'))
  await expect(connection.request(web.source, '', {timeout: 300})).rejects.toThrow(/time ?out|permission/i)
})

test('where all users may, nothing is asked for', async () => {
  const planned = await ab(jobs, '--dry-run')
  expect(planned.exitCode).toBe(0)
  expect(planned.json()).not.toHaveProperty('permissions')
  expect(planned.json()).not.toHaveProperty('findings')
})

test('a source that another account imports and maps is refused, and importing alone is fine here', async () => {
  const refused = await ab(far)
  expect(refused.json()).toMatchObject({
    error: {
      message: `Account 'FAR' imports '${far.source}' from here, as 'near.get', and maps it too: its calls would be split twice.`,
      details: {findings: [{rule: 'mapped-twice'}]},
    },
  })
  const service: PlainService = {...far, words: far.words.map((word) => word.replace('.get', '.put'))}
  const other = await ab(service, '--dry-run', '--allow', 'no-subscriber')
  expect(other.exitCode).toBe(0)
})
