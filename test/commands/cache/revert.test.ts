import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheDel from '../../../src/commands/cache/del.js'
import CachePut from '../../../src/commands/cache/put.js'
import CacheRevert from '../../../src/commands/cache/revert.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {formatClaims} from '../../../src/lib/records/universal.js'
import {bytes, startCacheServer, type CacheServer, type Failure} from '../../support/cache-lattice.js'

interface Change {
  readonly revision: number
  readonly undo?: string
}

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

describe('cache revert', () => {
  test('writes an older value again, byte for byte, as a new revision', async () => {
    const lattice = await cache.lattice()
    const first = await lattice.data.put('notes', Uint8Array.of(0, 255, 10))
    const second = await lattice.data.put('notes', bytes('"two"'))
    const {json} = await lattice.run(CacheRevert, 'key', 'notes', '--to', `${first}`, '--json')
    expect(json()).toEqual({
      lattice: lattice.name,
      kind: 'key',
      name: 'notes',
      bucket: `LATTICEDATA_${lattice.name}`,
      key: 'notes',
      operation: 'put',
      changed: true,
      revision: second + 1,
      restored: first,
      format: 'base64',
      value: 'AP8K',
      previous: {revision: second, created: expect.any(String) as string, format: 'json', value: 'two'},
      undo: `lattice cache revert key notes --to ${second} --revision ${second + 1} --lattice ${lattice.name}`,
    })
    expect((await lattice.data.get('notes'))?.value).toEqual(Uint8Array.of(0, 255, 10))
    const again = await lattice.run(CacheRevert, 'key', 'notes', '--to', `${first}`)
    expect(again.stdout).toContain('Unchanged')
  })

  test('takes back what put and del did, with the lines that they print', async () => {
    const lattice = await cache.lattice()
    const put = async (value: string): Promise<string> =>
      ((await lattice.run(CachePut, 'key', 'notes', value, '--json')).json() as Change).undo ?? ''
    const paste = (line: string) => {
      const [, , verb, ...words] = line.split(' ')
      return lattice.run(verb === 'del' ? CacheDel : CacheRevert, ...words.slice(0, -2))
    }
    const undoFirst = await put('1')
    const undoSecond = await put('2')
    expect((await paste(undoFirst)).exitCode).toBe(5)
    expect((await paste(undoSecond)).exitCode).toBe(0)
    expect(new TextDecoder().decode((await lattice.data.get('notes'))?.value)).toBe('1')
    const {undo = ''} = (await lattice.run(CacheDel, 'key', 'notes', '--json')).json() as Change
    expect((await paste(undo)).exitCode).toBe(0)
    expect(new TextDecoder().decode((await lattice.data.get('notes'))?.value)).toBe('1')
  })

  test('brings deleted claims of a version back, and those of hosts that know no versions', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    await lattice.storeClaims(key, {name: 'echo', version: '1.0.0'})
    const [versioned] = await lattice.versions.list()
    const deleted = await lattice.run(CacheDel, 'claims', `${key}@1.0.0`, '--json')
    expect(deleted.exitCode).toBe(0)
    const back = await lattice.run(CacheRevert, 'claims', `${key}@1.0.0`, '--to', `${versioned!.revision}`)
    expect(back.exitCode).toBe(0)
    expect((await lattice.versions.list())[0]?.value).toEqual(versioned!.value)

    const old = createKey('M').publicKey
    const base = await lattice.data.put(`CLAIMS_${old}`, bytes(formatClaims({sub: old, name: 'old', version: '1.0.0'})))
    await lattice.run(CachePut, 'claims', old, '--set', 'call_alias=shop')
    expect((await lattice.run(CacheRevert, 'claims', `${old}@1.0.0`, '--to', `${base}`)).exitCode).toBe(0)
    expect(new TextDecoder().decode((await lattice.data.get(`CLAIMS_${old}`))?.value)).toContain('"call_alias":""')
  })

  test('writes no older record that hosts cannot read, unless it is told to', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    const broken = await lattice.data.put(`CLAIMS_${key}`, bytes(`{"sub":"${key}","rev":3}`))
    await lattice.storeClaims(key, {name: 'echo'})
    const refused = await lattice.run(CacheRevert, 'claims', key, '--to', `${broken}`)
    expect(refused.exitCode).toBe(2)
    expect(refused.stderr).toContain("'rev'")
    const told = await lattice.run(CacheRevert, 'claims', key, '--to', `${broken}`, '--no-validate')
    expect(told.exitCode).toBe(0)
    expect(told.stderr).toContain('without a check')
    expect(new TextDecoder().decode((await lattice.data.get(`CLAIMS_${key}`))?.value)).toContain('"rev":3')
  })

  test.each([[[]], [['--json']]])(
    'exits 4 for a revision that is not there, and 5 when the world moved %j',
    async (extra) => {
      const lattice = await cache.lattice()
      const first = await lattice.data.put('notes', bytes('1'))
      const deletion = await lattice.data.del('notes')
      const other = await lattice.data.put('other', bytes('1'))
      const revert = (to: number, ...more: string[]) =>
        lattice.run(CacheRevert, 'key', 'notes', '--to', `${to}`, ...more, ...extra)
      expect((await revert(999)).exitCode).toBe(4)
      expect((await revert(other)).exitCode).toBe(4)
      const toDeletion = await revert(deletion)
      expect(toDeletion.exitCode).toBe(4)
      expect(toDeletion.stderr + toDeletion.stdout).toContain(`lattice cache del key notes --lattice ${lattice.name}`)
      expect((await revert(first, '--revision', `${first}`)).exitCode).toBe(5)
      expect((await revert(first, '--revision', `${deletion}`)).exitCode).toBe(0)
      expect((await lattice.run(CacheRevert, 'key', 'notes', ...extra)).exitCode).toBe(2)
      expect((await lattice.run(CacheRevert, 'route', 'v0.eA', '--to', '1', ...extra)).exitCode).toBe(2)
    },
  )

  test('says that a bucket with one revision of a key has none to go back to', async () => {
    const lattice = await cache.lattice({buckets: false})
    const name = `KV_LATTICEDATA_${lattice.name}`
    const config = {
      ...{name, subjects: [`$KV.LATTICEDATA_${lattice.name}.>`], max_msgs_per_subject: 1, allow_direct: true},
      ...{allow_rollup_hdrs: true, deny_delete: true, discard: 'new', storage: 'memory'},
    }
    await cache.request(`$JS.API.STREAM.CREATE.${name}`, JSON.stringify(config))
    const {revision} = (await lattice.run(CachePut, 'key', 'notes', '1', '--json')).json() as Change
    const second = await lattice.run(CachePut, 'key', 'notes', '2', '--json')
    expect(second.json()).not.toHaveProperty('undo')
    expect((await lattice.run(CachePut, 'key', 'notes', '3')).stdout).toContain('cannot be taken back')
    const {exitCode, json} = await lattice.run(CacheRevert, 'key', 'notes', '--to', `${revision}`, '--json')
    expect(exitCode).toBe(4)
    expect((json() as Failure).error).toMatchObject({
      message: expect.stringContaining('keeps one revision') as string,
      suggestions: [expect.stringMatching(/^lattice cache init --update --history 64 --lattice/)],
      details: {keeps: 1},
    })
  })

  test('shows under --dry-run what it would write, without secrets, and writes nothing', async () => {
    const lattice = await cache.lattice()
    const first = await lattice.data.put('db', bytes('{"password":"hunter2","host":"a"}'))
    const second = await lattice.data.put('db', bytes('{"host":"b"}'))
    const {stdout} = await lattice.run(CacheRevert, 'key', 'db', '--to', `${first}`, '--dry-run')
    expect(stdout).toContain(`with the value of revision ${first}`)
    expect(stdout).not.toContain('hunter2')
    expect((await lattice.data.get('db'))?.revision).toBe(second)
  })
})
