import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheDel from '../../../src/commands/cache/del.js'
import CacheGet from '../../../src/commands/cache/get.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {bytes, startCacheServer, type CacheServer} from '../../support/cache-lattice.js'

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

describe('cache del', () => {
  test('leaves a DEL marker that every host acts on, and says how to take it back', async () => {
    const lattice = await cache.lattice()
    const revision = await lattice.data.put('notes', bytes('"one"'))
    const {json} = await lattice.run(CacheDel, 'key', 'notes', '--json')
    expect(json()).toMatchObject({operation: 'del', changed: true, previous: {revision, value: 'one'}})
    const undo = `lattice cache revert key notes --to ${revision} --revision ${revision + 1} --lattice ${lattice.name}`
    expect((json() as Change).undo).toBe(undo)
    const bucket = `LATTICEDATA_${lattice.name}`
    const last = await cache.request<{message: {hdrs: string}}>(
      `$JS.API.STREAM.MSG.GET.KV_${bucket}`,
      JSON.stringify({last_by_subj: `$KV.${bucket}.notes`}),
    )
    expect(Buffer.from(last.message.hdrs, 'base64').toString()).toContain('KV-Operation: DEL')
    expect((await lattice.run(CacheGet, 'key', 'notes')).exitCode).toBe(4)
  })

  test('repeated is exit 0 and no change', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('notes', bytes('1'))
    const {revision} = (await lattice.run(CacheDel, 'key', 'notes', '--json')).json() as Change
    const again = await lattice.run(CacheDel, 'key', 'notes', '--json')
    expect(again.exitCode).toBe(0)
    expect(again.json()).toMatchObject({operation: 'del', changed: false, revision})
    expect((await lattice.run(CacheDel, 'key', 'notes')).stdout).toContain("Unchanged: key 'notes'")
  })

  test.each(forms)(
    'exits 4 when there is nothing to delete, and deletes nothing under --dry-run %s',
    async (...extra) => {
      const lattice = await cache.lattice()
      expect((await lattice.run(CacheDel, 'key', 'notes', ...extra)).exitCode).toBe(4)
      await lattice.data.put('notes', bytes('1'))
      expect((await lattice.run(CacheDel, 'key', 'notes', '--dry-run', ...extra)).exitCode).toBe(0)
      expect(await lattice.data.get('notes')).toBeDefined()
    },
  )

  test('of claims in two versions exits 3; one version can be named', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    await lattice.storeClaims(key, {name: 'echo', version: '1.0.0'})
    await lattice.storeClaims(key, {name: 'echo', version: '2.0.0'})
    const {exitCode, stderr} = await lattice.run(CacheDel, 'claims', 'echo')
    expect(exitCode).toBe(3)
    expect(stderr).toContain(`lattice cache del claims echo@1.0.0 --lattice ${lattice.name}`)
    expect((await lattice.run(CacheDel, 'claims', 'echo@1.0.0')).exitCode).toBe(0)
    expect((await lattice.run(CacheGet, 'claims', 'echo', '--json')).json()).toMatchObject({version: '2.0.0'})
  })

  test('can remove a malformed record', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('LINKDEF_broken', bytes('x'))
    expect((await lattice.run(CacheDel, 'key', 'LINKDEF_broken')).exitCode).toBe(0)
  })
})
