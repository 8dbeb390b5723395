import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheHistory from '../../../src/commands/cache/history.js'
import {ensureBucket} from '../../../src/lib/cache/bucket.js'
import {cacheHistoryView} from '../../../src/lib/output/cache-history.js'
import type {RecordHistory} from '../../../src/lib/cache/history.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {formatClaims} from '../../../src/lib/records/universal.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {bytes, printable, startCacheServer, type CacheServer, type Failure} from '../../support/cache-lattice.js'

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

describe('cache history', () => {
  test('shows every revision with what it changed, the newest first', async () => {
    const lattice = await cache.lattice()
    const first = await lattice.data.put('notes', bytes('{"a":1,"n":12345678901234567890}'))
    await lattice.data.put('other', bytes('x'))
    const second = await lattice.data.put('notes', bytes('{"a":2,"n":12345678901234567891}'))
    const gone = await lattice.data.del('notes')
    const last = await lattice.data.put('notes', bytes('text'))
    const {exitCode, stdout, stderr, json} = await lattice.run(CacheHistory, 'key', 'notes', '--json')
    expect({exitCode, stderr}).toEqual({exitCode: 0, stderr: ''})
    const {revisions, ...head} = json() as RecordHistory
    expect(head).toEqual({
      lattice: lattice.name,
      kind: 'key',
      name: 'notes',
      bucket: `LATTICEDATA_${lattice.name}`,
      key: 'notes',
      keeps: 64,
    })
    expect(revisions.map(({revision, operation}) => [revision, operation])).toEqual([
      [last, 'put'],
      [gone, 'del'],
      [second, 'put'],
      [first, 'put'],
    ])
    expect(revisions[0]).toMatchObject({format: 'text', value: 'text', changes: [{path: [], after: 'text'}]})
    expect(revisions[2]?.changes?.map(({path}) => path)).toEqual([['a'], ['n']])
    expect(stdout).toContain('12345678901234567891')
    expect(revisions[3]).not.toHaveProperty('changes')
    const limited = await lattice.run(CacheHistory, 'key', 'notes', '--limit', '2', '--json')
    expect((limited.json() as RecordHistory).revisions).toEqual(revisions.slice(0, 2))
    const piped = await lattice.run(CacheHistory, 'key', 'notes')
    expect(
      piped.stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split('\t').length),
    ).toEqual([6, 6, 6, 6])
    const shown = cacheHistoryView(json() as RecordHistory, {terminal: true, now: new Date()})
    expect(shown).toContain('\n  ~ a: 1 → 2\n')
    expect(printable(shown)).toBe(true)
  })

  test('of claims is that of the record which get shows', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    await lattice.data.put(`CLAIMS_${key}`, bytes(formatClaims({sub: key, name: 'old', version: '1'})))
    await lattice.data.put(`CLAIMS_${key}`, bytes(formatClaims({sub: key, name: 'old', version: '2'})))
    for (const name of ['old', 'old@2', key]) {
      const {json} = await lattice.run(CacheHistory, 'claims', name, '--json')
      expect(json()).toMatchObject({
        key: `CLAIMS_${key}`,
        revisions: [{changes: [{path: ['version'], before: '1', after: '2'}]}, {operation: 'put'}],
      })
    }
    await lattice.storeClaims(key, {name: 'old', version: '3'})
    await lattice.data.del(`CLAIMS_${key}`)
    const versioned = await lattice.run(CacheHistory, 'claims', 'old@3', '--json')
    expect(versioned.json()).toMatchObject({bucket: `LATTICEVERSIONS_${lattice.name}`, revisions: [{operation: 'put'}]})
    expect((await lattice.run(CacheHistory, 'claims', `${key}@4`)).exitCode).toBe(4)
    await lattice.storeClaims(key, {name: 'old', version: '5'})
    const {exitCode, json} = await lattice.run(CacheHistory, 'claims', 'old', '--json')
    expect(exitCode).toBe(3)
    expect((json() as Failure).error.suggestions[0]).toMatch(/^lattice cache history claims old@/)
  })

  test('shows no secret, but that it changed', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('db', bytes('{"password":"hunter1"}'))
    await lattice.data.put('db', bytes('{"password":"hunter2"}'))
    for (const argv of [[], ['--json']]) {
      expect((await lattice.run(CacheHistory, 'key', 'db', ...argv)).stdout).not.toContain('hunter')
    }
    const {json} = await lattice.run(CacheHistory, 'key', 'db', '--json')
    expect(json()).toMatchObject({revisions: [{changes: [{path: ['password'], before: 'set', after: 'set'}]}, {}]})
    expect((await lattice.run(CacheHistory, 'key', 'db', '--raw')).stdout).toContain('hunter1')
  })

  test('says when the bucket keeps one revision only, and how to change that', async () => {
    const lattice = await cache.lattice({buckets: false})
    const nc = await openConnection({
      servers: [cache.server.url],
      lattice: lattice.name,
      protected: false,
      timeoutMs: 2000,
      connectTimeoutMs: 2000,
    })
    try {
      const bucket = await ensureBucket(nc, `LATTICEDATA_${lattice.name}`, {}, {storage: 'memory', history: 1})
      await bucket.put('notes', bytes('1'))
      await bucket.put('notes', bytes('2'))
    } finally {
      await nc.close()
    }
    const {stderr, json} = await lattice.run(CacheHistory, 'key', 'notes', '--json')
    expect(json()).toMatchObject({keeps: 1, revisions: [{value: 2}]})
    expect(stderr).toContain('keeps one revision of a key')
    expect(stderr).toContain(
      `  lattice cache init --update --history 64 --lattice ${lattice.name} --server ${cache.server.url}`,
    )
  })

  test('of what never was exits 4, with and without a bucket', async () => {
    const [full, empty] = [await cache.lattice(), await cache.lattice({buckets: false})]
    const results = [
      await full.run(CacheHistory, 'key', 'nothing', '--json'),
      await empty.run(CacheHistory, 'key', 'nothing', '--json'),
      await empty.run(CacheHistory, 'config', 'nothing', '--json'),
      await empty.run(CacheHistory, 'key', 'nothing', '--bucket', 'NOWHERE', '--json'),
    ]
    expect(results.map(({exitCode}) => exitCode)).toEqual([4, 4, 4, 4])
    expect(results[1]?.json()).toMatchObject({
      error: {message: `No key 'nothing' is stored in lattice '${empty.name}'.`},
    })
    expect(results[3]?.json()).toMatchObject({error: {message: "There is no bucket 'NOWHERE'."}})
    expect((await full.run(CacheHistory, 'key', 'a b')).exitCode).toBe(2)
  })
})
