import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {connect} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheDel from '../../../src/commands/cache/del.js'
import CachePut from '../../../src/commands/cache/put.js'
import type {RevisionConflictError} from '../../../src/lib/cache/bucket-errors.js'
import {LatticeCache} from '../../../src/lib/cache/cache.js'
import {putRecord} from '../../../src/lib/cache/write.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {
  bytes,
  printable,
  startCacheServer,
  type CacheServer,
  type Failure,
  type TestLattice,
} from '../../support/cache-lattice.js'

interface Change {
  readonly revision: number
  readonly undo?: string
}

const forms: readonly (readonly string[])[] = [[], ['--json']]

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

describe('cache put takes YAML', () => {
  test('as an argument and from a file, and writes what every host reads', async () => {
    const lattice = await cache.lattice()
    const [actor, provider] = [createKey('M').publicKey, createKey('V').publicKey]
    const file = join(cache.server.dir, 'link.yaml')
    await writeFile(
      file,
      `# to the database\nprovider_id: ${provider}\nvalues:\n  URL: redis://127.0.0.1\n  TTL: "60"\n`,
    )
    expect((await lattice.run(CachePut, 'link', `${actor}/wasmcloud:keyvalue`, '--file', file)).exitCode).toBe(0)
    const [link] = await lattice.data.list()
    expect(new TextDecoder().decode(link?.value)).toMatch(
      /^\{"id":"[0-9A-F]{64}","actor_id":"M.*"values":\{"URL":"redis:\/\/127\.0\.0\.1","TTL":"60"\}\}$/,
    )
    const claims = await lattice.run(CachePut, 'claims', actor, 'name: echo\niss: A\ncaps:\n  - wasmcloud:keyvalue\n')
    expect(claims.exitCode).toBe(0)
    expect(await text(lattice, `CLAIMS_${actor}`)).toContain('"caps":"wasmcloud:keyvalue","contract_id":""')
  })

  test.each([
    ['rev: 3\n', "'rev' must be a string", '"rev": "3"'],
    ['version: 1.10\n', "'version' must be a string", '"version": "1.10"'],
    ['name: "echo\n', 'neither JSON nor YAML, line 2', ''],
    ['# a list\n- a\n', 'must be a JSON object', ''],
  ])('and refuses %j with the place or the field', async (value, sentence, fix) => {
    const lattice = await cache.lattice()
    const {exitCode, stderr} = await lattice.run(CachePut, 'claims', createKey('M').publicKey, value)
    expect(exitCode).toBe(2)
    expect(stderr).toContain(sentence)
    expect(stderr).toContain(fix)
    expect(await lattice.data.list()).toEqual([])
  })

  test('for a raw key only with --yaml, and keeps every digit', async () => {
    const lattice = await cache.lattice()
    const yaml = 'n: 12345678901234567890\nd: 1.10\n__proto__: {x: 1e400}\n'
    expect((await lattice.run(CachePut, 'key', 'as-is', yaml)).exitCode).toBe(0)
    expect((await lattice.run(CachePut, 'key', 'as-json', yaml, '--yaml')).exitCode).toBe(0)
    expect(await text(lattice, 'as-is')).toBe(yaml)
    expect(await text(lattice, 'as-json')).toBe('{"n":12345678901234567890,"d":1.10,"__proto__":{"x":1e400}}')
    expect((await lattice.run(CachePut, 'key', 'bad', 'a: [', '--yaml')).exitCode).toBe(2)
  })

  test('and changes a field of it in the same go', async () => {
    const lattice = await cache.lattice()
    await lattice.run(CachePut, 'key', 'notes', 'a: 1\n', '--yaml', '--set', 'b=2')
    expect(await text(lattice, 'notes')).toBe('{"a":1,"b":2}')
  })
})

describe('cache put --allow overwrite', () => {
  test.each(forms)('replaces what somebody else wrote, and says so loudly %s', async (...extra) => {
    const lattice = await cache.lattice()
    const first = await lattice.data.put('notes', bytes('1'))
    const put = await lattice.run(CachePut, 'key', 'notes', '2', '--allow', 'overwrite', ...extra)
    expect(put.exitCode).toBe(0)
    expect(put.stderr).toContain("Warning: key 'notes' was replaced without a comparison")
    if (extra.length > 0) expect(put.json()).toMatchObject({allowed: ['overwrite'], previous: {revision: first}})
    expect(await text(lattice, 'notes')).toBe('2')
  })

  test('wins against any number of other writers', async () => {
    const lattice = await cache.lattice()
    const others = Array.from({length: 20}, (_, index) => lattice.data.put('counter', bytes(String(index))))
    const ended = await lattice.run(CachePut, 'key', 'counter', '"mine"', '--allow', 'overwrite')
    await Promise.all(others)
    expect(ended.exitCode).toBe(0)
    expect((await lattice.data.history('counter')).map(({value}) => new TextDecoder().decode(value))).toContain(
      '"mine"',
    )
  })

  test('goes with no expectation', async () => {
    const lattice = await cache.lattice()
    for (const flags of [['--create'], ['--revision', '1']])
      expect((await lattice.run(CachePut, 'key', 'x', '1', '--allow', 'overwrite', ...flags)).exitCode).toBe(2)
    expect((await lattice.run(CachePut, 'key', 'x', '1', '--allow', 'anything')).exitCode).toBe(2)
  })
})

describe('cache put --no-validate', () => {
  test.each(forms)('stores exactly the given bytes, and says so loudly %s', async (...extra) => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    const value = '{"rev": 3,  "sub":"other"}'
    const put = await lattice.run(CachePut, 'claims', key, value, '--no-validate', ...extra)
    expect(put.exitCode).toBe(0)
    expect(put.stderr).toContain('written without a check')
    expect(await text(lattice, `CLAIMS_${key}`)).toBe(value)
    if (extra.length > 0) expect(put.json()).toMatchObject({allowed: ['no-validate'], changed: true})
    const valid = await lattice.run(CachePut, 'claims', key, '{"name":"echo","rev":"3"}', '--json')
    const {undo = ''} = valid.json() as Change
    expect(undo).toContain('--no-validate')
    expect(valid.stderr).toBe('')
  })

  test('writes the key of a record that is none, but never one that makes hosts fail, and no route', async () => {
    const lattice = await cache.lattice()
    expect((await lattice.run(CachePut, 'key', 'CLAIMS_broken', '{}', '--no-validate')).exitCode).toBe(0)
    expect((await lattice.run(CachePut, 'key', 'x.CLAIMS_y', '{}', '--no-validate')).exitCode).toBe(2)
    expect((await lattice.run(CachePut, 'route', 'v0.eA', '{}', '--no-validate')).exitCode).toBe(2)
  })

  test('rewrites bytes that mean the same', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('notes', bytes('{"a":1}'))
    expect((await lattice.run(CachePut, 'key', 'notes', '{ "a": 1 }')).stdout).toContain('Unchanged')
    expect((await lattice.run(CachePut, 'key', 'notes', '{ "a": 1 }', '--no-validate')).exitCode).toBe(0)
    expect(await text(lattice, 'notes')).toBe('{ "a": 1 }')
  })
})

