import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, expect, test} from 'vitest'

import Call from '../../src/commands/call.js'
import EntityInspect from '../../src/commands/entity/inspect.js'
import EntityLs from '../../src/commands/entity/ls.js'
import HostInspect from '../../src/commands/host/inspect.js'
import HostLs from '../../src/commands/host/ls.js'
import type {Failure} from '../support/cli.js'
import {echoRef, startHost, type TestHost} from '../support/host.js'
import {startNatsServer, type TestServer} from '../support/nats-server.js'
import {run, type RunResult} from '../support/run.js'

const request = '{"method":"GET","path":"/hello","queryString":"","header":{},"body":""}'
let server: TestServer
let host: TestHost
let seedFile: string

beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  host = await startHost({server, lattice: 'one'})
  seedFile = join(server.dir, 'cluster.seed')
  await writeFile(seedFile, host.clusterKey.seed, {mode: 0o600})
  for (const version of ['1.0.0', '2.0.0'] as const) {
    host.clear()
    await host.client.startActor(host.id, {ref: echoRef(version), count: 2, dark: version === '2.0.0'})
    await host.event('actors_started')
  }
})

afterAll(async () => {
  await host[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

function lattice(command: Parameters<typeof run>[0], ...argv: readonly string[]): Promise<RunResult> {
  const env = {XDG_CONFIG_HOME: join(server.dir, 'config'), LATTICE_CONTEXT: undefined}
  return run(command, [...argv, '-s', server.url, ...(argv.includes('-l') ? [] : ['-l', 'one'])], env)
}

test('piped, entity ls and host ls are tab-separated lines of full values', async () => {
  const {stdout} = await lattice(EntityLs)
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
  expect(rows.map((row) => row.slice(0, 6))).toEqual([
    ['echo', 'actor', '1.0.0', '2', 'live', host.id],
    ['echo', 'actor', '2.0.0', '2', 'dark', host.id],
  ])
  expect((await lattice(HostLs)).stdout).toMatch(new RegExp(`^${host.id}\\t[^\\t]+\\t0\\.1\\.0\\tv0\\t\\d+\\n$`))
})

test('inspect shows an entity and a host with every version', async () => {
  const entity = await lattice(EntityInspect, 'echo')
  expect(entity.stdout).toMatch(/^name +echo\nkind +actor\nkey +M\w{55}\n/)
  expect(entity.stdout).toContain(`2.0.0\t2\tdark\t${host.id}\t${echoRef('2.0.0')}`)
  const shown = await lattice(HostInspect)
  expect(shown.stdout).toContain('lattice.versioned-rpc=1')
  expect(shown.stdout).toContain(`echo\tactor\t1.0.0\t2\t0\tlive\t${echoRef('1.0.0')}`)
  expect((await lattice(HostInspect, host.id.slice(0, 8))).stdout).toBe(shown.stdout)
})

test('an empty lattice is no error, but something named in it is', async () => {
  expect((await lattice(EntityLs, '-l', 'empty', '--json')).json()).toEqual({
    lattice: 'empty',
    entities: [],
    silent: [],
  })
  expect((await lattice(HostLs, '-l', 'empty', '--json')).json()).toEqual({lattice: 'empty', hosts: []})
  // No line at all, so that `| wc -l` counts entities.
  expect(await lattice(EntityLs, '-l', 'empty')).toMatchObject({
    exitCode: 0,
    stdout: '',
    stderr: "Nothing in lattice 'empty'.\n",
  })
  expect(await lattice(EntityInspect, 'echo', '-l', 'empty')).toMatchObject({exitCode: 4})
  expect(await lattice(HostInspect, '-l', 'empty')).toMatchObject({exitCode: 4})
  const nobody = await lattice(HostInspect, 'nobody', '--json')
  expect(nobody.exitCode).toBe(4)
  expect((nobody.json() as Failure).error.suggestions).toEqual([
    expect.stringMatching(new RegExp(`^lattice host inspect ${host.id} `)),
  ])
})

test('call reaches exactly the version it names, also a dark one', async () => {
  for (const version of ['1.0.0', '2.0.0']) {
    const argv = [`echo@${version}`, 'HttpServer.HandleRequest', request, '--cluster-seed-file', seedFile]
    expect((await lattice(Call, ...argv, '--json')).json()).toMatchObject({
      version,
      result: {statusCode: 200, header: {'x-version': [version]}},
    })
  }
  const shared = await lattice(Call, 'echo', 'HttpServer.HandleRequest', request, '--cluster-seed-file', seedFile)
  expect(JSON.parse(shared.stdout)).toMatchObject({header: {'x-version': ['1.0.0']}})
})

test.each([
  [['echo@1.0.0', 'HttpServer.HandleRequest', '{'], 2, 'The payload is not JSON.'],
  [['echo@9.0.0', 'Any', '{}'], 4, "Nobody runs 'echo@9.0.0'."],
  [['ecko', 'Any', '{}'], 4, "No entity 'ecko' runs in lattice 'one'."],
  [['echo@1.0.0', 'No.Such', '{}'], 1, ''],
  [['echo@1.0.0', '--version', '2.0.0', 'Any'], 2, 'given twice'],
])('call %j exits %i', async (argv, exit, sentence) => {
  const ended = await lattice(Call, ...argv, '--cluster-seed-file', seedFile, '--json')
  expect(ended.exitCode).toBe(exit)
  expect((ended.json() as Failure).error.message).toContain(sentence)
})

test('a call without the cluster seed exits 11 and says where it could come from', async () => {
  const {exitCode, stderr} = await lattice(Call, 'echo', 'Any')
  expect(exitCode).toBe(11)
  expect(stderr).toContain('--cluster-seed-file FILE (or LATTICE_CLUSTER_SEED_FILE)')
  expect(stderr).toContain('"clusterSeedFile"')
})
