import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheGet from '../../../src/commands/cache/get.js'
import CacheInit from '../../../src/commands/cache/init.js'
import {startCacheServer, type CacheServer, type Failure, type TestLattice} from '../../support/cache-lattice.js'

interface Stream {
  readonly config: Record<string, unknown>
  readonly error?: {readonly err_code: number}
}

interface Outcome {
  readonly changed: boolean
  readonly dryRun?: true
  readonly buckets: {
    readonly bucket: string
    readonly state: string
    readonly changes: object[]
    readonly settings: object
  }[]
}

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

const stream = (bucket: string): Promise<Stream> => cache.request<Stream>(`$JS.API.STREAM.INFO.KV_${bucket}`)

/** A bucket as the hosts of both dialects make it. */
async function makeAsHosts(bucket: string, more: object = {}): Promise<void> {
  const config = {
    name: `KV_${bucket}`,
    subjects: [`$KV.${bucket}.>`],
    storage: 'file',
    max_msgs_per_subject: 1,
    discard: 'new',
    allow_rollup_hdrs: true,
    deny_delete: true,
    allow_direct: true,
    ...more,
  }
  const {error} = await cache.request<Stream>(`$JS.API.STREAM.CREATE.KV_${bucket}`, JSON.stringify(config))
  expect(error).toBeUndefined()
}

async function init(lattice: TestLattice, ...argv: string[]): Promise<Outcome> {
  const {exitCode, stdout, json} = await lattice.run(CacheInit, ...argv, '--json')
  expect(exitCode, stdout).toBe(0)
  return json() as Outcome
}

