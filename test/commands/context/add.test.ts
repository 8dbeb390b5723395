import {readdir, stat} from 'node:fs/promises'
import {relative} from 'node:path'

import {expect, test} from 'vitest'

import ContextAdd from '../../../src/commands/context/add.js'
import ContextShow from '../../../src/commands/context/show.js'
import {useConfigHome} from '../../support/config-home.js'

const home = useConfigHome()
const withSecret = useConfigHome({
  LATTICE_URL: 'nats://env:4222',
  LATTICE_PASSWORD: 'hunter2',
  LATTICE_SOCKS_PROXY: 'socks5://me:hunter2@proxy:1080',
  LATTICE_SYS_CREDS: '/sys.creds',
})

const add = (...argv: readonly string[]): ReturnType<typeof home.run> => home.run(ContextAdd, ...argv)

test('every flag is in the files of both tools, with paths that hold everywhere', async () => {
  const files = await Promise.all(
    ['u.creds', 'ca.pem', 'c.pem', 'k.pem', 'o.nk', 'c.nk', 'a.nk'].map((f) => home.write(f, 'x')),
  )
  const [creds, ca, cert, key, operator, cluster, account] = files.map((file) => relative('.', file))
  const added = await add(
    ...['full', '-s', 'tls://a:4222,b', '--creds', creds!, '--tls-ca', ca!, '--tls-cert', cert!, '--tls-key', key!],
    ...['--tls-first', '--socks-proxy', 'socks5://proxy:1080', '--js-domain', 'hub', '--js-api-prefix', '$JS.hub.API'],
    ...['--inbox-prefix', '_INBOX_me', '-l', 'blue', '--dialect', 'v0', '--sys-account-seed-file', account!],
    ...['--operator-seed-file', operator!, '--nsc-store', 'Acme', '--cluster-seed-file', cluster!, '--protected'],
    ...['--description', 'all of it', '--select', '--json'],
  )
  expect(added).toMatchObject({exitCode: 0, stderr: ''})
  const nats = {
    description: 'all of it',
    url: 'tls://a:4222,b',
    creds: files[0],
    ca: files[1],
    cert: files[2],
    key: files[3],
    tls_first: true,
    socks_proxy: 'socks5://proxy:1080',
    jetstream_domain: 'hub',
    jetstream_api_prefix: '$JS.hub.API',
    inbox_prefix: '_INBOX_me',
  }
  const lattice = {
    lattice: 'blue',
    dialect: 'v0',
    sysAccountKeyFile: files[6],
    operatorKeyFile: files[4],
    nscStore: 'Acme',
    clusterSeedFile: files[5],
    protected: true,
  }
  expect(await home.json('config/nats/context/full.json')).toEqual(nats)
  expect(await home.json('config/lattice/contexts/full.json')).toEqual(lattice)
  for (const file of ['nats/context', 'lattice/contexts']) {
    expect((await stat(home.path('config', file, 'full.json'))).mode & 0o777).toBe(0o600)
  }
  expect(added.json()).toEqual({
    context: 'full',
    state: 'added',
    url: 'tls://a:4222,b',
    lattice: 'blue',
    fields: {...nats, tls_first: 'true'},
    latticeFields: {...lattice, protected: 'true'},
    selected: 'full',
    changed: true,
    notes: [],
    undo: 'lattice context rm full',
    dryRun: false,
  })
  expect((await home.run(ContextShow)).stdout).toContain('full (selected)')
})

test('a password and a token come from files, are kept for nats, and are in no output', async () => {
  const file = await home.write('secret', 'hunter2\n')
  const outputs = [
    await add('user', '--user', 'me', '--password-file', file),
    await add('token', '--token-file', file, '--json'),
    await add('nkey', '--nkey', 'op://vault/nkey', '--dry-run'),
    await home.run(ContextShow, 'user'),
  ]
  for (const {stdout, stderr} of outputs) expect(stdout + stderr).not.toContain('hunter2')
  expect(await home.json('config/nats/context/user.json')).toMatchObject({user: 'me', password: 'hunter2'})
  expect(await home.json('config/nats/context/token.json')).toMatchObject({token: 'hunter2'})
  expect(outputs[2]!.stdout).toMatch(/^nkey +op:\/\/vault\/nkey$/m)
  expect(await readdir(home.path('config/nats/context'))).toEqual(['token.json', 'user.json'])
})

