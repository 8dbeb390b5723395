import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import LinkDel from '../../../src/commands/link/del.js'
import LinkLs from '../../../src/commands/link/ls.js'
import LinkPut from '../../../src/commands/link/put.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {builtinHttpserver} from '../../../src/lib/records/builtin.js'
import {linkHash} from '../../../src/lib/records/link-hash.js'
import {
  bytes,
  printable,
  startCacheServer,
  type CacheServer,
  type Failure,
  type TestLattice,
} from '../../support/cache-lattice.js'

interface Link {
  readonly hash: string
  readonly actorName?: string
  readonly values: Readonly<Record<string, string>>
  readonly problem?: string
}

const forms: readonly (readonly string[])[] = [[], ['--json']]

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

interface Linked extends TestLattice {
  readonly actor: string
  readonly provider: string
}

/** A lattice whose cache knows the actor `echo` and the provider `redis`. */
async function linkedLattice(): Promise<Linked> {
  const lattice = await cache.lattice()
  const [actor, provider] = [createKey('M').publicKey, createKey('V').publicKey]
  await lattice.storeClaims(actor, {name: 'echo', version: '1.0.0'})
  await lattice.storeClaims(provider, {name: 'redis', contract_id: 'wasmcloud:keyvalue', version: '0.1.0'})
  return {...lattice, actor, provider}
}

const links = async (lattice: TestLattice): Promise<Link[]> =>
  ((await lattice.run(LinkLs, '--json')).json() as {links: Link[]}).links

