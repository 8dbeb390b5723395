import {execFile} from 'node:child_process'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'

import {expect, test} from 'vitest'
import {parseAllDocuments} from 'yaml'

import {readMappingFile} from '../../../src/lib/apply/config-file.js'
import {renderMappings} from '../../../src/lib/conf/mappings-text.js'
import {renderLeafConfig, splitAccount, type LeafConfig} from '../../../src/lib/leaf-server/config.js'
import {defaultRemotes, parseRemotes} from '../../../src/lib/leaf-server/remote.js'
import {renderLeaf} from '../../../src/lib/leaf-server/render/render.js'
import {checkSettings, parseListen, type LeafSettings} from '../../../src/lib/leaf-server/settings.js'
import type {Credentials} from '../../../src/lib/nats/spec.js'
import {findNatsServer} from '../../../src/lib/server/find.js'
import {tempFolder} from '../../support/temp.js'

const run = promisify(execFile)

async function check(text: string, files: Readonly<Record<string, string>> = {}, env = {}): Promise<string> {
  await using folder = await tempFolder()
  const all = {'lattice-mappings.conf': renderMappings(new Map()), 'leaf.conf': text, ...files}
  for (const [name, content] of Object.entries(all)) await writeFile(join(folder.path, name), content)
  const file = join(folder.path, 'leaf.conf')
  const {stderr} = await run((await findNatsServer())!.path, ['-c', file, '-t'], {env: {...process.env, ...env}})
  return stderr
}

const config: LeafConfig = {
  name: 'leaf-"one"',
  listen: '127.0.0.1:4222',
  system: {user: 'lattice', password: 'p"\\$a'},
  maxPayload: 1048576,
  remote: {urls: ['nats-leaf://a%20b:c@hub:7422', 'tls://other:7422'], denyImports: ['orders.get', 'stock.>']},
  logFile: '/tmp/x y.log',
  pidFile: '/tmp/x.pid',
}

test.each([
  ['beside', config, 'beside'],
  ['account-wide', {...config, remote: {...config.remote, denyImports: []}}, 'account-wide'],
  ['users', {...config, usersInclude: 'users.conf'}, 'beside'],
  [
    'users of all',
    {...config, usersInclude: 'users.conf', remote: {urls: ['wss://hub'], denyImports: []}},
    'account-wide',
  ],
] as const)('nats-server takes the configuration: %s', async (_name, wanted, form) => {
  const users = {'users.conf': "users: [{user: app, password: 'x'}]"}
  expect(await check(renderLeafConfig(wanted), users)).toContain('is valid')
  await using folder = await tempFolder()
  const main = join(folder.path, 'leaf.conf')
  await writeFile(main, renderLeafConfig(wanted))
  await writeFile(join(folder.path, 'users.conf'), users['users.conf'])
  const {mappings} = await readMappingFile(main, {account: splitAccount(form)})
  expect(mappings.size).toBe(0)
})

const settings: LeafSettings = {
  name: 'edge',
  sources: ['orders.>'],
  accountWide: false,
  listen: {host: '127.0.0.1', port: 4222},
  remotes: [],
  acceptKeys: [],
  allow: [],
  offline: true,
}

test('what is not safe or cannot be meant is refused before anything else', () => {
  const open = {...settings, listen: {host: '0.0.0.0', port: 4222}}
  expect(() => checkSettings(open)).toThrow(
    expect.objectContaining({kind: 'unsafe', details: expect.anything() as object}),
  )
  expect(() => checkSettings({...open, usersFile: 'users.conf'})).not.toThrow()
  expect(() => checkSettings({...settings, sources: []})).toThrow('has to know')
  expect(() => checkSettings({...settings, sources: [], accountWide: true})).not.toThrow()
  expect(() => checkSettings({...settings, sources: ['>']})).toThrow('NATS itself needs')
  expect(() => checkSettings({...settings, sources: ['a b']})).toThrow('no')
  expect(() => checkSettings({...settings, sources: ['orders.*', 'orders.get']})).toThrow('overlap')
  expect(() => checkSettings({...settings, acceptKeys: ['SUAB']})).toThrow('public key')
})

