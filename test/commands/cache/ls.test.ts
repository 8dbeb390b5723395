import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheLs from '../../../src/commands/cache/ls.js'
import CachePut from '../../../src/commands/cache/put.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {formatClaims} from '../../../src/lib/records/universal.js'
import {bytes, startCacheServer, type CacheServer} from '../../support/cache-lattice.js'
import {startNatsServer} from '../../support/nats-server.js'
import {run} from '../../support/run.js'

interface Entry {
  readonly kind: string
  readonly problem?: string
}

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

describe('cache ls', () => {
  test('lists every record by kind, with what is malformed shown as such', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    await lattice.storeClaims(key, {name: 'echo', version: '1.0.0'})
    await lattice.data.put(`CLAIMS_${createKey('M').publicKey}`, bytes('not json'))
    await lattice.data.put(`CLAIMS_${createKey('M').publicKey}`, bytes(formatClaims({sub: key, name: 'other'})))
    await lattice.data.put(`LINKDEF_${'A'.repeat(64)}`, bytes('{"actor_id":1}'))
    await lattice.data.put('REFMAP_eA', bytes('{"oci_url":"y","public_key":"M"}'))
    await lattice.data.put('odd', Uint8Array.of(0xff))
    await lattice.data.put('gone', bytes('x'))
    await lattice.data.del('gone')
    const {exitCode, stdout} = await lattice.run(CacheLs, '--json')
    expect(exitCode).toBe(0)
    const {records: entries} = JSON.parse(stdout) as {records: Entry[]}
    expect(entries.map(({kind}) => kind)).toEqual(['claims', 'claims', 'claims', 'claims', 'link', 'ref', 'key'])
    expect(entries.filter(({problem}) => problem !== undefined).map(({problem}) => problem)).toEqual(
      expect.arrayContaining([
        'it is not a JSON object',
        "its field 'sub' is not its key",
        "its field 'actor_id' does not fit the kind link",
        "its field 'oci_url' is not its key",
      ]),
    )
    expect((await lattice.run(CacheLs, '--kind', 'ref', '--json')).json()).toMatchObject({records: [{kind: 'ref'}]})
    const piped = await lattice.run(CacheLs, '--kind', 'claims')
    expect(piped.stdout.trimEnd().split('\n')).toHaveLength(4)
    expect(piped.stdout).toContain(`${key}@1.0.0\techo\t1.0.0\t`)
  })

  test('shows what fits a pattern, a time and an order, in the columns that are wanted', async () => {
    const lattice = await cache.lattice()
    const [one, two] = [createKey('M').publicKey, createKey('V').publicKey]
    await lattice.storeClaims(one, {name: 'echo', version: '1.10.0'})
    await lattice.storeClaims(one, {name: 'echo', version: '1.9.0'})
    await lattice.storeClaims(two, {name: 'echo-store', version: '2'})
    await lattice.data.put('a.b-c', bytes('{"x":1.0}'))
    await lattice.data.put('DB_PASSWORD', bytes('hunter2'))
    const rows = async (...argv: readonly string[]): Promise<string[]> => {
      const {exitCode, stdout} = await lattice.run(CacheLs, ...argv)
      expect(exitCode).toBe(0)
      return stdout.split('\n').filter((line) => line !== '')
    }
    const names = ['--columns', 'name,version']
    expect(await rows('echo', '--sort', 'name', ...names)).toEqual(['echo\t1.9.0', 'echo\t1.9.0', 'echo\t1.10.0'])
    expect(await rows('echo*@2', ...names)).toEqual(['echo-store\t2', 'echo-store\t2'])
    expect(await rows('echo@1.?.0', ...names)).toEqual(['echo\t1.9.0', 'echo\t1.9.0'])
    expect(await rows(two, ...names)).toEqual(['echo-store\t2', 'echo-store\t2'])
    expect(await rows('CLAIMS_V*', ...names)).toEqual(['echo-store\t2'])
    expect(await rows('a.b*', '--columns', 'Kind, key,size,value')).toEqual(['key\ta.b-c\t9\t{"x":1.0}'])
    expect(await rows('axb*')).toEqual([])
    expect(await rows('*PASS*', '--columns', 'value,stored,format')).toEqual(['set\tDB_PASSWORD\ttext'])
    expect(await rows('--since', '1h', '--sort', 'size', '--columns', 'key')).toHaveLength(7)
    expect(await rows('--since', '2100-01-01')).toEqual([])
    const byTime = await rows('--sort', 'time', '--kind', 'key', '--columns', 'key')
    expect(byTime).toEqual(['DB_PASSWORD', 'a.b-c'])
    expect(await rows('--sort', 'revision', '--kind', 'key', '--columns', 'revision')).toEqual(['5', '4'])
  })

  test.each([
    ['--since', 'yesterday'],
    ['--columns', 'kind,nothing'],
    ['--sort', 'colour'],
    ['--since', '2026-13-01'],
  ])('refuses what cannot be meant, exit 2: %s %s', async (flag, value) => {
    const lattice = await cache.lattice({buckets: false})
    expect((await lattice.run(CacheLs, flag, value)).exitCode).toBe(2)
  })

  test('leaves out a bucket that may not be read, and says so', async () => {
    await using server = await startNatsServer({
      jetstream: true,
      config: `authorization {users: [
        {user: "all", password: "p"}
        {user: "some", password: "p", permissions: {publish: {deny: ["$JS.API.*.*.KV_CONFIGDATA_l.>"]}}}
        {user: "none", password: "p", permissions: {publish: {deny: ["$JS.API.CONSUMER.>"]}}}
      ]}`,
    })
    const env = {XDG_CONFIG_HOME: join(server.dir, 'config'), LATTICE_PASSWORD: 'p'}
    const as = (user: string): string[] => ['-s', server.url, '-l', 'l', '--user', user]
    expect((await run(CachePut, ['key', 'a', '1', ...as('all')], env)).exitCode).toBe(0)
    expect((await run(CachePut, ['config', 'b', '{}', ...as('all')], env)).exitCode).toBe(0)
    const some = await run(CacheLs, [...as('some'), '--json'], env)
    expect(some.json()).toMatchObject({records: [{name: 'a'}], unreadable: ['CONFIGDATA_l']})
    expect(some.stderr).toContain("The bucket 'CONFIGDATA_l' is left out: No permission")
    expect(some.exitCode).toBe(0)
    expect((await run(CacheLs, [...as('some'), '--kind', 'config'], env)).exitCode).toBe(11)
    expect((await run(CacheLs, as('none'), env)).exitCode).toBe(11)
  })

  test('of a lattice without buckets is empty, exit 0', async () => {
    const lattice = await cache.lattice({buckets: false})
    const {exitCode, json} = await lattice.run(CacheLs, '--json')
    expect(exitCode).toBe(0)
    expect(json()).toEqual({lattice: lattice.name, records: []})
  })
})
