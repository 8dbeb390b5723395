import {readFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, expect, test} from 'vitest'
import {z} from 'zod'

import {parseSeed} from '../../../src/lib/keys/nkey.js'
import {readRecord} from '../../../src/lib/leaf-server/places.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {isRunning} from '../../../src/lib/server/process.js'
import {cliIn, type Cli} from '../../support/cli.js'
import {startPasswordHub, type PasswordHub} from '../../support/leaf-hub.js'
import {tellLeaf} from '../../support/leaf-node.js'
import {freePort} from '../../support/nats-server.js'
import {tempFolder} from '../../support/temp.js'

let hub: PasswordHub
let cli: Cli
let remote: readonly string[]
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  hub = stack.use(await startPasswordHub())
  const folder = stack.use(await tempFolder())
  cli = await cliIn(folder.path, {LATTICE_URL: hub.server.url, LATTICE_USER: 'app', LATTICE_PASSWORD: 'app'})
  remote = ['--remote', hub.remotes[0]!, '--listen', '127.0.0.1:-1', '--offline']
  stack.defer(async () => {
    for (const name of ['default', 'wide']) await cli.run('leaf', 'stop', '--name', name, '--allow', 'in-use')
  })
})

afterAll(() => stack.disposeAsync())

const text = z.string().min(1)
const form = z.enum(['beside', 'account-wide'])
const server = z.strictObject({id: text, name: text, version: text})
const identity = {id: text, name: text, lattice: text, form, sources: z.array(text)}
const mappings = z.record(text, z.array(z.strictObject({subject: text, weight: z.number()})))
const started = z.strictObject({
  ...identity,
  url: text,
  pid: z.int(),
  server,
  remotes: z.array(text),
  accepts: z.array(text),
  detached: z.literal(true),
  folder: text,
})
const listed = z.strictObject({
  ...identity,
  connected: z.boolean(),
  state: z.enum(['runs', 'silent', 'stopped']),
  here: z.boolean(),
  url: text.nullable(),
  server: server.nullable(),
  mappings: mappings.nullable(),
  live: mappings.nullable(),
  digest: text.nullable(),
  accepts: z.array(text),
  signedBy: text.nullable(),
  problems: z.array(z.strictObject({kind: text, sentence: text, since: z.iso.datetime()})),
})
const list = z.strictObject({lattice: text, leaves: z.array(listed)})
const stopped = z.strictObject({
  id: text,
  name: text,
  lattice: text,
  form,
  url: text.nullable(),
  pid: z.int().nullable(),
  mapped: z.array(text),
  changed: z.boolean(),
  dryRun: z.boolean(),
})
const plan = z.strictObject({
  ...identity,
  dryRun: z.literal(true),
  listen: z.strictObject({host: text, port: z.int()}),
  remotes: z.array(text),
  denyImports: z.array(text),
  mappings,
})

test('one is planned, started in the background, listed and stopped', async () => {
  const run = ['leaf', 'run', '--source', 'orders.get', ...remote]
  plan.parse(await cli.ok(...run, '--dry-run'))
  // One that never came up is not among them either.
  const nobody = ['--remote', 'nats-leaf://127.0.0.1:9', '--listen', '127.0.0.1:-1', '--timeout', '1s']
  await cli.fails(11, 'leaf', 'run', '--source', 'orders.get', ...nobody, '--detach')
  expect(list.parse(await cli.ok('leaf', 'ls')).leaves).toEqual([])
  const leaf = started.parse(await cli.ok(...run, '--detach'))
  expect(leaf).toMatchObject({name: 'default', form: 'beside', sources: ['orders.get']})
  const twice = await cli.fails(5, ...run, '--detach')
  expect(twice).toMatchObject({kind: 'conflict', details: {pid: leaf.pid}})
  const {leaves} = list.parse(await cli.ok('leaf', 'ls'))
  expect(leaves).toMatchObject([{id: leaf.id, state: 'runs', here: true, connected: true, url: leaf.url}])
  const shown = await cli.run('leaf', 'ls')
  expect(shown.stdout).toContain(`default\t${leaf.id}\tbeside\torders.get\tconnected\t${leaf.url}`)
  expect(stopped.parse(await cli.ok('leaf', 'stop', '--dry-run'))).toMatchObject({changed: true, dryRun: true})
  expect(stopped.parse(await cli.ok('leaf', 'stop'))).toMatchObject({changed: true, pid: leaf.pid, url: leaf.url})
  expect(stopped.parse(await cli.ok('leaf', 'stop'))).toMatchObject({changed: false})
  expect(list.parse(await cli.ok('leaf', 'ls')).leaves).toMatchObject([{id: leaf.id, state: 'stopped', here: true}])
  await cli.fails(4, 'leaf', 'stop', '--name', 'none')
  // With nobody to ask, those of this machine are told all the same.
  const alone = await cli.run('leaf', 'ls', '--json', '--server', 'nats://127.0.0.1:9')
  expect(alone).toMatchObject({exitCode: 8})
  const {leaves: own, unheard} = alone.json() as {leaves: unknown; unheard: string}
  expect(own).toMatchObject([{id: leaf.id, state: 'stopped'}])
  expect(unheard).toContain('127.0.0.1:9')
  const log = await readFile(join(leaf.folder, 'agent.log'), 'utf8')
  expect(
    log
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as {kind: string}).kind),
  ).toEqual(['ready', 'draining', 'stopped'])
})