describe('link put', () => {
  test('writes what linkdefs.put writes, with no host alive', async () => {
    const lattice = await linkedLattice()
    const {exitCode} = await lattice.run(LinkPut, 'echo', 'redis', '--value', 'URL=redis://127.0.0.1')
    expect(exitCode).toBe(0)
    const identity = {actor_id: lattice.actor, contract_id: 'wasmcloud:keyvalue', link_name: 'default'}
    const hash = linkHash(identity)
    const stored = await lattice.data.get(`LINKDEF_${hash}`)
    expect(new TextDecoder().decode(stored?.value)).toBe(
      JSON.stringify({
        id: hash,
        actor_id: lattice.actor,
        provider_id: lattice.provider,
        link_name: 'default',
        contract_id: 'wasmcloud:keyvalue',
        values: {URL: 'redis://127.0.0.1'},
      }),
    )
  })

  test.each(['address=foo', 'address=127.0.0.1:99999', 'adress=127.0.0.1:80'])(
    'refuses %s for the built-in HTTP server before it writes',
    async (value) => {
      const lattice = await cache.lattice()
      const {exitCode} = await lattice.run(LinkPut, createKey('M').publicKey, 'httpserver', '--value', value)
      expect(exitCode).toBe(2)
      expect(await links(lattice)).toEqual([])
    },
  )

  test.each(['httpserver', 'builtin:httpserver', builtinHttpserver.key])(
    'knows the built-in provider as %s',
    async (name) => {
      const lattice = await linkedLattice()
      const {json} = await lattice.run(LinkPut, 'echo', name, '--value', 'address=127.0.0.1:8080', '--json')
      expect(json()).toMatchObject({value: {provider_id: builtinHttpserver.key, contract_id: 'wasmcloud:httpserver'}})
    },
  )

  test('takes secrets from a file and never shows them', async () => {
    const lattice = await linkedLattice()
    const file = join(cache.server.dir, 'values.json')
    await writeFile(file, '{"URL":"redis://u:hunter2@db","PASSWORD":"hunter2"}')
    const outputs = [
      await lattice.run(LinkPut, 'echo', 'redis', '--values', file, '--dry-run'),
      await lattice.run(LinkPut, 'echo', 'redis', '--values', file, '--json'),
      await lattice.run(LinkPut, 'echo', 'redis', '--values', file, '--value', 'x=1', '--json'),
      await lattice.run(LinkLs),
      await lattice.run(LinkLs, '--json'),
      await lattice.run(LinkDel, 'echo', '--dry-run', '--json'),
    ]
    for (const {exitCode, stdout, stderr} of outputs) {
      expect(exitCode).toBe(0)
      expect(stdout + stderr).not.toContain('hunter2')
    }
    const [link] = await lattice.data.list()
    expect(new TextDecoder().decode(link?.value)).not.toContain('set')
    expect((await links(lattice))[0]?.values).toEqual({URL: 'redis://set@db', PASSWORD: 'set', x: '1'})
  })

  test('repeated is unchanged; with other values it says what it replaced', async () => {
    const lattice = await linkedLattice()
    const put = (...values: string[]) =>
      lattice.run(LinkPut, 'echo', 'redis', '--json', ...values.flatMap((value) => ['--value', value]))
    expect((await put('a=1')).json()).toMatchObject({changed: true})
    expect((await put('a=1')).json()).toMatchObject({changed: false})
    expect((await put('a=2')).json()).toMatchObject({changed: true, previous: {value: {values: {a: '1'}}}})
  })

  test.each(forms)('has the exit codes of every write %s', async (...extra) => {
    const lattice = await linkedLattice()
    const twin = createKey('M').publicKey
    await lattice.storeClaims(twin, {name: 'twin'})
    await lattice.storeClaims(createKey('M').publicKey, {name: 'twin'})
    const put = async (...argv: string[]) => (await lattice.run(LinkPut, ...argv, ...extra)).exitCode
    expect(await put('echo', 'redis')).toBe(0)
    expect(await put('echo', 'redis', '--value', 'a=1', '--create')).toBe(5)
    expect(await put('echo', 'redis', '--value', 'a=1', '--revision', '99')).toBe(5)
    expect(await put('twin', 'redis')).toBe(3)
    expect(await put('nobody', 'redis')).toBe(4)
    expect(await put('echo', 'nobody')).toBe(4)
    expect(await put('redis', 'redis')).toBe(2)
    expect(await put('echo', 'echo')).toBe(2)
    expect(await put('echo', createKey('V').publicKey)).toBe(2)
    expect(await put('echo', 'redis', '--value', 'novalue')).toBe(2)
    expect(await put('echo', 'redis', '--link', 'a.b')).toBe(2)
    expect(await put('echo', 'redis', '--contract', 'a b')).toBe(2)
    expect(await put('echo')).toBe(2)
  })

  test('names two links of one actor when neither is named, and deletes the one that is', async () => {
    const lattice = await linkedLattice()
    await lattice.run(LinkPut, 'echo', 'redis')
    await lattice.run(LinkPut, 'echo', 'redis', '--link', 'cache')
    const both = await lattice.run(LinkDel, 'echo', '--json')
    expect(both.exitCode).toBe(3)
    const {suggestions} = (both.json() as Failure).error
    expect(suggestions).toHaveLength(2)
    const [, , , ...argv] = (suggestions[0] ?? '').replace(/ --lattice .*$/, '').split(' ')
    expect((await lattice.run(LinkDel, ...argv)).exitCode).toBe(0)
    expect(await links(lattice)).toHaveLength(1)
    expect((await lattice.run(LinkDel, 'echo', 'redis')).exitCode).toBe(0)
    const again = await lattice.run(LinkDel, 'echo', 'redis', '--json')
    expect(again.exitCode).toBe(0)
    expect(again.json()).toMatchObject({changed: false})
    expect((await lattice.run(LinkDel, 'echo', 'redis', '--link', 'never')).exitCode).toBe(4)
    expect(await links(lattice)).toEqual([])
  })

  test("leaves another provider's link alone", async () => {
    const lattice = await linkedLattice()
    await lattice.run(LinkPut, 'echo', 'redis')
    const contract = ['--contract', 'wasmcloud:keyvalue']
    expect((await lattice.run(LinkDel, 'echo', 'httpserver', ...contract)).exitCode).toBe(4)
    expect(await links(lattice)).toHaveLength(1)
  })
})

describe('link ls', () => {
  test('shows malformed links as such, cleanly', async () => {
    const lattice = await linkedLattice()
    await lattice.run(LinkPut, 'echo', 'redis')
    await lattice.data.put(`LINKDEF_${'B'.repeat(64)}`, bytes('{"actor_id":"\\u001b[31m","values":{"a":1}}'))
    await lattice.data.put(`LINKDEF_${'C'.repeat(64)}`, bytes('null'))
    const all = await links(lattice)
    expect(all).toHaveLength(3)
    expect(all.filter(({problem}) => problem !== undefined)).toHaveLength(2)
    expect(all.find(({problem}) => problem === undefined)).toMatchObject({actorName: 'echo'})
    const {stdout} = await lattice.run(LinkLs)
    expect(printable(stdout.replaceAll('\t', ''))).toBe(true)
  })

  test('of an empty lattice is empty', async () => {
    const lattice = await cache.lattice({buckets: false})
    expect(await links(lattice)).toEqual([])
  })
})
