import {readFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, expect, test} from 'vitest'

import {createKey} from '../../../src/lib/keys/nkey.js'
import {cliIn, type Cli} from '../../support/cli.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'
import {clusterOf, startTopology, type Topology} from '../../support/topology.js'

// No host runs in any of these tests.
const accounts = `accounts {
  OWNER {
    jetstream: enabled, users: [{user: owner, password: x}]
    exports: [
      {service: "$JS.API.>", response_type: stream}, {service: "$JS.FC.>"}, {service: "$KV.>"}
      {stream: "_INBOX_guest.>"}
    ]
  }
  GUEST {
    users: [{user: guest, password: x}]
    imports: [
      {service: {account: OWNER, subject: "$JS.API.>"}, to: "LENT.API.>"}
      {service: {account: OWNER, subject: "$KV.>"}, to: "LENT.API.$KV.>"}
      {service: {account: OWNER, subject: "$JS.FC.>"}}
      {stream: {account: OWNER, subject: "_INBOX_guest.>"}}
    ]
  }
}`

let cluster: Topology
let single: TestServer
let folder: TempFolder
let users: Readonly<Record<'owner' | 'guest', Cli>>
beforeAll(async () => {
  folder = await tempFolder()
  const [owner, guest] = await Promise.all(
    ['owner', 'guest'].map((user) => cliIn(folder.path, {LATTICE_USER: user, LATTICE_PASSWORD: 'x'})),
  )
  users = {owner: owner!, guest: guest!}
  const [joined, alone] = await Promise.all([
    clusterOf('e', 3).then((servers) => startTopology(servers)),
    startNatsServer({jetstream: true, domain: 'hub', config: accounts}),
  ])
  cluster = joined
  single = alone
})
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
  await single[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

const at = ({url}: TestServer): readonly string[] => ['-s', url]
const places: readonly (readonly [place: string, replicas: number, where: () => readonly [Cli, ...string[]]])[] = [
  ['on one server', 1, () => [users.owner, ...at(single)]],
  ['in a domain', 1, () => [users.owner, ...at(single), '--js-domain', 'hub']],
  [
    'in an account that lends its API under another prefix',
    1,
    () => [users.guest, ...at(single), '--js-api-prefix', 'LENT.API', '--inbox-prefix', '_INBOX_guest'],
  ],
  ['in three copies', 3, () => [cluster.cli, '--context', 'e-1']],
]

const actor = createKey('M').publicKey
const provider = createKey('V').publicKey
const link = `${actor}/wasmcloud:keyvalue/default`
const records: readonly (readonly [kind: string, key: string, value: object])[] = [
  ['claims', actor, {iss: 'A', name: 'orders', version: '1.2.0', rev: '3'}],
  ['claims', `${actor}@1.2.0`, {iss: 'A', name: 'orders', version: '1.2.0', rev: '3'}],
  ['claims', provider, {iss: 'A', name: 'redis', version: '0.1.0', contract_id: 'wasmcloud:keyvalue'}],
  ['link', link, {provider_id: provider, values: {URL: 'redis://127.0.0.1'}}],
  ['ref', 'reg.example/orders:1.2.0', {public_key: actor}],
  ['component', 'orders-1_2_0', {url: '', links: []}],
  ['config', 'http-8000', {address: '127.0.0.1:8000'}],
  ['key', 'owner', {team: 'shop'}],
]

/** A test that is tried again must not meet the records of its first try. */
let count = 0

test.each(places)('with every host down the whole cache works %s', async (_place, replicas, where) => {
  const lattice = `l${count++}`
  const [cli, ...flags] = where()
  const here = [...flags, '-l', lattice]
  const ok = <T = Record<string, unknown>>(...argv: readonly string[]): Promise<T> => cli.ok<T>(...argv, ...here)

  await ok('cache', 'init', '--replicas', String(replicas))
  for (const [kind, key, value] of records) {
    expect(await ok('cache', 'put', kind, key, JSON.stringify(value))).toMatchObject({changed: true})
  }
  const changed = await ok<{revision: number; previous: {revision: number}}>(
    'cache',
    'put',
    'key',
    'owner',
    '--set',
    'team=billing',
  )
  expect(await ok('cache', 'get', 'key', 'owner')).toMatchObject({value: {team: 'billing'}, revision: changed.revision})
  expect(await ok('cache', 'get', 'claims', 'orders')).toMatchObject({title: 'orders', version: '1.2.0'})
  const list = await ok<{records: {kind: string; problem?: string}[]}>('cache', 'ls')
  expect(list.records.map(({kind}) => kind)).toEqual(records.map(([kind]) => kind))
  expect(list.records.filter(({problem}) => problem !== undefined)).toEqual([])

  const history = await ok('cache', 'history', 'key', 'owner')
  expect(JSON.stringify(history)).toContain('"shop"')
  const before = String(changed.previous.revision)
  expect(JSON.stringify(await ok('cache', 'diff', 'key', 'owner', '--from', before))).toContain('"billing"')
  expect(await cli.fails(5, 'cache', 'put', 'key', 'owner', '1', '--revision', before, ...here)).toMatchObject({
    kind: 'conflict',
  })
  expect(JSON.stringify(await ok('cache', 'stats'))).toContain(`"replicas":${replicas}`)
  expect(await ok('cache', 'verify')).toHaveProperty('findings')

  const file = join(folder.path, `${lattice}.jsonl`)
  expect(await ok('cache', 'export', '--output', file)).toMatchObject({records: records.length})
  expect((await readFile(file, 'utf8')).trimEnd().split('\n')).toHaveLength(records.length + 2)
  await ok('cache', 'del', 'key', 'owner')
  expect(await cli.fails(4, 'cache', 'get', 'key', 'owner', ...here)).toMatchObject({kind: 'notFound'})
})
