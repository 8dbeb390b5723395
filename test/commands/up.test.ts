import {expect, test} from 'vitest'

import Down from '../../src/commands/down.js'
import Status from '../../src/commands/status.js'
import Up from '../../src/commands/up.js'
import {occupy, useEmbeddedHome} from '../support/embedded-home.js'
import {freePort} from '../support/nats-server.js'
import {run} from '../support/run.js'

const home = useEmbeddedHome()
const small = ['--ephemeral', '--port', '0']

test('up, status and down tell a person what there is and what to do next', async () => {
  const up = await run(Up, small)
  expect(up.stdout).toMatch(/^Lattice +default \(ephemeral\), up\n/)
  expect(up.stdout).toContain('lattice down')
  expect(up.stderr).toMatch(/^nats-server .* answers on nats:\/\/127\.0\.0\.1:\d+\.\nHost N\w{55} answers\.\n$/)
  const status = await run(Status, [])
  expect(status.stdout).toMatch(/State +running\n/)
  expect((await run(Up, small)).stdout).toContain('was up already')
  const down = await run(Down, [])
  expect(down.stdout).toContain('is down (1 host)')
  expect((await run(Down, [])).stdout).toBe("Lattice 'default' does not run.\n")
  expect((await run(Status, [])).stdout).toBe("There is no embedded lattice 'default'.\n")
})

test('with --json each is one document', async () => {
  const up = await run(Up, [...small, '--name', 'other', '--json'])
  expect(up.json()).toEqual({
    lattice: 'other',
    changed: true,
    url: expect.stringMatching(/^nats:\/\/127\.0\.0\.1:\d+$/) as unknown,
    port: expect.any(Number) as unknown,
    context: 'lattice-other',
    sysContext: 'lattice-other-sys',
    selectedContext: 'lattice-other',
    ephemeral: true,
    server: {
      pid: expect.any(Number) as unknown,
      id: expect.stringMatching(/^N/) as unknown,
      version: expect.any(String) as unknown,
      log: expect.any(String) as unknown,
    },
    hosts: [{id: expect.stringMatching(/^N/) as unknown, pid: expect.any(Number) as unknown}],
    issuer: expect.stringMatching(/^A/) as unknown,
    folder: expect.any(String) as unknown,
    storeFolder: expect.any(String) as unknown,
  })
  const status = await run(Status, ['--name', 'other', '--json'])
  expect(status.json()).toMatchObject({lattice: 'other', state: 'running', selected: true, others: []})
  const down = await run(Down, ['--name', 'other', '--json'])
  expect(down.json()).toMatchObject({lattice: 'other', changed: true, removed: true})
  expect((await run(Down, ['--name', 'other', '--json'])).json()).toEqual({
    lattice: 'other',
    changed: false,
    hosts: [],
    removed: false,
    dryRun: false,
  })
})

test.each([[[]], [['--json']]])('a port in use exits 5 and says how to take another %j', async (extra) => {
  const port = await freePort()
  await using _other = await occupy(port)
  const {exitCode, stdout, stderr} = await run(Up, ['--port', String(port), ...extra])
  expect(exitCode).toBe(5)
  expect(stdout + stderr).toContain('--port 0')
  expect((await run(Status, ['--json'])).json()).toMatchObject({state: 'absent'})
})

test.each([
  ['a name with a dot', ['--name', 'a.b']],
  ['a folder that is none', ['--allow-files', '/no/such/folder']],
  ['no host at all', ['--hosts', '0']],
  ['a port that cannot be', ['--port', '70000']],
])('%s exits 2 before anything is made', async (_what, args) => {
  const {exitCode} = await run(Up, args)
  expect(exitCode).toBe(2)
  expect(home.events).toEqual([])
  expect((await run(Status, ['--json'])).json()).toMatchObject({state: 'absent'})
})

test('a dry run of up and down says what would be done, and does nothing', async () => {
  const before = await run(Up, [...small, '--hosts', '2', '--dry-run'])
  expect(before.stdout).toBe(
    "Would make lattice 'default': a server on a port that the system chooses, 2 hosts, context lattice-default.\n",
  )
  expect((await run(Status, [])).stdout).toBe("There is no embedded lattice 'default'.\n")
  const up = (await run(Up, [...small, '--json'])).json() as {port: number}
  expect((await run(Up, [...small, '--dry-run', '--json'])).json()).toEqual({
    lattice: 'default',
    dryRun: true,
    changed: false,
    made: false,
    port: up.port,
    hosts: 1,
    context: 'lattice-default',
  })
  const down = await run(Down, ['--purge', '--dry-run'])
  expect(down.stdout).toBe("Would end lattice 'default' (1 host, 1 server) and remove its keys, data and contexts.\n")
  expect((await run(Status, [])).stdout).toMatch(/State +running\n/)
})

test('a bad name suggests the flag of up', async () => {
  const {exitCode, stderr} = await run(Up, ['--name', 'a b', '--dry-run'])
  expect(exitCode).toBe(2)
  expect(stderr).toContain('--name a-b')
})