test('one whose agent was killed goes on, and is taken over or ended', async () => {
  const run = ['leaf', 'run', '--source', 'orders.get', ...remote, '--detach']
  const first = started.parse(await cli.ok(...run))
  const server = async () => (await readRecord(first.folder))!.server!
  const left = await server()
  process.kill(first.pid, 'SIGKILL')
  const second = started.parse(await cli.ok(...run))
  expect(second.id).toBe(first.id)
  expect(await isRunning(left)).toBe(false)
  const present = await server()
  process.kill(second.pid, 'SIGKILL')
  expect(await isRunning(present)).toBe(true)
  expect(stopped.parse(await cli.ok('leaf', 'stop'))).toMatchObject({changed: true})
  expect(await isRunning(present)).toBe(false)
})

test('one for the whole account that splits is only stopped when told so', async () => {
  const run = ['leaf', 'run', '--name', 'wide', '--account-wide', ...remote]
  const leaf = started.parse(await cli.ok(...run, '--detach'))
  const nc = await openConnection(hub.spec())
  try {
    const key = parseSeed(await readFile(join(leaf.folder, 'control.nk'), 'utf8'), 'U')
    expect(await tellLeaf(nc, {key, to: leaf.id})).toHaveProperty('state')
  } finally {
    await nc.close()
  }
  const refused = await cli.fails(9, 'leaf', 'stop', '--name', 'wide')
  expect(refused).toMatchObject({details: {rule: 'in-use', mapped: ['orders.get']}})
  const second = await cli.fails(9, 'leaf', 'run', '--name', 'second', '--account-wide', ...remote, '--detach')
  expect(second).toMatchObject({details: {rule: 'second-leaf'}})
  const ended = stopped.parse(await cli.ok('leaf', 'stop', '--name', 'wide', '--allow', 'in-use'))
  expect(ended).toMatchObject({changed: true, mapped: ['orders.get'], form: 'account-wide'})
})

test('what cannot start says why and leaves nothing behind', async () => {
  const nobody = ['--remote', `nats-leaf://127.0.0.1:${await freePort()}`, '--listen', '127.0.0.1:-1']
  const alone = [
    'leaf',
    'run',
    '--name',
    'alone',
    '--source',
    'orders.get',
    '--offline',
    '--timeout',
    '1500ms',
    ...nobody,
  ]
  for (const more of [[], ['--detach']]) {
    const failed = await cli.run(...alone, ...more, '--json')
    expect(failed.exitCode).toBe(11)
    expect(failed.stdout).toContain('nobody takes leaf nodes there')
  }
  const {leaves} = list.parse(await cli.ok('leaf', 'ls'))
  expect(leaves.find(({name}) => name === 'alone')).toBeUndefined()
  await cli.fails(2, 'leaf', 'run', '--detach')
  await cli.fails(9, 'leaf', 'run', '--source', 'a', '--listen', '0.0.0.0:0', '--detach')
})

test('one is written out for others', async () => {
  const rendered = z.strictObject({format: text, name: text, lattice: text, remotes: z.array(text), text})
  for (const format of ['systemd', 'kubernetes', 'config']) {
    const {text: written} = rendered.parse(await cli.ok('leaf', 'render', '--format', format, '--source', 'orders.get'))
    expect(written).toContain('orders.get')
    expect((await cli.run('leaf', 'render', '--format', format, '--source', 'orders.get')).stdout).toBe(written)
  }
})
