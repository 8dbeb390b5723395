import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest'

import {selectContext, writeContext} from '../../../src/lib/nats/context-files.js'
import {resolveSpec} from '../../../src/lib/nats/resolve-spec.js'

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
    [{context: 'nope'}, {}, "No context 'nope'"],
    [{context: '../../etc'}, {}, 'is not a context name'],
  ])('%j with %j is refused', async (flags, environment, sentence) => {
    await expect(resolveSpec(flags, environment)).rejects.toThrow(sentence)
  })

  test('a field that cannot be honoured is refused by name', async () => {
    await writeContext('proxy', {url: 'nats://x', socks_proxy: 'socks5://p'})
    await expect(resolveSpec({context: 'proxy'}, {})).rejects.toThrow("The field 'socks_proxy' of context 'proxy'")
    await writeContext('secret', {url: 'nats://x', password: 'op://vault/item'})
    await expect(resolveSpec({context: 'secret'}, {})).rejects.toThrow("The field 'password' of context 'secret'")
  })
})
