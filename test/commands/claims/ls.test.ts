import {afterAll, beforeAll, expect, test} from 'vitest'

import ClaimsLs from '../../../src/commands/claims/ls.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {formatClaims} from '../../../src/lib/records/universal.js'
import {bytes, printable, startCacheServer, type CacheServer} from '../../support/cache-lattice.js'

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

test('claims ls has a line a version, in version order, and marks the one started last', async () => {
  const lattice = await cache.lattice()
  const [echo, orders] = [createKey('M').publicKey, createKey('M').publicKey]
  await lattice.storeClaims(echo, {
    name: 'echo',
    version: '1.10.0',
    caps: 'wasmcloud:httpserver',
    call_alias: 'demo/echo',
  })
  await lattice.storeClaims(echo, {name: 'echo', version: '1.9.0', caps: 'wasmcloud:httpserver'})
  await lattice.data.put(`CLAIMS_${orders}`, bytes(formatClaims({sub: orders, name: 'orders'})))
  const {exitCode, json} = await lattice.run(ClaimsLs, '--json')
  expect(exitCode).toBe(0)
  expect((json() as {claims: unknown}).claims).toMatchObject([
    {name: 'echo', key: echo, version: '1.9.0', last: true, versioned: true, capabilities: ['wasmcloud:httpserver']},
    {name: 'echo', key: echo, version: '1.10.0', last: false, versioned: true, callAlias: 'demo/echo'},
    {name: 'orders', key: orders, last: true, versioned: false, capabilities: []},
  ])
  const piped = (await lattice.run(ClaimsLs)).stdout.trimEnd().split('\n')
  expect(piped).toHaveLength(3)
  expect(piped[0]?.split('\t').slice(0, 4)).toEqual(['echo', 'actor', '1.9.0', 'last'])
})

test('claims ls reads the long form and shows what is malformed', async () => {
  const lattice = await cache.lattice()
  const [long, broken, liar] = [createKey('V').publicKey, createKey('M').publicKey, createKey('M').publicKey]
  await lattice.data.put(
    `CLAIMS_${long}`,
    bytes(
      JSON.stringify({
        subject: long,
        issuer: 'A',
        capabilities: ['x', 'y'],
        name: 'redis',
        revision: '3',
        version: '0.2.0',
      }),
    ),
  )
  await lattice.data.put(`CLAIMS_${broken}`, bytes('[1'))
  await lattice.data.put(`CLAIMS_${liar}`, bytes(formatClaims({sub: long, name: '\u001b[31mliar'})))
  const {json, stdout} = await lattice.run(ClaimsLs, '--json')
  const {claims} = json() as {
    claims: {key: string; name: string; kind: string; capabilities: string[]; problem?: string}[]
  }
  expect(claims).toHaveLength(3)
  expect(claims.find(({key}) => key === long)).toMatchObject({
    name: 'redis',
    kind: 'provider',
    capabilities: ['x', 'y'],
  })
  expect(claims.find(({key}) => key === broken)?.problem).toBe('it is not a JSON object')
  expect(claims.find(({key}) => key === liar)?.problem).toBe("its field 'sub' is not its key")
  expect(printable(stdout)).toBe(true)
  expect(printable((await lattice.run(ClaimsLs)).stdout.replaceAll('\t', ''))).toBe(true)
})

test('claims ls of an empty lattice is empty, exit 0', async () => {
  const lattice = await cache.lattice({buckets: false})
  expect((await lattice.run(ClaimsLs, '--json')).json()).toEqual({lattice: lattice.name, claims: []})
})