describe('cache init', () => {
  test('makes what hosts make, but with history 64', async () => {
    const lattice = await cache.lattice({buckets: false})
    const {changed, buckets} = await init(lattice)
    expect(changed).toBe(true)
    expect(buckets.map(({bucket, state}) => [bucket, state])).toEqual(
      ['LATTICEDATA', 'LATTICEVERSIONS', 'CONFIGDATA'].map((bucket) => [`${bucket}_${lattice.name}`, 'created']),
    )
    expect(buckets[0]?.settings).toEqual({storage: 'file', replicas: 1, history: 64})
    const host = `HOST_${lattice.name}`
    await makeAsHosts(host, {max_msgs_per_subject: 64})
    const [ours, theirs] = await Promise.all([stream(`LATTICEDATA_${lattice.name}`), stream(host)])
    expect(ours.config).toEqual({
      ...theirs.config,
      name: `KV_LATTICEDATA_${lattice.name}`,
      subjects: [`$KV.LATTICEDATA_${lattice.name}.>`],
    })
    expect(await init(lattice)).toMatchObject({changed: false})
  })

  test('leaves out what hosts of the dialect have no use for', async () => {
    const lattice = await cache.lattice({buckets: false})
    const {buckets} = await init(lattice, '--dialect', 'v1')
    expect(buckets.map(({bucket}) => bucket)).toEqual([`LATTICEDATA_${lattice.name}`, `CONFIGDATA_${lattice.name}`])
  })

  test('takes every setting, and says what memory loses', async () => {
    const lattice = await cache.lattice({buckets: false})
    const {exitCode, stdout, stderr} = await lattice.run(
      CacheInit,
      ...['--storage', 'memory', '--history', '5', '--max-bytes', '2MiB', '--description', 'records of the shop'],
      ...['--placement-tags', 'ssd,eu', '--atomic'],
    )
    expect(exitCode).toBe(0)
    expect(stderr).toContain('everything is lost')
    expect(stdout).toContain(
      'made, memory, 1 replica, history 5, at most 2 MiB, on servers with eu, ssd, atomic writes',
    )
    expect((await stream(`CONFIGDATA_${lattice.name}`)).config).toMatchObject({
      storage: 'memory',
      max_msgs_per_subject: 5,
      max_bytes: 2 * 1024 * 1024,
      description: 'records of the shop',
      placement: {tags: ['ssd', 'eu']},
      allow_atomic: true,
    })
  })

  test('shows how a bucket of hosts differs and changes nothing, not even what is missing', async () => {
    const lattice = await cache.lattice({buckets: false})
    const data = `LATTICEDATA_${lattice.name}`
    await makeAsHosts(data)
    const {exitCode, json} = await lattice.run(CacheInit, '--json')
    expect(exitCode).toBe(9)
    const {error} = json() as Failure
    expect(error.message).toContain(`'${data}' has history 1 and not 64`)
    expect(error.suggestions).toContain('--update   (change it)')
    expect(error.details).toEqual({buckets: [{bucket: data, changes: [{setting: 'history', before: 1, after: 64}]}]})
    expect((await stream(`LATTICEVERSIONS_${lattice.name}`)).error?.err_code).toBe(10059)
    expect((await stream(data)).config['max_msgs_per_subject']).toBe(1)
  })

  test('changes it with --update, keeps what was not named, and first shows it with --dry-run', async () => {
    const lattice = await cache.lattice({buckets: false})
    const data = `LATTICEDATA_${lattice.name}`
    await makeAsHosts(data, {max_msg_size: 9000, metadata: {owner: 'shop'}})
    const planned = await init(lattice, '--update', '--dry-run')
    expect(planned).toMatchObject({changed: true, dryRun: true})
    expect((await stream(data)).config['max_msgs_per_subject']).toBe(1)
    const {buckets, changed} = await init(lattice, '--update')
    expect(changed).toBe(true)
    expect(buckets).toEqual(planned.buckets)
    expect(buckets.map(({state}) => state)).toEqual(['updated', 'created', 'created'])
    const {config} = await stream(data)
    expect(config).toMatchObject({max_msgs_per_subject: 64, max_msg_size: 9000, metadata: {owner: 'shop'}})
    const {stdout} = await lattice.run(CacheInit, '--update', '--history', '20', '--allow', 'lose-revisions')
    expect(stdout).toContain(`${data}: changed, file, 1 replica, history 20\n    history: 64 → 20\n`)
    expect(await init(lattice, '--update', '--description', 'x')).toMatchObject({
      buckets: [{settings: {history: 20, description: 'x'}}, {}, {}],
    })
  })

  test('wants back what hosts rely on: nothing expires or makes room', async () => {
    const lattice = await cache.lattice({buckets: false})
    const data = `LATTICEDATA_${lattice.name}`
    await makeAsHosts(data, {max_msgs_per_subject: 64, discard: 'old', max_age: 3_600_000_000_000})
    const {exitCode, json} = await lattice.run(CacheInit, '--json')
    expect(exitCode).toBe(9)
    expect((json() as Failure).error.details).toEqual({
      buckets: [
        {
          bucket: data,
          changes: [
            {setting: 'discard', before: 'old', after: 'new'},
            {setting: 'maxAgeMs', before: 3_600_000},
          ],
        },
      ],
    })
    await init(lattice, '--update')
    expect((await stream(data)).config).toMatchObject({discard: 'new', max_age: 0})
  })

  test('refuses to lose revisions, or a limit below what is stored', async () => {
    const lattice = await cache.lattice({buckets: false})
    await init(lattice)
    for (let round = 0; round < 20; round++) await lattice.data.put('note', new Uint8Array(1000))
    const fewer = await lattice.run(CacheInit, '--update', '--history', '2', '--json')
    expect(fewer.exitCode).toBe(9)
    expect((fewer.json() as Failure).error.suggestions).toContain('--allow lose-revisions')
    const small = await lattice.run(CacheInit, '--update', '--max-bytes', '5KB', '--json')
    expect(small.exitCode).toBe(2)
    expect((small.json() as Failure).error.details).toMatchObject({maxBytes: 5000})
    expect(await lattice.data.history('note')).toHaveLength(20)
    await init(lattice, '--update', '--history', '2', '--allow', 'lose-revisions')
    expect(await lattice.data.history('note')).toHaveLength(2)
  })

  test('says how to change what no server changes', async () => {
    const lattice = await cache.lattice({buckets: false})
    await init(lattice)
    const {exitCode, json} = await lattice.run(CacheInit, '--update', '--storage', 'memory', '--json')
    expect(exitCode).toBe(9)
    const {error} = json() as Failure
    expect(error.message).toContain('with storage file, and no server changes that to memory')
    expect(error.suggestions[1]).toBe(`nats stream rm KV_LATTICEDATA_${lattice.name}`)
  })

  test('changes the bucket of routes too where there is one, but for its storage', async () => {
    const lattice = await cache.lattice({buckets: false})
    const routes = `LATTICEROUTES_${lattice.name}`
    await makeAsHosts(routes, {max_msgs_per_subject: 64})
    const {buckets} = await init(lattice, '--storage', 'memory', '--description', 'shop', '--update')
    expect(buckets.at(-1)).toMatchObject({bucket: routes, state: 'updated', settings: {storage: 'file'}})
  })

  test('names what the servers cannot do', async () => {
    const lattice = await cache.lattice({buckets: false})
    const replicas = await lattice.run(CacheInit, '--replicas', '3', '--json')
    expect(replicas.exitCode).toBe(1)
    expect((replicas.json() as Failure).error).toMatchObject({
      message: expect.stringContaining(`The bucket 'LATTICEDATA_${lattice.name}' cannot be made`) as string,
      suggestions: ['--replicas 1'],
    })
    const bytes = await lattice.run(CacheInit, '--max-bytes', '900TB', '--json')
    expect((bytes.json() as Failure).error.suggestions).toContain('--max-bytes 100MiB')
  })

  test.each([
    ['--history', '65'],
    ['--replicas', '0'],
    ['--max-bytes', 'much'],
    ['--max-bytes', '0'],
    ['--mirror-of', 'a.b'],
    ['--storage', 'tape'],
  ])('%s %s is a usage error', async (...argv) => {
    const lattice = await cache.lattice({buckets: false})
    expect((await lattice.run(CacheInit, ...argv)).exitCode).toBe(2)
  })
})

test('records in files outlive a power cut, and those in memory are gone with their bucket', async () => {
  await using other = await startCacheServer()
  const [kept, lost] = [await other.lattice({buckets: false}), await other.lattice({buckets: false})]
  expect((await kept.run(CacheInit)).exitCode).toBe(0)
  expect((await lost.run(CacheInit, '--storage', 'memory')).exitCode).toBe(0)
  for (const {data} of [kept, lost]) await data.put('note', new TextEncoder().encode('1'))
  await other.server.kill()
  await other.server.restart()
  expect(await (await kept.run(CacheGet, 'key', 'note', '--json')).json()).toMatchObject({value: 1, revision: 1})
  expect((await lost.run(CacheGet, 'key', 'note')).exitCode).toBe(4)
  const states = async (lattice: TestLattice): Promise<string[]> =>
    (await init(lattice, '--dry-run')).buckets.map(({state}) => state)
  expect(await states(kept)).toEqual(['unchanged', 'unchanged', 'unchanged'])
  expect(await states(lost)).toEqual(['created', 'created', 'created'])
})
