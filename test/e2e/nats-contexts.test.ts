import {execFile} from 'node:child_process'
import {readFile} from 'node:fs/promises'
import {promisify} from 'node:util'

import {afterAll, beforeAll, expect, test} from 'vitest'

import ContextAdd from '../../src/commands/context/add.js'
import ContextImport from '../../src/commands/context/import.js'
import ContextLs from '../../src/commands/context/ls.js'
import ContextRm from '../../src/commands/context/rm.js'
import ContextShow from '../../src/commands/context/show.js'
import ContextUse from '../../src/commands/context/use.js'
import HostLs from '../../src/commands/host/ls.js'
import {useConfigHome} from '../support/config-home.js'
import {startOperatorServer, type OperatorServer} from '../support/nats-server.js'

const home = useConfigHome()
const program = promisify(execFile)
const hasNats = await program('nats', ['--version']).then(
  () => true,
  () => false,
)
const withNats = test.skipIf(!hasNats)
let server: OperatorServer

beforeAll(async () => {
  server = await startOperatorServer()
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

/** The official tool, with nothing but the contexts of the test. */
async function nats(...argv: readonly string[]): Promise<string> {
  const env = {PATH: process.env['PATH'], HOME: home.path(), XDG_CONFIG_HOME: home.path('config')}
  const {stdout, stderr} = await program('nats', [...argv], {env, timeout: 20_000})
  return stdout + stderr
}

withNats(
  'nats and lattice edit the same context in turn, and neither loses what the other wrote (needs nats on PATH)',
  async () => {
    const flags = ['-s', server.url, '--creds', server.credsFile]
    await home.run(ContextAdd, 'shared', ...flags, '-l', 'blue', '--description', 'first')
    expect(await nats('context', 'ls', '--names')).toBe('shared\n')
    expect(await nats('account', 'info', '--context', 'shared')).toContain('JetStream')
    await nats('context', 'add', 'shared', '--description', 'second', '--colors', 'yellow', '--js-event-prefix', 'EV')
    expect((await home.run(ContextShow, 'shared', '--json')).json()).toMatchObject({
      description: 'second',
      lattice: 'blue',
      fields: {creds: server.credsFile, color_scheme: 'yellow'},
    })
    expect((await home.run(ContextAdd, 'shared', ...flags, '-l', 'blue', '--json')).json()).toMatchObject({
      changed: false,
    })
    const copy = ['--effective', '--context', 'shared', '--replace']
    expect(await home.run(ContextAdd, 'shared', ...copy, '--inbox-prefix', '_INBOX_me')).toMatchObject({exitCode: 0})
    expect(await home.json('config/nats/context/shared.json')).toMatchObject({
      description: 'second',
      color_scheme: 'yellow',
      jetstream_event_prefix: 'EV',
      inbox_prefix: '_INBOX_me',
      creds: server.credsFile,
    })
    expect(await nats('account', 'info', '--context', 'shared')).toContain('JetStream')
    expect((await home.run(HostLs, '--context', 'shared', '--json')).json()).toMatchObject({lattice: 'blue'})
  },
)

withNats('both see one selection, and what one removes is gone for the other (needs nats on PATH)', async () => {
  await nats('context', 'add', 'theirs', '--server', server.url, '--creds', server.credsFile, '--select')
  await home.run(ContextAdd, 'ours', '-s', server.url, '--creds', server.credsFile)
  expect((await home.run(ContextLs)).stdout).toContain('*\ttheirs')
  await home.run(ContextUse, 'ours')
  expect(await nats('account', 'info')).toContain('JetStream')
  await nats('context', 'previous')
  expect(await readFile(home.path('config/nats/context.txt'), 'utf8')).toMatch(/^theirs\s*$/)
  expect(await home.run(ContextRm, 'theirs', '--select', 'ours')).toMatchObject({exitCode: 0})
  expect(await nats('context', 'ls', '--names')).toBe('ours\n')
  await nats('context', 'rm', 'ours', '--force')
  expect((await home.run(ContextLs, '--json')).json()).toEqual({contexts: []})
})

test('JWT and seed that wash kept in files connect', async () => {
  await importWash()
  expect((await home.run(HostLs, '--json')).json()).toMatchObject({lattice: 'green', hosts: []})
})

withNats('and so they do with nats (needs nats on PATH)', async () => {
  await importWash()
  expect(await nats('account', 'info')).toContain('JetStream')
})

async function importWash(): Promise<void> {
  const lines = (await readFile(server.credsFile, 'utf8')).split('\n')
  const after = (mark: string): string => lines[lines.findIndex((line) => line.startsWith(mark)) + 1]!
  const {hostname, port} = new URL(server.url)
  await home.write('.wash/contexts/host_config.json', {
    ctl_host: hostname,
    ctl_port: Number(port),
    ctl_jwt: await home.write('user.jwt', after('-----BEGIN NATS USER JWT')),
    ctl_seed: await home.write('user.seed', after('-----BEGIN USER NKEY SEED')),
    lattice: 'green',
  })
  expect(await home.run(ContextImport, '--from', 'wash')).toMatchObject({exitCode: 0, stderr: ''})
}