describe('limits', () => {
  test.each([[[]], [['--dry-run']]])('a value over the limit of the bucket is refused by name %j', async (extra) => {
    const lattice = await cache.lattice()
    await reconfigure(lattice, {max_msg_size: 400})
    const {exitCode, json} = await lattice.run(CachePut, 'key', 'large', `"${'x'.repeat(400)}"`, '--json', ...extra)
    expect(exitCode).toBe(2)
    expect((json() as Failure).error).toMatchObject({
      kind: 'usage',
      details: {key: 'large', size: 402, most: 400, limit: 'max_value_size', bucket: `LATTICEDATA_${lattice.name}`},
    })
    expect((await lattice.run(CachePut, 'key', 'small', `"${'x'.repeat(200)}"`)).exitCode).toBe(0)
  })

  test.each([[[]], [['--dry-run']]])('a value over the limit of the server is refused by name %j', async (extra) => {
    const lattice = await cache.lattice({buckets: false})
    const file = join(cache.server.dir, 'megabyte')
    await writeFile(file, Buffer.alloc(1024 * 1024))
    const {exitCode, json} = await lattice.run(CachePut, 'key', 'large', '--file', file, '--json', ...extra)
    expect(exitCode).toBe(2)
    expect((json() as Failure).error.details).toMatchObject({limit: 'max_payload', most: 1024 * 1024})
  })

  test('the largest value that fits is written', async () => {
    const lattice = await cache.lattice()
    const file = join(cache.server.dir, 'nearly-a-megabyte')
    const sizes: number[] = []
    for (const spare of [160, 120]) {
      await writeFile(file, Buffer.alloc(1024 * 1024 - spare))
      const {exitCode} = await lattice.run(CachePut, 'key', 'large', '--file', file, '--allow', 'overwrite')
      if (exitCode === 0) sizes.push(spare)
    }
    expect(sizes).toContain(160)
    expect((await lattice.data.get('large'))?.value.length).toBe(1024 * 1024 - sizes.at(-1))
  })
})

