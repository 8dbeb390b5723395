import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest'

import {selectContext, writeContext} from '../../../src/lib/nats/context-files.js'
import {resolveConnection, resolveSpec} from '../../../src/lib/nats/resolve-spec.js'

describe('where a connection comes from', () => {
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lattice-test-'))
    vi.stubEnv('XDG_CONFIG_HOME', folder)
    await writeContext(
      'picked',
      {url: 'nats://picked', creds: '/picked.creds', jetstream_domain: 'hub'},
      {lattice: 'east', sysContext: 'sys'},
    )
    await writeContext('named', {url: 'nats://named', user: 'u', password: 'p'})
    await selectContext('picked')
  })

  afterEach(async () => {
    vi.unstubAllEnvs()
    await rm(folder, {recursive: true})
  })

  test('the selected context when nothing else is said', async () => {
    expect(await resolveSpec({}, {})).toMatchObject({
      servers: ['nats://picked'],
      credentials: {kind: 'creds', file: '/picked.creds'},
      context: 'picked',
      lattice: 'east',
      jsDomain: 'hub',
      sysContext: 'sys',
    })
  })

  test('NATS_URL is stronger than the selected context and weaker than a named one', async () => {
    expect(await resolveSpec({}, {NATS_URL: 'nats://env'})).toMatchObject({servers: ['nats://env'], context: 'picked'})
    expect(await resolveSpec({context: 'named'}, {NATS_URL: 'nats://env'})).toMatchObject({servers: ['nats://named']})
    expect(await resolveSpec({}, {LATTICE_CONTEXT: 'named'})).toMatchObject({servers: ['nats://named']})
  })

  test('a password among the arguments is refused, and not said again', async () => {
    const refused = resolveSpec({server: 'nats://ok:4222,nats://bob:s3cret@there:4222'}, {})
    await expect(refused).rejects.toThrow(/^--server takes no user or password/)
    await expect(refused).rejects.not.toThrow(/s3cret/)
  })

  test('flags are the strongest', async () => {
    const environment = {LATTICE_URL: 'nats://ours', NATS_URL: 'nats://theirs', LATTICE_LATTICE: 'west'}
    expect(await resolveSpec({}, environment)).toMatchObject({servers: ['nats://ours'], lattice: 'west'})
    const flags = {server: 'nats://flag,nats://second', lattice: 'north', creds: '/f.creds'}
    expect(await resolveSpec(flags, environment)).toMatchObject({
      servers: ['nats://flag', 'nats://second'],
      lattice: 'north',
      credentials: {kind: 'creds', file: '/f.creds'},
    })
  })

  test('credentials of a stronger source replace all of a weaker one', async () => {
    const spec = await resolveSpec({}, {NATS_NKEY: '/key.nk'})
    expect(spec.credentials).toEqual({kind: 'nkey', file: '/key.nk'})
  })

  test('user and password in an address are credentials, and no part of the address', async () => {
    expect(await resolveSpec({}, {NATS_URL: 'nats://u:p%40ss@env:4222,nats://other'})).toMatchObject({
      servers: ['nats://env:4222', 'nats://other'],
      credentials: {kind: 'user', user: 'u', password: 'p@ss'},
    })
    await writeContext('inline', {url: 'nats://token@inline'})
    expect(await resolveSpec({context: 'inline'}, {})).toMatchObject({
      servers: ['nats://inline'],
      credentials: {kind: 'token', token: 'token'},
    })
  })

  test('NATS_URL with credentials leaves the selected context out', async () => {
    const spec = await resolveSpec({}, {NATS_URL: 'nats://env', NATS_CREDS: '/env.creds'})
    expect(spec).not.toHaveProperty('context')
    expect(spec).not.toHaveProperty('jsDomain')
    expect(spec.lattice).toBe('default')
  })

  test.each([
    [{lattice: 'a.b'}, {}, 'is not a lattice name'],
    [{}, {LATTICE_LATTICE: 'a b'}, 'is not a lattice name'],
    [{server: 'ws://x'}, {}, 'websocket'],
    [{inboxPrefix: 'a b'}, {}, '"a b" is not a prefix of inboxes'],
    [{}, {LATTICE_INBOX_PREFIX: '_INBOX.>'}, 'is not a prefix of inboxes'],
    [{jsDomain: '*'}, {}, '"*" is not a JetStream domain'],
    [{}, {LATTICE_JS_API_PREFIX: '$JS.API.'}, 'is not a prefix of the JetStream API'],
    [{context: 'nope'}, {}, "No context 'nope'"],
    [{context: '../../etc'}, {}, 'is not a context name'],
  ])('%j with %j is refused', async (flags, environment, sentence) => {
    await expect(resolveSpec(flags, environment)).rejects.toThrow(sentence)
  })

  test('a websocket is a server that cannot be connected to', async () => {
    await writeContext('web', {url: 'nats://a,wss://me:s3cret@b'})
    for (const flags of [{server: 'wss://b'}, {context: 'web'}]) {
      await expect(resolveSpec(flags, {})).rejects.toMatchObject({
        kind: 'connection',
        details: {reason: 'websocket', servers: ['wss://b']},
      })
    }
  })

  test('half of a password with a comma is not taken for an address, and not said', async () => {
    const refused = resolveSpec({}, {NATS_URL: 'nats://me:s3cret,rest@host'})
    await expect(refused).rejects.toThrow('write a comma in a password as %2C')
    await expect(refused).rejects.not.toThrow(/s3cret/)
    expect(await resolveSpec({}, {NATS_URL: 'nats://me:s3cret%2Crest@host'})).toMatchObject({
      credentials: {kind: 'user', password: 's3cret,rest'},
    })
  })

  test('a selected context that is gone is said to be the selected one', async () => {
    await rm(join(folder, 'nats', 'context', 'picked.json'))
    await expect(resolveSpec({}, {})).rejects.toMatchObject({
      kind: 'notFound',
      message: "The selected context 'picked' is not there any more.",
    })
    expect(await resolveSpec({context: 'named'}, {})).toMatchObject({context: 'named'})
  })

  test('relative paths and file references of a trusted file are meant from its folder as well', async () => {
    const file = join(folder, 'by-path.json')
    const fields = {url: 'nats://x', ca: 'ca.pem', user: 'u', password: 'file://p.txt'}
    await writeFile(file, JSON.stringify(fields))
    expect(await resolveSpec({context: file, trustContext: true}, {})).toMatchObject({
      credentials: {password: `file://${join(folder, 'p.txt')}`},
      tls: {ca: join(folder, 'ca.pem')},
    })
  })

  test.each([
    [{windows_cert_store: 'user'}, "The field 'windows_cert_store' of context 'odd' needs Windows."],
    [{windows_ca_certs_match: ['CA']}, "The field 'windows_ca_certs_match' of context 'odd' needs Windows."],
    [{ca: 'env://CA'}, "The field 'ca' of context 'odd' cannot be a reference."],
    [{url: 'env://URL'}, "The field 'url' of context 'odd' cannot be a reference."],
    [
      {inbox_prefix: 'a.'},
      "The field 'inbox_prefix' of context 'odd' cannot be used: \"a.\" is not a prefix of inboxes",
    ],
    [{jetstream_api_prefix: 'a b'}, "The field 'jetstream_api_prefix' of context 'odd' cannot be used"],
    [{cert: '/cert.pem'}, "cert of context 'odd' is set and key of context 'odd' is not"],
    [
      {url: 'http://x'},
      "The field 'url' of context 'odd' cannot be used: The address 'http://x' has the scheme 'http'",
    ],
  ])('a field that cannot be honoured is refused by name: %j', async (fields, sentence) => {
    await writeContext('odd', fields)
    await expect(resolveSpec({context: 'odd'}, {})).rejects.toThrow(sentence)
  })

  test('a reference to a secret is kept until the connection opens', async () => {
    await writeContext('vault', {url: 'nats://x', user: 'u', password: 'op://vault/item/password'})
    expect(await resolveSpec({context: 'vault'}, {})).toMatchObject({
      credentials: {kind: 'user', user: 'u', password: 'op://vault/item/password'},
    })
    await writeContext('nsc', {url: 'nats://x', nsc: 'nsc://op/app/user'})
    expect(await resolveSpec({context: 'nsc'}, {})).toMatchObject({credentials: {file: 'nsc://op/app/user'}})
  })

  test('a context by path is confined to its folder, unless it is trusted', async () => {
    const file = join(folder, 'ci.json')
    await writeFile(file, JSON.stringify({url: 'nats://ci', creds: 'ci.creds'}))
    expect(await resolveSpec({context: file}, {})).toMatchObject({
      servers: ['nats://ci'],
      context: file,
      confinedTo: folder,
    })
    expect(await resolveSpec({context: file, server: 'mine', creds: '/mine'}, {})).not.toHaveProperty('confinedTo')
    expect(await resolveSpec({context: file, trustContext: true}, {})).not.toHaveProperty('confinedTo')
    await expect(resolveSpec({context: join(folder, 'none.json')}, {})).rejects.toThrow(/^No context file/)
  })

  test.each([
    [{creds: '/mine.creds'}, {}],
    [{}, {LATTICE_TOKEN: 'mine'}],
    [{}, {NATS_USER: 'me', NATS_PASSWORD: 'mine'}],
    [{}, {LATTICE_SYS_CREDS: '/sys.creds'}],
    [{}, {LATTICE_OPERATOR_SEED_FILE: '/operator.nk'}],
    [{clusterSeedFile: '/cluster.nk'}, {}],
  ])('what is mine does not go to servers that an untrusted context names: %j %j', async (flags, environment) => {
    const file = join(folder, 'ci.json')
    await writeFile(file, JSON.stringify({url: 'nats://evil'}))
    await expect(resolveSpec({...flags, context: file}, environment)).rejects.toThrow(
      /is not trusted: it names the servers/,
    )
    expect(await resolveSpec({...flags, context: file, trustContext: true}, environment)).toHaveProperty(
      'context',
      file,
    )
    const mine = {...flags, context: file, server: 'nats://mine'}
    expect(await resolveSpec(mine, environment)).toMatchObject({servers: ['nats://mine'], context: file})
  })

  test('domain and API prefix of a stronger source replace both of a weaker one', async () => {
    await writeContext('prefixed', {url: 'nats://x', jetstream_api_prefix: 'JS.acc.API'})
    const spec = await resolveSpec({context: 'prefixed', jsDomain: 'leaf'}, {})
    expect(spec).toMatchObject({jsDomain: 'leaf'})
    expect(spec).not.toHaveProperty('jsApiPrefix')
  })

  test('an address with the scheme tls is never answered in plain text', async () => {
    expect(await resolveSpec({server: 'tls://x'}, {})).toHaveProperty('tls', {})
    expect(await resolveSpec({server: 'x:4222'}, {})).not.toHaveProperty('tls')
  })

  test('a user on the command line needs a password from elsewhere', async () => {
    await expect(resolveSpec({user: 'me'}, {})).rejects.toThrow("There is no password for the user 'me'.")
    expect(await resolveSpec({user: 'me'}, {LATTICE_PASSWORD: 'pw'})).toMatchObject({
      credentials: {kind: 'user', user: 'me', password: 'pw'},
    })
    const file = join(folder, 'pw')
    await writeFile(file, 'from file\n')
    expect(await resolveSpec({user: 'me', passwordFile: file}, {})).toMatchObject({
      credentials: {password: 'from file'},
    })
    await expect(resolveSpec({user: 'me', creds: '/x'}, {})).rejects.toThrow('--creds and --user exclude each other')
  })

  test('each setting tells where it was said', async () => {
    const flags = {context: 'picked', timeout: 700}
    const {settings} = await resolveConnection(flags, {LATTICE_TLS_CA: '/ca', NATS_URL: 'nats://no'})
    expect(settings).toMatchObject({
      servers: {value: ['nats://picked'], from: "url of context 'picked'"},
      credentials: {from: "creds of context 'picked'"},
      tlsCa: {value: '/ca', from: 'LATTICE_TLS_CA'},
      lattice: {value: 'east', from: "lattice of context 'picked'"},
      timeoutMs: {value: 700, from: '--timeout'},
      connectTimeoutMs: {value: 5000, from: 'default'},
    })
  })

  test('a selected context that is left out is said', async () => {
    const {notes} = await resolveConnection({}, {NATS_URL: 'nats://env', NATS_CREDS: '/env.creds'})
    expect(notes).toEqual([expect.stringContaining("selected context 'picked' is left out")])
  })
})
