import {readdir, readFile, stat} from 'node:fs/promises'

import {expect, test} from 'vitest'

import ContextImport from '../../../src/commands/context/import.js'
import ContextShow from '../../../src/commands/context/show.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {useConfigHome} from '../../support/config-home.js'

const home = useConfigHome()
const cluster = createKey('C').seed
const user = createKey('U').seed
const jwt = 'eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJVIn0.c2ln'

/** As wash 1.x writes one: every field, most of them null or empty. */
const newest = {
  name: 'host_config',
  cluster_seed: cluster,
  ctl_host: 'nats.example',
  ctl_port: 4223,
  ctl_jwt: '',
  ctl_seed: '',
  ctl_credsfile: null,
  ctl_timeout: 2000,
  ctl_tls_ca_file: null,
  ctl_tls_first: true,
  lattice: 'blue',
  js_domain: 'core',
  rpc_host: 'nats.example',
  rpc_port: 4223,
  rpc_jwt: '',
  rpc_seed: '',
  rpc_credsfile: null,
  rpc_timeout: 2000,
  rpc_tls_ca_file: null,
  rpc_tls_first: null,
}
/** As the first releases did: ports as text, a lattice for each connection. */
const oldest = {
  cluster_seed: null,
  ctl_host: '127.0.0.1',
  ctl_port: '4222',
  ctl_jwt: null,
  ctl_seed: null,
  ctl_credsfile: '/no/such.creds',
  ctl_timeout: 5000,
  ctl_lattice_prefix: 'green',
  rpc_host: '10.0.0.1',
  rpc_port: '4222',
  rpc_jwt: null,
  rpc_seed: null,
  rpc_credsfile: null,
  rpc_timeout: 2000,
  rpc_lattice_prefix: 'green',
}

const importWash = (...argv: readonly string[]): ReturnType<typeof home.run> =>
  home.run(ContextImport, '--from', 'wash', ...argv)

test('contexts of wash 1.x are those of both tools afterwards, its default is selected, and again it is no change', async () => {
  await home.write('config/wash/contexts/host_config.json', newest)
  await home.write('config/wash/contexts/other.json', {...newest, name: 'other', lattice: 'default'})
  await home.write('config/wash/contexts/default', 'host_config')
  const imported = await importWash('--json')
  expect(imported.json()).toEqual({
    folder: home.path('config/wash/contexts'),
    contexts: [
      {
        from: 'host_config',
        context: 'host_config',
        state: 'added',
        url: 'nats://nats.example:4223',
        lattice: 'blue',
        notes: [],
      },
      {from: 'other', context: 'other', state: 'added', url: 'nats://nats.example:4223', lattice: 'default', notes: []},
    ],
    selected: 'host_config',
    changed: true,
    dryRun: false,
  })
  const file = home.path('config/nats/context/host_config.json')
  expect(await home.json('config/nats/context/host_config.json')).toEqual({
    description: "Imported from wash context 'host_config'",
    url: 'nats://nats.example:4223',
    tls_first: true,
    jetstream_domain: 'core',
  })
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const {clusterSeedFile, ...rest} = await home.json('config/lattice/contexts/host_config.json')
  expect(rest).toEqual({lattice: 'blue'})
  expect((await readFile(String(clusterSeedFile), 'utf8')).trim()).toBe(cluster)
  expect((await stat(String(clusterSeedFile))).mode & 0o777).toBe(0o600)
  expect((await importWash('--json')).json()).toMatchObject({changed: false, contexts: [{state: 'unchanged'}, {}]})
})

test('contexts of old releases are found where those are, and what has no place is said', async () => {
  await home.write('.wash/contexts/old.json', oldest)
  await home.write('.wash/contexts/index.json', {name: 'old'})
  const imported = await importWash()
  expect(imported.stdout).toBe('old\told\tadded\tgreen\tnats://127.0.0.1:4222\n')
  expect(imported.stderr.split('\n').slice(0, -1)).toEqual([
    'Warning: old: one connection serves everything, so what differs was left out: rpc_host.',
    'Warning: old: a context holds no timeout: use --timeout 5000ms or LATTICE_TIMEOUT.',
    "Warning: old: there is no file '/no/such.creds'.",
  ])
  expect((await home.run(ContextShow, '--json')).json()).toMatchObject({
    name: 'old',
    fields: {creds: '/no/such.creds'},
    latticeFields: {lattice: 'green'},
  })
})

test('a JWT and its seed are kept in the context, also those that wash has in files; no output has them', async () => {
  await home.write('.wash/contexts/text.json', {...newest, ctl_jwt: jwt, ctl_seed: user})
  const files = {ctl_jwt: await home.write('user.jwt', `${jwt}\n`), ctl_seed: await home.write('user.seed', user)}
  await home.write('.wash/contexts/files.json', {...newest, ...files, ctl_credsfile: '/wash/prefers/the.jwt'})
  await home.write('.wash/contexts/wrong.json', {...newest, ctl_jwt: jwt, ctl_seed: cluster})
  for (const form of [['--dry-run'], ['--dry-run', '--json'], []]) {
    const {stdout, stderr} = await importWash(...form)
    for (const secret of [jwt, user, cluster]) expect(stdout + stderr).not.toContain(secret)
    expect(stdout).toContain("'ctl_seed' is neither a user's seed nor a file with one")
  }
  expect(await home.json('config/nats/context/text.json')).toMatchObject({user_jwt: jwt, user_seed: user})
  const byFile = await home.json('config/nats/context/files.json')
  expect(byFile).toMatchObject({user_jwt: jwt, user_seed: user})
  expect(byFile).not.toHaveProperty('creds')
  expect(await readdir(home.path('config/nats/context'))).toEqual(['files.json', 'text.json'])
})