test('addresses and remotes are read as people write them', () => {
  expect(parseListen('4333')).toEqual({host: '127.0.0.1', port: 4333})
  expect(parseListen('127.0.0.1:-1')).toEqual({host: '127.0.0.1', port: 0})
  expect(parseListen('[::1]:4222')).toEqual({host: '::1', port: 4222})
  for (const bad of ['', 'host', 'host:99999', ':1', 'a b:1']) expect(() => parseListen(bad)).toThrow('to listen on')
  expect(parseRemotes(['hub', 'tls://hub:1', 'wss://hub/leaf'])).toEqual([
    'nats-leaf://hub:7422',
    'tls://hub:1',
    'wss://hub/leaf',
  ])
  expect(() => parseRemotes(['nats-leaf://user:secret@hub'])).toThrow(/user or a password/)
  expect(() => parseRemotes(['http://hub'])).toThrow('takes leaf nodes'.replace('takes', 'take'))
  expect(defaultRemotes({servers: ['nats://a:4222', 'tls://b:4443', '[::1]:4222', 'a:4223']})).toEqual([
    'nats-leaf://a:7422',
    'tls://b:7422',
    'nats-leaf://[::1]:7422',
  ])
})

const base = {
  servers: ['nats://hub:4222'],
  lattice: 'default',
  protected: false,
  timeoutMs: 5000,
  connectTimeoutMs: 5000,
}
const options = {namespace: 'shop', deployment: 'web', secret: 'leaf', image: 'nats', reloaderImage: 'reloader'}
const logins: Credentials[] = [
  {kind: 'creds', file: '/etc/lattice/app.creds'},
  {kind: 'user', user: 'app', password: 'hunter2'},
  {kind: 'token', token: 'hunter2'},
  {kind: 'nkey', file: '/etc/lattice/app.nk'},
  {kind: 'jwt', jwt: 'hunter2', seed: 'hunter2'},
]

test.each(logins)('no secret is in what is written out for $kind, and nats-server takes it', async (credentials) => {
  const spec = {...base, credentials}
  const env = {
    LATTICE_LEAF_URL: '"nats-leaf://a:b@hub:7422"',
    LATTICE_LEAF_NKEY: 'SUAGIEYODKBBTUMOB666Z5KA4FCWAZV7HWSGRHOD7MK6UM5IYLWLACH7DQ',
    LATTICE_LEAF_NAME: 'pod-1',
  }
  const plain = await renderLeaf(spec, settings, {format: 'config', ...options})
  expect(await check(plain.text, {}, env)).toContain('is valid')
  const unit = await renderLeaf(spec, settings, {format: 'systemd', ...options})
  const manifests = await renderLeaf(spec, settings, {format: 'kubernetes', ...options})
  for (const {text} of [plain, unit, manifests]) expect(text).not.toContain('hunter2')
  const documents = parseAllDocuments(manifests.text).map((document) => document.toJS() as Record<string, unknown>)
  expect(documents.map(({kind}) => kind)).toEqual(['ConfigMap', 'ConfigMap', 'Deployment'])
  const data = documents[0]!['data'] as Record<string, string>
  const moved = data['leaf.conf']!.replace('../mappings/', '')
  expect(await check(moved, {}, env)).toContain('is valid')
  expect(Object.keys(documents[1]!['data'] as object)).toEqual(['lattice-mappings.conf'])
})

test('one for the whole account is not written out for each pod of a Deployment', async () => {
  const wide = {...settings, accountWide: true}
  await expect(renderLeaf(base, wide, {format: 'kubernetes', ...options})).rejects.toThrow('once for each pod')
})

const analyze = await run('systemd-analyze', ['--version']).then(
  () => true,
  () => false,
)

test.skipIf(!analyze)('systemd takes the unit (skipped where there is no systemd-analyze)', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'lattice-leaf-edge.service')
  const spec = {
    ...base,
    credentials: {kind: 'creds', file: '/etc/lattice/50% app.creds'} as const,
    tls: {ca: '/etc/ca.pem'},
  }
  const {text} = await renderLeaf(
    spec,
    {...settings, sources: ['orders.$1"x'.replace('"x', '')]},
    {format: 'systemd', ...options},
  )
  await writeFile(file, text)
  const {stdout, stderr} = await run('systemd-analyze', ['verify', '--man=no', file]).catch(
    (error: unknown) => error as {stdout: string; stderr: string},
  )
  expect(`${stdout}${stderr}`.split('\n').filter((line) => line.includes('lattice-leaf-edge'))).toEqual([])
  expect(text).toContain('LoadCredential=user.creds:/etc/lattice/50%% app.creds')
})
