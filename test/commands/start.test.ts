import {join} from 'node:path'

import {afterAll, beforeAll, beforeEach, expect, test} from 'vitest'

import Scale from '../../src/commands/scale.js'
import Start from '../../src/commands/start.js'
import Stop from '../../src/commands/stop.js'
import type {Failure} from '../support/cli.js'
import {startHost, type TestHost} from '../support/host.js'
import {startNatsServer, type TestServer} from '../support/nats-server.js'
import {run, type RunResult} from '../support/run.js'
import {echoModule} from '../support/story.js'

let server: TestServer
let host: TestHost
let second: TestHost

beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  host = await startHost({server, lattice: 'one'})
  second = await startHost({server, lattice: 'two'})
})

afterAll(async () => {
  for (const each of [host, second]) await each[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

beforeEach(async () => {
  const {actors, providers} = await host.client.inventory(host.id)
  for (const {key} of actors) await host.client.stopActor(host.id, {key, version: '*', count: 0})
  for (const provider of providers) await host.client.stopProvider(host.id, provider)
})

function lattice(command: Parameters<typeof run>[0], ...argv: readonly string[]): Promise<RunResult> {
  const env = {XDG_CONFIG_HOME: join(server.dir, 'config'), LATTICE_CONTEXT: undefined}
  return run(command, [...argv, '-s', server.url, ...(argv.includes('-l') ? [] : ['-l', 'one'])], env)
}

async function instances(): Promise<{version?: string; count: number; dark: boolean}[]> {
  const {actors} = await host.client.inventory(host.id)
  return actors.flatMap((actor) => actor.instances.map(({version, count, dark}) => ({version: version!, count, dark})))
}

test('start says what runs where, and its undo line stops it on this lattice', async () => {
  const {stdout, exitCode} = await lattice(Start, echoModule('1.0.0'))
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/^Started echo@1\.0\.0 on host \w{8}… in lattice 'one', count 10, live\.\nUndo: lattice stop /)
  expect(stdout).toContain(`--server ${server.url} --lattice one`)
  const undo = /Undo: lattice stop (.*)\n/.exec(stdout)![1]!.split(' ')
  expect(await run(Stop, undo)).toMatchObject({exitCode: 0})
  expect(await instances()).toEqual([])
})

test('a dry run of a start starts nothing and says what it would', async () => {
  const {stdout} = await lattice(Start, echoModule('1.0.0'), '--dark', '--dry-run')
  expect(stdout).toMatch(
    /^Would start file:.*echo-1\.0\.0\.wasm as echo@1\.0\.0 on host \w{8}… in lattice 'one', count 10, dark/,
  )
  expect(await instances()).toEqual([])
})

test('start repeated changes nothing; with another count it scales', async () => {
  await lattice(Start, echoModule('1.0.0'))
  expect((await lattice(Start, echoModule('1.0.0'))).stdout).toMatch(/^echo@1\.0\.0 runs already on host /)
  expect((await lattice(Start, echoModule('1.0.0'), '--count', '3', '--json')).json()).toMatchObject({changed: true})
  expect(await instances()).toEqual([{version: '1.0.0', count: 3, dark: false}])
})

test('what runs and takes traffic cannot be started dark', async () => {
  await lattice(Start, echoModule('1.0.0'))
  const {exitCode, stderr} = await lattice(Start, echoModule('1.0.0'), '--dark')
  expect(exitCode).toBe(9)
  expect(stderr).toContain("'echo@1.0.0' runs there already and takes traffic")
})

test('with two hosts none is chosen silently', async () => {
  await using other = await startHost({server, lattice: 'two'})
  const {exitCode, json} = await lattice(Start, echoModule('1.0.0'), '-l', 'two', '--json')
  expect(exitCode).toBe(3)
  const {suggestions} = (json() as Failure).error
  const wanted = [second.id, other.id].sort()
  expect(suggestions.map((line) => line.split(' ').slice(0, 2))).toEqual(wanted.map((id) => ['--host', id]))
  expect(await lattice(Start, echoModule('1.0.0'), '-l', 'two', '--host', other.id.slice(0, 12))).toMatchObject({
    exitCode: 0,
  })
  expect((await other.client.inventory(other.id)).actors).toHaveLength(1)
  expect((await lattice(Start, echoModule('1.0.0'), '-l', 'two', '--host', 'NOBODY')).exitCode).toBe(4)
})

test.each([
  [['no-such-file.wasm'], 4, "No file 'no-such-file.wasm'."],
  [[echoModule('1.0.0'), '--count', '0'], 2, '--count'],
  [[echoModule('1.0.0'), '--dark', '--share'], 2, '--share'],
  [['registry.example/echo:1.0.0'], 9, 'not supported yet'],
  [['builtin:nope'], 4, "No built-in artifact 'builtin:nope'"],
  [['file:///etc/hostname', '--dark'], 9, 'The module'],
  [[echoModule('1.0.0'), '-l', 'empty'], 4, 'No host answers'],
])('start %j exits %i', async (argv, exit, sentence) => {
  const text = await lattice(Start, ...argv)
  expect(text).toMatchObject({exitCode: exit, stdout: ''})
  expect(text.stderr).toContain(sentence)
  const json = await lattice(Start, ...argv, '--json')
  expect(json.exitCode).toBe(exit)
  expect((json.json() as Failure).error.message).toContain(sentence)
})

test('scale and stop say what became of each version', async () => {
  await lattice(Start, echoModule('1.0.0'))
  await lattice(Start, echoModule('2.0.0'), '--dark')
  const scaled = (await lattice(Scale, 'echo@1.0.0', '--count', '4')).stdout
  expect(scaled).toMatch(/^Scaled echo@1\.0\.0 on host \w{8}… in lattice 'one' from 10 to 4\n/)
  expect((await lattice(Scale, 'echo@1.0.0', '--count', '4')).stdout).toMatch(/^Nothing to change/)
  expect((await lattice(Scale, 'echo', '--version', '2.0.0', '--count', '10', '--share')).exitCode).toBe(0)
  expect(await instances()).toEqual([
    {version: '1.0.0', count: 4, dark: false},
    {version: '2.0.0', count: 10, dark: false},
  ])
  const planned = (await lattice(Stop, 'echo', '--all-versions', '--dry-run')).stdout.trimEnd().split('\n')
  expect(planned[0]).toMatch(/^Would stop echo@1\.0\.0 .*\(count was 4\)$/)
  expect(planned[1]).toMatch(/^Would stop echo@2\.0\.0 .*\(count was 10\)$/)
  expect((await lattice(Stop, 'echo', '--all-versions')).stdout).toContain('Stopped echo@2.0.0')
  expect(await instances()).toEqual([])
  expect((await lattice(Stop, 'echo@2.0.0')).stdout).toContain('does not run')
})

test('a provider starts, is no thing to scale, and stops', async () => {
  expect((await lattice(Start, 'builtin:httpserver')).stdout).toMatch(/^Started httpserver@/)
  const refused = await lattice(Scale, 'httpserver', '--count', '2')
  expect(refused).toMatchObject({exitCode: 2})
  expect(refused.stderr).toContain("'httpserver' is a provider")
  expect((await lattice(Stop, 'httpserver')).exitCode).toBe(0)
  expect((await host.client.inventory(host.id)).providers).toEqual([])
})