describe('a conflict', () => {
  test('shows what the other changed as a diff', async () => {
    const lattice = await cache.lattice()
    const seen = await lattice.data.put('shop', bytes('{"name":"a","limits":{"rate":1},"password":"hunter1"}'))
    await lattice.data.put('shop', bytes('{"name":"a","limits":{"rate":2},"password":"hunter2"}'))
    const shown = await lattice.run(CachePut, 'key', 'shop', '{"name":"b"}', '--revision', `${seen}`)
    expect(shown.exitCode).toBe(5)
    expect(shown.stderr).toContain(`  ~ limits.rate: 1 → 2\n`)
    expect(shown.stderr).toContain('~ password: "set" → "set"')
    const scripted = await lattice.run(CachePut, 'key', 'shop', '{"name":"b"}', '--revision', `${seen}`, '--json')
    expect((scripted.json() as Failure).error.details).toEqual({
      key: 'shop',
      expected: seen,
      current: seen + 1,
      diff: [
        {path: ['limits', 'rate'], before: 1, after: 2},
        {path: ['password'], before: 'set', after: 'set'},
      ],
    })
    expect(shown.stderr + scripted.stdout).not.toContain('hunter')
  })

  test('of writers at the same time is shown to each loser with what the winner changed', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('shop', bytes('{"n":"none"}'))
    const nc = await connect({servers: cache.server.url})
    const records = await LatticeCache.open(nc, {lattice: lattice.name})
    const writers = Array.from({length: 8}, (_, index) =>
      putRecord(records, {kind: 'key', key: 'shop'}, {set: [{path: ['n'], value: `w${index}`}]}),
    )
    const settled = await Promise.allSettled(writers)
    await nc.close()
    const won = settled.flatMap(({status}, index) => (status === 'fulfilled' ? [`w${index}`] : []))
    const lost = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason as RevisionConflictError] : []))
    // One that is slow to begin reads what the first winner wrote.
    expect(lost.length).toBeGreaterThan(4)
    for (const {details, lines} of lost) {
      const [{before, after}] = details['diff'] as [{before: string; after: string}]
      expect(['none', ...won]).toContain(before)
      expect(won).toContain(after)
      expect(lines).toEqual([`~ n: "${before}" → "${after}"`])
    }
  })

  test('says what is known when the record exists already, was deleted, or is forgotten', async () => {
    const lattice = await cache.lattice()
    const seen = await lattice.data.put('shop', bytes('{"n":1}'))
    const exists = await lattice.run(CachePut, 'key', 'shop', '{"n":2}', '--create', '--json')
    expect((exists.json() as Failure).error.details).toMatchObject({diff: [{path: [], after: {n: 1}}]})
    await lattice.data.del('shop')
    const deleted = await lattice.run(CachePut, 'key', 'shop', '{"n":2}', '--revision', `${seen}`, '--json')
    expect((deleted.json() as Failure).error.details).toMatchObject({diff: [{path: [], before: {n: 1}}]})

    await reconfigure(lattice, {max_msgs_per_subject: 1})
    const forgotten = await lattice.data.put('one', bytes('{"n":1}'))
    await lattice.data.put('one', bytes('{"n":2}'))
    const late = await lattice.run(CacheDel, 'key', 'one', '--revision', `${forgotten}`, '--json')
    expect(late.exitCode).toBe(5)
    expect((late.json() as Failure).error.details).not.toHaveProperty('diff')
  })

  test('prints no control characters of the other', async () => {
    const lattice = await cache.lattice()
    const seen = await lattice.data.put('shop', bytes('{"n":"a"}'))
    await lattice.data.put('shop', bytes(JSON.stringify({n: '\u001b[31mred\u0007\u202e'})))
    const {stderr} = await lattice.run(CachePut, 'key', 'shop', '{}', '--revision', `${seen}`)
    expect(stderr).toContain('red')
    expect(printable(stderr)).toBe(true)
  })
})

async function text({data}: TestLattice, key: string): Promise<string> {
  return new TextDecoder().decode((await data.get(key))?.value)
}

/** Changes how the data bucket is kept, as an administrator would. */
async function reconfigure({name}: TestLattice, changes: Readonly<Record<string, unknown>>): Promise<void> {
  const stream = `KV_LATTICEDATA_${name}`
  const {config} = await cache.request<{config: object}>(`$JS.API.STREAM.INFO.${stream}`)
  const answer = await cache.request<{error?: object}>(
    `$JS.API.STREAM.UPDATE.${stream}`,
    JSON.stringify({...config, ...changes}),
  )
  expect(answer.error).toBeUndefined()
}