test('a context that is there changes only with --replace, and the same again is no change', async () => {
  expect((await add('a', '-s', 'nats://a', '--json')).json()).toMatchObject({state: 'added'})
  const again = (await add('a', '-s', 'nats://a', '--json')).json()
  expect(again).toMatchObject({state: 'unchanged', changed: false})
  expect(again).not.toHaveProperty('undo')
  const refused = await add('a', '-s', 'nats://b', '--json')
  expect(refused).toMatchObject({exitCode: 5})
  expect(await home.json('config/nats/context/a.json')).toEqual({url: 'nats://a'})
  const replaced = await add('a', '--js-domain', 'hub', '--replace', '--json')
  expect(replaced.json()).toMatchObject({state: 'replaced', url: 'nats://127.0.0.1:4222'})
  expect(await home.json('config/nats/context/a.json')).toEqual({url: 'nats://127.0.0.1:4222', jetstream_domain: 'hub'})
})

test('what nats writes for it, every field and most of them empty, is the same context', async () => {
  await add('a', '-s', 'nats://a', '--creds', '/a.creds')
  const natscli = {
    description: '',
    url: 'nats://a',
    creds: '/a.creds',
    user: '',
    nsc: '',
    tls_first: false,
    color_scheme: '',
  }
  await home.write('config/nats/context/a.json', {...natscli, windows_ca_certs_match: null})
  expect((await add('a', '-s', 'nats://a', '--creds', '/a.creds', '--json')).json()).toMatchObject({changed: false})
})

test('a protected context is replaced only when it is named', async () => {
  await add('prod', '-s', 'nats://a', '--protected')
  const refused = await add('prod', '-s', 'nats://b', '--replace', '--json')
  expect(refused).toMatchObject({exitCode: 2})
  expect(refused.stdout).toContain('--confirm prod prod -s nats://b --replace')
  expect(await add('prod', '-s', 'nats://b', '--replace', '--dry-run')).toMatchObject({exitCode: 0})
  expect(await home.json('config/nats/context/prod.json')).toEqual({url: 'nats://a'})
  expect(await add('prod', '-s', 'nats://b', '--replace', '--confirm', 'prod')).toMatchObject({exitCode: 0})
  expect(await home.json('config/lattice/contexts/prod.json')).toEqual({})
})

test('with --effective a context is copied and changed', async () => {
  await add('prod', '-s', 'nats://a', '--creds', '/a.creds', '-l', 'green', '--protected')
  const copied = await add('blue', '--effective', '--context', 'prod', '-l', 'blue')
  expect(copied.stdout).toMatch(/^context +blue \(added\)$/m)
  expect(copied.stderr).toBe("Warning: blue: there is no file '/a.creds'.\n")
  expect(await home.json('config/nats/context/blue.json')).toEqual({url: 'nats://a', creds: '/a.creds'})
  expect(await home.json('config/lattice/contexts/blue.json')).toEqual({lattice: 'blue', protected: true})
  expect(await add('other', '--context', 'prod')).toMatchObject({exitCode: 2})
})

test('the environment counts with --effective only, and its secrets are in no output', async () => {
  await withSecret.run(ContextAdd, 'plain')
  expect(await withSecret.json('config/nats/context/plain.json')).toEqual({url: 'nats://127.0.0.1:4222'})
  const added = await withSecret.run(ContextAdd, 'env', '--effective', '--user', 'me')
  expect(added.stdout + added.stderr).not.toContain('hunter2')
  expect(added.stderr).toContain('a context holds no creds of a system user')
  expect(await withSecret.json('config/nats/context/env.json')).toEqual({
    url: 'nats://env:4222',
    user: 'me',
    password: 'hunter2',
    socks_proxy: 'socks5://me:hunter2@proxy:1080',
  })
})

test('a context file that is not trusted gives nothing to a context that is', async () => {
  const file = await home.write('repo/ci.json', {url: 'nats://evil:4222', creds: 'op://vault/creds'})
  expect(await add('ci', '--effective', '--context', file)).toMatchObject({exitCode: 2})
  expect(await add('ci', '--effective', '--context', file, '--trust-context')).toMatchObject({exitCode: 0})
})

test.each([
  [['a', '-s', 'http://a']],
  [['a', '-s', 'nats://me:hunter2@a']],
  [['a', '--tls-cert', 'c.pem']],
  [['a', '--creds', 'a', '--nkey', 'b']],
  [['a', '--creds', 'a', '--token-file', 'b']],
  [['a', '--user', 'me']],
  [['a', '--token-file', '/no/such/file']],
  [['../a']],
  [['a', '--lattice', 'a.b']],
])('%j is refused and writes nothing', async (argv) => {
  const refused = await add(...argv)
  expect(refused).toMatchObject({exitCode: 2})
  expect(refused.stderr).not.toContain('hunter2')
  await expect(readdir(home.path('config'))).rejects.toThrow('ENOENT')
})
