import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CachePut from '../../../src/commands/cache/put.js'
import CacheStatsCommand from '../../../src/commands/cache/stats.js'
import {ensureBucket} from '../../../src/lib/cache/bucket.js'
import type {CacheStats} from '../../../src/lib/cache/stats.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {cacheStatsView} from '../../../src/lib/output/cache-stats.js'
import {bytes, startCacheServer, type CacheServer} from '../../support/cache-lattice.js'
import {startNatsServer, startOperatorCluster, until} from '../../support/nats-server.js'
import {run} from '../../support/run.js'

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

describe('cache stats', () => {
  test('counts keys, deletions, revisions and bytes by kind, and describes the buckets', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    await lattice.storeClaims(key, {name: 'echo', version: '1'})
    await lattice.storeClaims(key, {name: 'echo', version: '2'})
    const claims = (await lattice.data.get(`CLAIMS_${key}`))!.value.length
    for (const value of ['1', '22', '333']) await lattice.data.put('notes', bytes(value))
    await lattice.data.put('empty', new Uint8Array())
    await lattice.data.put('gone', bytes('x'))
    await lattice.data.del('gone')
    const {exitCode, stderr, json} = await lattice.run(CacheStatsCommand, '--json')
    expect({exitCode, stderr}).toEqual({exitCode: 0, stderr: ''})
    const stats = json() as CacheStats
    expect(stats).toMatchObject({
      lattice: lattice.name,
      kinds: [
        {kind: 'claims', keys: 3, deleted: 0, revisions: 4, bytes: 3 * claims},
        {kind: 'key', keys: 2, deleted: 1, revisions: 6, bytes: 3},
      ],
      buckets: [
        {
          present: true,
          name: `LATTICEDATA_${lattice.name}`,
          storage: 'memory',
          replicas: 1,
          history: 64,
          storedKeys: 4,
          revisions: 8,
          lastRevision: 8,
          followers: [],
        },
        {present: true, name: `LATTICEVERSIONS_${lattice.name}`},
        {present: false, name: `CONFIGDATA_${lattice.name}`},
        {present: false, name: `LATTICEROUTES_${lattice.name}`},
      ],
    })
    const piped = (await lattice.run(CacheStatsCommand)).stdout.split('\n')
    expect(piped[1]).toBe('kind\tkey\t2\t1\t6\t3')
    expect(piped[2]).toMatch(new RegExp(`^bucket\tLATTICEDATA_${lattice.name}\t8\t\\d+\tmemory\t64\t\t1\t`))
    const shown = cacheStatsView(stats, {terminal: true})
    expect(shown).toMatch(/^KIND +KEYS +DELETED +REVISIONS +SIZE\nclaims +3 +0 +4 +/)
    expect(shown).toMatch(/\nall +5 +1 +10 +/)
    expect(shown).toContain(`CONFIGDATA_${lattice.name}`)
  })

  test('of a lattice without buckets is empty, exit 0', async () => {
    const lattice = await cache.lattice({buckets: false})
    const {exitCode, json, stderr} = await lattice.run(CacheStatsCommand, '--json')
    expect(exitCode).toBe(0)
    expect(stderr).toContain(`Nothing in lattice '${lattice.name}'`)
    expect(json()).toMatchObject({kinds: [], buckets: [{present: false}, {}, {}, {}]})
  })

  test('counts what may be read and names the rest', async () => {
    await using server = await startNatsServer({
      jetstream: true,
      config: `authorization {users: [
        {user: "all", password: "p"}
        {user: "some", password: "p", permissions: {publish: {deny: ["$JS.API.STREAM.INFO.KV_CONFIGDATA_l"]}}}
        {user: "none", password: "p", permissions: {publish: {deny: ["$JS.API.>"]}}}
      ]}`,
    })
    const env = {XDG_CONFIG_HOME: join(server.dir, 'config'), LATTICE_PASSWORD: 'p'}
    const as = (user: string): string[] => ['-s', server.url, '-l', 'l', '--user', user]
    await run(CachePut, ['key', 'a', '1', ...as('all')], env)
    await run(CachePut, ['config', 'b', '{}', ...as('all')], env)
    const some = await run(CacheStatsCommand, [...as('some'), '--json'], env)
    expect(some.exitCode).toBe(0)
    expect(some.json()).toMatchObject({kinds: [{kind: 'key'}], unreadable: ['CONFIGDATA_l']})
    expect(some.stderr).toContain("The bucket 'CONFIGDATA_l' is left out")
    expect((await run(CacheStatsCommand, as('none'), env)).exitCode).toBe(11)
  })

  test('of three servers names the leader and how far each copy is behind', {timeout: 60_000}, async () => {
    await using cluster = await startOperatorCluster(3)
    const spec = cluster.spec('three')
    const nc = await openConnection(spec)
    const bucket = await ensureBucket(nc, 'LATTICEDATA_three', spec, {replicas: 3})
    await bucket.put('notes', bytes('1'))
    const [server] = cluster.servers
    const env = {XDG_CONFIG_HOME: join(server!.dir, 'config')}
    const urls = cluster.servers.map(({url}) => url).join(',')
    const argv = ['-s', urls, '--creds', server!.credsFile, '-l', 'three', '--json']
    const read = async (): Promise<CacheStats['buckets'][number]> =>
      ((await run(CacheStatsCommand, argv, env)).json() as CacheStats).buckets[0]!
    let found = await read()
    await until(async () => {
      found = await read()
      return found.present && found.leader !== undefined && found.followers.every(({current}) => current)
    }, 20_000)
    expect(found).toMatchObject({replicas: 3, storage: 'file', followers: [{lag: 0, offline: false}, {lag: 0}]})
    const names = found.present ? [found.leader!, ...found.followers.map(({name}) => name)] : []
    expect(names.sort()).toEqual(['S0', 'S1', 'S2'])
    const follower = cluster.servers.find((_, index) => found.present && `S${index}` === found.followers[0]?.name)!
    await nc.close()
    await follower.stop()
    await until(async () => {
      found = await read()
      return found.present && found.followers.some(({offline, current}) => offline || !current)
    }, 20_000)
    const shown = cacheStatsView({lattice: 'three', kinds: [], buckets: [found]}, {terminal: true})
    expect(shown).toMatch(/S\d: (offline|\d+, not current)/)
  })
})
