import {createHash} from 'node:crypto'
import {readFile, stat} from 'node:fs/promises'
import {join} from 'node:path'

import {connect, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheMigrate from '../../../src/commands/cache/migrate.js'
import type {MigrateResult} from '../../../src/lib/cache/migrate.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {linkHash} from '../../../src/lib/records/link-hash.js'
import {bytes, startCacheServer, type CacheServer, type Failure, type TestLattice} from '../../support/cache-lattice.js'
import {foreignKeys, otpInventory, playV0Host} from '../../support/foreign-host.js'
import {scriptedHost} from '../../support/scripted-host.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

let cache: CacheServer
let nc: NatsConnection
let folder: TempFolder
let files = 0

beforeAll(async () => {
  cache = await startCacheServer()
  nc = await connect({servers: cache.server.url})
  folder = await tempFolder()
})

afterAll(async () => {
  await nc.close()
  await cache[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

const {actor, provider} = foreignKeys
const identity = {actor_id: actor, contract_id: 'wasmcloud:keyvalue', link_name: 'default'}
const hash = linkHash(identity)
const link = {...identity, provider_id: provider, values: {URL: 'redis://127.0.0.1'}}
const url = 'wasmcloud.azurecr.io/echo:0.3.4'

/** As a host up to 0.59 makes it (wasmcloud-v0 §4.1). */
async function oldStream(lattice: TestLattice): Promise<(subject: string, value: unknown) => Promise<void>> {
  const name = `LATTICECACHE_${lattice.name}`
  const config = {
    ...{name, subjects: [`lc.${lattice.name}.>`], storage: 'memory', retention: 'limits'},
    ...{max_msgs_per_subject: 1, discard: 'old', num_replicas: 1, duplicate_window: 120_000_000_000},
  }
  await cache.request(`$JS.API.STREAM.CREATE.${name}`, JSON.stringify(config))
  return async (subject, value) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    await nc.request(`lc.${lattice.name}.${subject}`, text)
  }
}

const claims = (key: string, name: string): object => ({
  ...{call_alias: '', caps: 'wasmcloud:keyvalue', contract_id: '', iss: 'A', name, rev: '3', sub: key},
  ...{tags: '', version: '0.3.4'},
})

async function filled(lattice: TestLattice): Promise<Awaited<ReturnType<typeof oldStream>>> {
  const put = await oldStream(lattice)
  await put(`claims.${actor}`, claims(actor, 'early'))
  await put(`claims.${provider}`, {...claims(provider, 'redis'), version: null, rev: 7})
  await put('linkdefs.9a1e', {id: '9a1e', ...link, values: {URL: 'redis://old'}, deleted: false})
  await put('linkdefs.77cc', {id: '77cc', ...link, link_name: 'gone', deleted: true})
  await put(`refmap.${Buffer.from(url).toString('base64url')}`, {oci_url: url, public_key: actor})
  await put('linkdefs.b2f0', {id: 'b2f0', ...link, deleted: false})
  await put(`claims.${actor}`, claims(actor, 'echo'))
  return put
}

const newFile = (): string => join(folder.path, `backup-${files++}.jsonl`)

async function migrate(lattice: TestLattice, ...argv: string[]): Promise<MigrateResult> {
  const {exitCode, stdout, json} = await lattice.run(CacheMigrate, '--json', ...argv)
  expect(exitCode, stdout).toBe(0)
  return json() as MigrateResult
}

async function streamIsThere(lattice: TestLattice): Promise<boolean> {
  const subject = `$JS.API.STREAM.INFO.LATTICECACHE_${lattice.name}`
  return (await cache.request<{error?: object}>(subject)).error === undefined
}

async function stored(lattice: TestLattice, key: string): Promise<unknown> {
  const entry = await lattice.data.get(key)
  return entry === undefined ? undefined : (JSON.parse(Buffer.from(entry.value).toString()) as unknown)
}

describe('cache migrate', () => {
  test('takes every record over in the form of today, and deletes the stream', async () => {
    const lattice = await cache.lattice({buckets: false})
    await filled(lattice)
    const file = newFile()
    const planned = await migrate(lattice, '--dry-run', '--backup', file)
    expect(planned).toMatchObject({changed: true, dryRun: true, streamDeleted: true})
    await expect(stat(file)).rejects.toThrow('ENOENT')
    expect(await streamIsThere(lattice)).toBe(true)

    const done = await migrate(lattice, '--backup', file)
    expect(done).toMatchObject({changed: true, backup: file, streamDeleted: true})
    expect(done.messages).toEqual(planned.messages)
    expect(done.messages.map(({outcome, kind}) => [outcome, kind])).toEqual([
      ['written', 'claims'],
      ['replaced', 'link'],
      ['deleted', undefined],
      ['written', 'ref'],
      ['written', 'link'],
      ['written', 'claims'],
    ])
    expect(await streamIsThere(lattice)).toBe(false)
    expect(await stored(lattice, `CLAIMS_${actor}`)).toEqual(claims(actor, 'echo'))
    expect(await stored(lattice, `CLAIMS_${provider}`)).toEqual({...claims(provider, 'redis'), version: '', rev: '7'})
    expect(await stored(lattice, `LINKDEF_${hash}`)).toEqual({id: hash, ...link})
    expect(await stored(lattice, `REFMAP_${Buffer.from(url).toString('base64url')}`)).toEqual({
      oci_url: url,
      public_key: actor,
    })
    expect((await lattice.data.list()).length).toBe(4)
    expect(await migrate(lattice)).toMatchObject({changed: false, streamDeleted: false, messages: []})
  })

  test('writes all of the stream into a file that only its owner reads, before anything else', async () => {
    const lattice = await cache.lattice({buckets: false})
    await filled(lattice)
    const file = newFile()
    await migrate(lattice, '--backup', file)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const lines = (await readFile(file, 'utf8')).split('\n').slice(0, -1)
    const [head, ...documents] = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(head).toMatchObject({stream: `LATTICECACHE_${lattice.name}`, last: 7, config: {storage: 'memory'}})
    const sha256 = createHash('sha256')
      .update(`${lines.slice(0, -1).join('\n')}\n`)
      .digest('hex')
    expect(documents.at(-1)).toEqual({messages: 6, sha256})
    expect(JSON.parse(String(documents[0]?.['data']))).toEqual({...claims(provider, 'redis'), version: null, rev: 7})

    const other = await cache.lattice({buckets: false})
    await filled(other)
    const refused = await other.run(CacheMigrate, '--backup', file, '--json')
    expect(refused.exitCode).toBe(2)
    expect((refused.json() as Failure).error.message).toContain('is there already, so nothing was done')
    expect(await streamIsThere(other)).toBe(true)
    expect(
      (await cache.request<{error: object}>(`$JS.API.STREAM.INFO.KV_LATTICEDATA_${other.name}`)).error,
    ).toBeDefined()
  })

  test('run again after it was stopped anywhere it ends the same, and what the bucket has wins', async () => {
    const lattice = await cache.lattice()
    await filled(lattice)
    await lattice.data.put(`CLAIMS_${actor}`, bytes(JSON.stringify(claims(actor, 'newer'))))
    await lattice.data.put(`LINKDEF_${hash}`, bytes(JSON.stringify({id: hash, ...link})))
    const ref = `REFMAP_${Buffer.from(url).toString('base64url')}`
    await lattice.data.put(ref, bytes('{}'))
    await lattice.data.del(ref)
    const {messages} = await migrate(lattice, '--backup', newFile())
    expect(messages.map(({outcome}) => outcome)).toEqual([
      ...['written', 'replaced', 'deleted', 'kept', 'present', 'kept'],
    ])
    expect(await stored(lattice, `CLAIMS_${actor}`)).toMatchObject({name: 'newer'})
    expect(await lattice.data.get(ref)).toBeUndefined()
  })

  test('--keep-stream can be repeated', async () => {
    const lattice = await cache.lattice({buckets: false})
    const put = await filled(lattice)
    expect(await migrate(lattice, '--keep-stream', '--backup', newFile())).toMatchObject({streamDeleted: false})
    expect(await migrate(lattice, '--keep-stream')).toMatchObject({changed: false, streamDeleted: false})
    const key = createKey('M').publicKey
    await put(`claims.${key}`, claims(key, 'late'))
    const {messages} = await migrate(lattice, '--backup', newFile())
    expect(messages.map(({outcome}) => outcome)).toEqual([
      ...['present', 'replaced', 'deleted', 'present', 'present', 'present', 'written'],
    ])
  })

  test('what cannot be read is named, and keeps the stream unless that is allowed', async () => {
    const lattice = await cache.lattice({buckets: false})
    const put = await filled(lattice)
    await put('claims.nobody', claims('nobody', 'x'))
    await put('weather.today', {sun: true})
    await put(`linkdefs.x`, 'not json')
    const {exitCode, json} = await lattice.run(CacheMigrate, '--backup', newFile(), '--json')
    expect(exitCode).toBe(8)
    const {error} = json() as Failure
    expect(error.message).toContain(`3 of 9 messages cannot be read`)
    expect(error.suggestions[0]).toContain('--allow lose-records')
    const unread = (error.details['messages'] as MigrateResult['messages']).flatMap(({problem}) => problem ?? [])
    expect(unread).toEqual([
      expect.stringContaining("field 'sub'"),
      'its subject is not that of a record',
      'it is not a JSON object',
    ])
    expect((await lattice.data.list()).length).toBe(4)
    const done = await migrate(lattice, '--allow', 'lose-records', '--backup', newFile())
    expect(done.messages.map(({outcome}) => outcome)).toContain('unreadable')
    expect(await streamIsThere(lattice)).toBe(false)
  })

  test.each([
    ['0.59.0', 9],
    ['0.0.3', 9],
    ['', 9],
    ['0.60.0', 0],
    ['0.82.0', 0],
  ])('with a host of version %j it exits %i', async (version, exit) => {
    const lattice = await cache.lattice({buckets: false})
    await filled(lattice)
    const host = await connect({servers: cache.server.url})
    try {
      const {id} = playV0Host(host, version, {lattice: lattice.name, inventory: otpInventory})
      await host.flush()
      const {exitCode, json} = await lattice.run(CacheMigrate, '--backup', newFile(), '--json')
      expect(exitCode).toBe(exit)
      expect(await streamIsThere(lattice)).toBe(exit === 9)
      if (exit === 9) expect((json() as Failure).error.details).toEqual({hosts: [{id, version}]})
    } finally {
      await host.close()
    }
  })

  test('hosts that speak versioned RPC never used it, whatever their version', async () => {
    const lattice = await cache.lattice({buckets: false})
    await filled(lattice)
    const host = await connect({servers: cache.server.url})
    try {
      scriptedHost(host, lattice.name)
      await host.flush()
      await migrate(lattice, '--backup', newFile())
    } finally {
      await host.close()
    }
  })

  test('a stream of thousands with gaps comes whole', async () => {
    const lattice = await cache.lattice({buckets: false})
    const put = await oldStream(lattice)
    const keys = Array.from({length: 1500}, () => createKey('M').publicKey)
    for (let start = 0; start < keys.length; start += 100) {
      const part = keys.slice(start, start + 100)
      await Promise.all([...part, ...part.slice(0, 30)].map((key) => put(`claims.${key}`, claims(key, 'x'))))
    }
    const {messages} = await migrate(lattice, '--backup', newFile())
    expect(messages.filter(({outcome}) => outcome === 'written')).toHaveLength(1500)
    const names = (await lattice.data.list()).map(({key}) => key)
    expect(names).toEqual(keys.map((key) => `CLAIMS_${key}`).sort())
  })
})
