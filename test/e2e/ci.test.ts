import {afterAll, beforeAll, expect, test} from 'vitest'

import {cliIn, type Cli} from '../support/cli.js'
import {echoModule, startStory, type Story} from '../support/story.js'
import {tempFolder, type TempFolder} from '../support/temp.js'

let story: Story
let folder: TempFolder

beforeAll(async () => {
  story = await startStory()
  folder = await tempFolder()
})

afterAll(async () => {
  await folder[Symbol.asyncDispose]()
  await story[Symbol.asyncDispose]()
})

/** A pipeline's job: no configuration, only the variables that it was given. */
function job(more: Record<string, string> = {}): Promise<Cli> {
  const {servers, credentials} = story.spec
  if (credentials?.kind !== 'creds') throw new Error('The story has no creds file.')
  return cliIn(folder.path, {NATS_URL: servers.join(','), NATS_CREDS: credentials.file, CI: 'true', ...more})
}

test('NATS_URL and NATS_CREDS suffice for cache, start, stop and scale', async () => {
  const cli = await job()
  await cli.ok('cache', 'put', 'key', 'note', '{"a":1}', '--create')
  expect(await cli.ok('cache', 'get', 'key', 'note')).toMatchObject({value: {a: 1}})
  expect(await cli.ok('start', echoModule('1.0.0'))).toMatchObject({entity: 'echo', changed: true})
  expect(await cli.ok('scale', 'echo', '--version', '1.0.0', '--count', '3')).toMatchObject({changed: true})
  expect(await cli.ok('stop', 'echo@1.0.0')).toMatchObject({changed: true})
})

test('a call also needs the cluster seed, and says so', async () => {
  const cli = await job()
  await cli.ok('start', echoModule('1.0.0'))
  const {message, suggestions} = await cli.fails(11, 'call', 'echo', 'Echo.Version')
  expect(`${message} ${suggestions.join(' ')}`).toContain('LATTICE_CLUSTER_SEED_FILE')
  const equipped = await job({LATTICE_CLUSTER_SEED_FILE: story.spec.clusterSeedFile!})
  expect(await equipped.ok('call', 'echo', 'Echo.Version')).toMatchObject({entity: 'echo'})
})

test('a route change names everything that it lacks before it does anything', async () => {
  const cli = await job()
  await cli.ok('start', echoModule('1.0.0'))
  await cli.ok('start', echoModule('2.0.0'), '--dark')
  const change = ['route', 'ab', 'echo@1.0.0=70', 'echo@2.0.0=30']
  const nothing = await cli.fails(11, ...change)
  expect(nothing.suggestions.join('\n')).toMatch(
    /LATTICE_SYS_CREDS[^]*LATTICE_OPERATOR_SEED_FILE|OPERATOR[^]*SYS_CREDS/,
  )
  const {sysCreds, operatorKeyFile} = story.spec
  const half = await (await job({LATTICE_SYS_CREDS: sysCreds!})).fails(11, ...change)
  expect(half.message).toContain('operator signing key')
  expect(await cli.ok('route', 'ls')).toMatchObject({routes: []})
  const whole = await job({LATTICE_SYS_CREDS: sysCreds!, LATTICE_OPERATOR_SEED_FILE: operatorKeyFile!})
  expect(await whole.ok(...change)).toMatchObject({changed: true, state: 'live'})
})
