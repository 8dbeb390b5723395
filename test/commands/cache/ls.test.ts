import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheLs from '../../../src/commands/cache/ls.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {formatClaims} from '../../../src/lib/records/universal.js'
import {bytes, startCacheServer, type CacheServer} from '../../support/cache-lattice.js'

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

  test('of a lattice without buckets is empty, exit 0', async () => {
    const lattice = await cache.lattice({buckets: false})
    const {exitCode, json} = await lattice.run(CacheLs, '--json')
    expect(exitCode).toBe(0)
    expect(json()).toEqual({lattice: lattice.name, records: []})
  })
})
