import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, expect, test} from 'vitest'

import {cliIn, type Cli} from '../support/cli.js'
import {startConfigServers, type ConfigServers} from '../support/config-servers.js'
import {plainService} from '../support/plain-service.js'
import {configEnv} from '../support/route-env.js'
import {tempFolder, type TempFolder} from '../support/temp.js'

let servers: ConfigServers
let folder: TempFolder
let cli: Cli
beforeAll(async () => {
  ;[servers, folder] = await Promise.all([startConfigServers({size: 2}), tempFolder()])
  const env: Record<string, string> = {LATTICE_STATE: `file:${join(folder.path, 'routes.json')}`}
  for (const [name, value] of Object.entries(configEnv(servers))) if (value !== undefined) env[name] = value
  cli = await cliIn(folder.path, env)
})
afterAll(async () => {
  await servers[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

interface Kept {
  readonly routes: Record<string, Record<string, {readonly record: Record<string, unknown>}>>
}

/** Each file as it is after a route, and the records then. */
async function texts(): Promise<readonly [string, string, string]> {
  const [one, two] = servers.servers.map(({mappings}) => mappings)
  return Promise.all([
    readFile(one!, 'utf8'),
    readFile(two!, 'utf8'),
    readFile(join(folder.path, 'routes.json'), 'utf8'),
  ])
}

test.each([
  ['the same command', 0],
  ['reconcile', 0],
  ['the same command', 1],
  ['reconcile', 1],
] as const)('a command that died between two files is healed by %s, with file %i written', async (how, written) => {
  const {words, serve, source} = plainService()
  await serve(await servers.connect())
  await cli.ok('route', 'ab', '70/30', ...words)
  const before = await texts()
  await cli.ok('route', 'ab', '20/80', ...words)
  const after = await texts()
  await writeFile(servers.servers[1 - written]!.mappings, before[1 - written]!)
  await writeFile(join(folder.path, 'routes.json'), applying(JSON.parse(after[2]) as Kept, source))

  if (how === 'reconcile') await cli.ok('route', 'reconcile')
  else await cli.ok('route', 'ab', '20/80', ...words)

  const healed = await texts()
  expect(healed[0]).toBe(healed[1])
  await cli.ok('route', 'verify')
  expect(await cli.ok('route', 'show', '--source', source)).toMatchObject({state: 'current'})
})

test('files that somebody else made differ are named, and --repair writes the route into all of them', async () => {
  const {words, serve} = plainService()
  await serve(await servers.connect())
  await cli.ok('route', 'ab', '70/30', ...words)
  await writeFile(servers.servers[1]!.mappings, 'mappings { foreign: other }\n')

  const {suggestions} = await cli.fails(5, 'route', 'ab', '60/40', ...words)
  expect(suggestions.join('\n')).toContain('--repair')

  await cli.ok('route', 'ab', '60/40', ...words, '--repair')
  const [, two] = await texts()
  expect(two).toContain('foreign')
  expect(two).toContain('weight: 60')
})

/** The records as a command leaves them that died. */
function applying(kept: Kept, source: string): string {
  const deadline = new Date(Date.now() - 1000).toISOString()
  const routes = Object.values(kept.routes).flatMap((lattice) => Object.values(lattice))
  const route = routes.find(({record}) => record['key'] === source)!
  Object.assign(route.record, {state: 'applying', deadline})
  return JSON.stringify(kept)
}
