import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheDel from '../../../src/commands/cache/del.js'
import CacheGet from '../../../src/commands/cache/get.js'
import CacheLs from '../../../src/commands/cache/ls.js'
import CachePut from '../../../src/commands/cache/put.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {bytes, startCacheServer, type CacheServer} from '../../support/cache-lattice.js'

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

const link = {
  source_id: 'http-server',
  target: 'orders',
  name: 'default',
  wit_namespace: 'wasi',
  wit_package: 'http',
  interfaces: ['incoming-handler'],
  source_config: ['http-8000'],
  target_config: [],
}

describe('records of v1 hosts', () => {
  test('are listed by kind and shown decoded', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('COMPONENT_http-server', bytes(JSON.stringify({url: 'reg/http:1', links: [link]})))
    await lattice.data.put('COMPONENT_bad', bytes('{"url":1}'))
    expect((await lattice.run(CachePut, 'config', 'http-8000', '{"address":"127.0.0.1:8000"}')).exitCode).toBe(0)
    const {json} = await lattice.run(CacheLs, '--json')
    expect(json()).toMatchObject({
      records: [
        {kind: 'component', name: 'bad', problem: "its field 'url' does not fit the kind component"},
        {kind: 'component', name: 'http-server', key: 'COMPONENT_http-server'},
        {kind: 'config', name: 'http-8000', bucket: `CONFIGDATA_${lattice.name}`, value: {address: '127.0.0.1:8000'}},
      ],
    })
    expect((await lattice.run(CacheLs, '--kind', 'key', '--json')).json()).toMatchObject({records: []})
    expect((await lattice.run(CacheGet, 'component', 'http-server', '--json')).json()).toMatchObject({
      value: {links: [{target: 'orders'}]},
    })
  })

  test('are changed field by field and deleted', async () => {
    const lattice = await cache.lattice()
    await lattice.run(
      CachePut,
      'component',
      'http-server',
      '--set',
      'url=reg/http:1',
      '--set',
      `links=[${JSON.stringify(link)}]`,
    )
    await lattice.run(CachePut, 'component', 'http-server', '--set', 'url=reg/http:2')
    const stored = await lattice.data.get('COMPONENT_http-server')
    expect(Buffer.from(stored!.value).toString()).toBe(JSON.stringify({url: 'reg/http:2', links: [link]}))
    await lattice.run(CachePut, 'config', 'limits', '--set', 'cpu=2', '--set', 'memory=1e3')
    const limits = await lattice.run(CacheGet, 'config', 'limits', '--json')
    expect(limits.json()).toMatchObject({value: {cpu: '2', memory: '1e3'}})
    expect((await lattice.run(CacheDel, 'config', 'limits')).exitCode).toBe(0)
    expect((await lattice.run(CacheGet, 'config', 'limits')).exitCode).toBe(4)
  })

  test('are not written raw or in a form that hosts cannot read, exit 2', async () => {
    const lattice = await cache.lattice()
    await lattice.run(CachePut, 'config', 'there', '{}')
    const results = [
      await lattice.run(CachePut, 'key', 'COMPONENT_x', '{}'),
      await lattice.run(CachePut, 'key', 'x', '{}', '--bucket', `CONFIGDATA_${lattice.name}`),
      await lattice.run(CachePut, 'config', 'x', '{"port":8000}'),
      await lattice.run(CachePut, 'config', 'x', '[]'),
      await lattice.run(CachePut, 'component', 'a.b', '{}'),
      await lattice.run(CachePut, 'component', '', '{}'),
      await lattice.run(CacheGet, 'config', ''),
    ]
    expect(results.map(({exitCode}) => exitCode)).toEqual([2, 2, 2, 2, 2, 2, 2])
    expect(results[2]?.stderr).toContain("The field 'port' must be a string")
  })

  test('of Rust hosts before 1.0 hold any bytes, and secrets are hidden', async () => {
    const lattice = await cache.lattice()
    const name = `${createKey('M').publicKey}_db_password`
    expect((await lattice.run(CachePut, 'config', name, 'hunter2')).stdout).not.toContain('hunter2')
    await lattice.run(CachePut, 'config', 'db', '{"URL":"postgres://u:hunter2@db","PASSWORD":"hunter2"}')
    const {stdout} = await lattice.run(CacheLs, '--json')
    expect(stdout).not.toContain('hunter2')
    expect(JSON.parse(stdout)).toMatchObject({
      records: [
        {kind: 'config', name, format: 'text', value: 'set'},
        {name: 'db', value: {PASSWORD: 'set'}},
      ],
    })
    expect((await lattice.run(CacheGet, 'config', name, '--raw')).stdout).toBe('hunter2')
  })
})