test('a context that is there changes only with --replace, which keeps what neither tool knows', async () => {
  await home.write('.wash/contexts/a.json', newest)
  await home.write('.wash/contexts/b.json', newest)
  const mine = {description: 'mine', url: 'nats://mine:4222', password: 'hunter2', user: 'me'}
  await home.write('config/nats/context/a.json', `{"future": 9007199254740993, ${JSON.stringify(mine).slice(1)}`)
  const refused = await importWash('--json')
  expect(refused).toMatchObject({exitCode: 5})
  expect(refused.json()).toMatchObject({
    error: {
      message: "The context 'a' exists and differs.",
      suggestions: expect.arrayContaining(['--replace']) as unknown,
    },
  })
  expect(await readdir(home.path('config/nats/context'))).toEqual(['a.json'])
  expect((await importWash('--prefix', 'wash-', '--json')).json()).toMatchObject({
    contexts: [{context: 'wash-a'}, {context: 'wash-b'}],
  })
  expect((await importWash('--replace', '--json')).json()).toMatchObject({
    contexts: [
      {context: 'a', state: 'replaced'},
      {context: 'b', state: 'added'},
    ],
  })
  const replaced = await readFile(home.path('config/nats/context/a.json'), 'utf8')
  expect(replaced).toContain('"future": 9007199254740993')
  expect(replaced).toContain('"description": "mine"')
  expect(replaced).not.toContain('hunter2')
  expect((await importWash('--replace', '--json')).json()).toMatchObject({changed: false})
})

test('a protected context is replaced only when it is named', async () => {
  await home.write('.wash/contexts/prod.json', newest)
  await home.write('config/nats/context/prod.json', {url: 'nats://mine:4222'})
  await home.write('config/lattice/contexts/prod.json', {protected: true})
  expect(await importWash('--replace')).toMatchObject({exitCode: 2})
  expect(await home.json('config/nats/context/prod.json')).toEqual({url: 'nats://mine:4222'})
  expect(await importWash('--replace', '--confirm', 'prod')).toMatchObject({exitCode: 0})
})

test('names choose among the contexts, and one that is not there exits 4', async () => {
  await home.write('.wash/contexts/a.json', newest)
  await home.write('.wash/contexts/b.json', newest)
  expect((await importWash('b', '--json')).json()).toMatchObject({contexts: [{context: 'b'}]})
  expect(await importWash('c')).toMatchObject({exitCode: 4})
  expect(await importWash('b', '--select')).toMatchObject({exitCode: 2})
  await home.write('.wash/contexts/default', 'b')
  expect((await importWash('b', '--select', '--json')).json()).toMatchObject({selected: 'b', changed: true})
})

test.each([
  ['{"ctl_host": "hunter2', 'not a JSON file that can be read'],
  ['["hunter2"]', 'not a JSON object'],
  ['{"ctl_port": "hunter2"}', "the field 'ctl_port' does not fit"],
  ['{"ctl_host": "wss://h"}', 'the address of a websocket'],
  ['{"lattice": "a.b"}', 'a.b'],
  ['{"ctl_jwt": "hunter2"}', "'ctl_jwt' is neither a token nor a file with one"],
])('of %s it is said why it is not imported, without a secret, and the others are', async (text, reason) => {
  await home.write('.wash/contexts/bad.json', text)
  await home.write('.wash/contexts/good.json', newest)
  const all = await importWash('--json')
  expect(all).toMatchObject({exitCode: 0})
  const [bad, good] = (all.json() as {contexts: {state: string; reason: string}[]}).contexts
  expect(bad).toMatchObject({state: 'skipped', reason: expect.stringContaining(reason) as unknown})
  expect(good).toMatchObject({state: 'added'})
  const named = await importWash('bad')
  expect(named).toMatchObject({exitCode: 2})
  expect(all.stdout + named.stderr).not.toContain('hunter2')
})

test('without wash it exits 4 and says where it looked', async () => {
  const missing = await importWash()
  expect(missing).toMatchObject({exitCode: 4})
  expect(missing.stderr).toContain(home.path('.wash/contexts'))
})

test.each([
  ['::1', 'nats://[::1]:4222'],
  ['tls://connect.ngs.global', 'tls://connect.ngs.global:4222'],
  [null, 'nats://127.0.0.1:4222'],
])('the host %j becomes the address %s', async (host, url) => {
  await home.write('.wash/contexts/a.json', {ctl_host: host})
  expect((await importWash('--json')).json()).toMatchObject({contexts: [{url, lattice: 'default'}]})
})
