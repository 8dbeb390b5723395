import {spawn, type ChildProcessWithoutNullStreams} from 'node:child_process'
import {once} from 'node:events'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import HostRun from '../../../src/commands/host/run.js'
import {ControlClient} from '../../../src/lib/control/client.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {echoFolder, echoRef} from '../../support/host.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {run} from '../../support/run.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'
import {until} from '../../support/until.js'

let server: OperatorServer
let folder: TempFolder
beforeAll(async () => {
  server = await startOperatorServer()
  folder = await tempFolder()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

const connection = (): string[] => ['--server', server.url, '--creds', server.credsFile, '--timeout', '3s']
const cluster = (): string[] => ['--cluster-seed-file', server.clusterSeedFile]

describe('a host that cannot start says why', () => {
  test.each<[string, number, RegExp, () => string[]]>([
    ['no cluster seed', 11, /cluster seed/, () => connection()],
    ['no server', 11, /nobody listens/, () => ['--server', 'nats://127.0.0.1:1', ...cluster()]],
    ['refused credentials', 11, /credentials/, () => ['--server', server.url, '--timeout', '3s', ...cluster()]],
    ['a lattice with a dot', 2, /is not a lattice name/, () => ['--lattice', 'a.b']],
    ['a label that is none', 2, /is not a label/, () => ['--label', 'zone']],
    [
      'an issuer that is none',
      2,
      /--allowed-issuer takes/,
      () => [...connection(), ...cluster(), '--allowed-issuer', 'me'],
    ],
    [
      'a folder that is none',
      2,
      /--allow-files takes/,
      () => [...connection(), ...cluster(), '--allow-files', '/no/such'],
    ],
    [
      'the seed of another kind',
      11,
      /kind N is needed/,
      () => [...connection(), ...cluster(), '--host-seed-file', server.clusterSeedFile],
    ],
  ])('%s', async (_name, exitCode, sentence, flags) => {
    for (const extra of [[], ['--json']]) {
      const ended = await run(HostRun, [...flags(), ...extra], {XDG_CONFIG_HOME: folder.path})
      expect(ended.exitCode).toBe(exitCode)
      expect(extra.length > 0 ? ended.stdout : ended.stderr).toMatch(sentence)
    }
  })
})

interface Running extends AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams
  stdout: () => string
  stderr: () => string
  /** Exit code and signal. */
  readonly ended: Promise<unknown[]>
}

function start(...flags: string[]): Running {
  const bin = fileURLToPath(new URL('../../../bin/run.js', import.meta.url))
  const env = {PATH: process.env['PATH'] ?? '', XDG_CONFIG_HOME: folder.path, HOME: folder.path}
  const child = spawn(process.execPath, [bin, 'host', 'run', ...connection(), ...cluster(), ...flags], {env})
  const written = {stdout: '', stderr: ''}
  child.stdout.on('data', (chunk: Buffer) => (written.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (written.stderr += chunk.toString()))
  const ended = once(child, 'close')
  return {
    child,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

test('as a program it tells one document a line, and SIGTERM drains it to exit 0', async () => {
  const hostKey = createKey('N')
  const seed = join(folder.path, 'host.seed')
  await writeFile(seed, `${hostKey.seed}\n`, {mode: 0o600})
  const flags = ['--lattice', 'program', '--host-seed-file', seed, '--allow-files', echoFolder, '--label', 'zone=a']
  await using host = start(...flags, '--json')
  await until(() => host.stdout().includes('"ready"'), 10_000)
  await using nc = Object.assign(await openConnection(server.spec('program')), {
    [Symbol.asyncDispose]: () => nc.close(),
  })
  const client = new ControlClient(nc, {lattice: 'program', timeoutMs: 5000})
  expect(await client.hosts()).toMatchObject([
    {id: hostKey.publicKey, versioned: true, labels: {zone: 'a'}, lattice: 'program', dialect: 'v0'},
  ])
  await client.startActor(hostKey.publicKey, {ref: echoRef('1.0.0'), count: 2})
  host.child.kill('SIGTERM')
  expect(await host.ended).toEqual([0, null])
  const documents = host
    .stdout()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as {kind: string; name?: string})
  expect(documents.map(({kind, name}) => (kind === 'event' ? name : kind))).toEqual([
    'host_started',
    'ready',
    'actors_started',
    'draining',
    'actors_stopped',
    'host_stopped',
    'stopped',
  ])
  expect(host.stderr()).toMatch(/Modules of any issuer run here/)
})

test('for a person it tells lines, and a host that only trusts some does not warn', async () => {
  await using host = start('--lattice', 'person', '--allowed-issuer', createKey('A').publicKey)
  await until(() => /^ready: host N/m.test(host.stderr()), 10_000)
  host.child.kill('SIGINT')
  expect(await host.ended).toEqual([0, null])
  expect(host.stderr()).not.toContain('Warning')
  expect(host.stdout()).toBe('')
})
