import {connect, headers, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import type {AuditReport} from '../../src/lib/audit/audit.js'
import {createKey} from '../../src/lib/keys/nkey.js'
import {linkHash} from '../../src/lib/records/link-hash.js'
import {formatClaims} from '../../src/lib/records/universal.js'
import {bytes, startCacheServer, type CacheServer, type TestLattice} from '../support/cache-lattice.js'
import {cliIn, type Cli} from '../support/cli.js'
import {scriptedHost} from '../support/scripted-host.js'
import {until} from '../support/until.js'

let cache: CacheServer
let cli: Cli
let nc: NatsConnection

beforeAll(async () => {
  cache = await startCacheServer()
  cli = await cliIn(cache.server.dir)
  nc = await connect({servers: cache.server.url})
})

afterAll(async () => {
  await nc.close()
  await cache[Symbol.asyncDispose]()
})

const verify = (lattice: TestLattice, ...argv: string[]): Promise<AuditReport> =>
  cli.ok<AuditReport & Record<string, unknown>>('cache', 'verify', ...argv, ...lattice.where)

/** What is found, and after the printed lines were pasted one after the other nothing any more. */
async function repairs(lattice: TestLattice, expected: readonly string[], ...argv: string[]): Promise<AuditReport> {
  const report = await verify(lattice, ...argv)
  expect(report.findings.map(({rule}) => rule)).toEqual(expected)
  for (const {repair} of report.findings) {
    expect(repair.length).toBeGreaterThan(0)
    for (const line of repair) {
      const {exitCode, stderr} = await cli.paste(line)
      expect(exitCode, `${line}\n${stderr}`).toBe(0)
    }
  }
  const after = await verify(lattice, ...argv)
  expect(after).toMatchObject({clean: true, findings: []})
  return report
}

const links = 'wasmcloud:httpserver'
const [actor, other, provider] = [createKey('M').publicKey, createKey('M').publicKey, createKey('V').publicKey]
const identity = {actor_id: actor, contract_id: links, link_name: 'default'}
const hash = linkHash(identity)
const link = {id: hash, ...identity, provider_id: provider, values: {address: '127.0.0.1:8080'}}

async function healthy(): Promise<TestLattice> {
  const lattice = await cache.lattice()
  await lattice.storeClaims(actor, {name: 'echo', version: '1.0.0', call_alias: 'echo'})
  await lattice.storeClaims(provider, {name: 'http', version: '1.0.0', contract_id: links})
  await lattice.data.put(`LINKDEF_${hash}`, bytes(JSON.stringify(link)))
  const url = 'reg/echo:1.0.0'
  const ref = {oci_url: url, public_key: actor, version: '1.0.0'}
  await lattice.data.put(`REFMAP_${Buffer.from(url).toString('base64url')}`, bytes(JSON.stringify(ref)))
  return lattice
}

describe('cache verify', () => {
  test('finds nothing in a healthy lattice, and says what it could not ask', async () => {
    const lattice = await healthy()
    const report = await verify(lattice)
    expect(report).toMatchObject({
      clean: true,
      records: 6,
      notChecked: [{rule: 'claims-unused', reason: 'no host answers'}],
    })
    const text = await cli.run('cache', 'verify', '--exit-code', ...lattice.where)
    expect(text).toMatchObject({exitCode: 0, stdout: ''})
    expect(text.stderr).toContain(`6 records of lattice '${lattice.name}', nothing found.\nNot checked: claims-unused`)
    expect(await verify(await cache.lattice({buckets: false}))).toMatchObject({clean: true, records: 0})
  })

  test('findings are exit 20 with --exit-code, a line each where no person reads them', async () => {
    const lattice = await healthy()
    await lattice.data.put('mine', bytes('1'))
    const ended = await cli.run('cache', 'verify', '--exit-code', ...lattice.where)
    expect(ended.exitCode).toBe(20)
    expect(ended.stdout.trimEnd().split('\t').slice(0, 4)).toEqual(['warning', 'unread-key', 'key', 'mine'])
    const kind = await cli.run('cache', 'verify', '--exit-code', '--kind', 'link', ...lattice.where)
    expect(kind.exitCode).toBe(0)
    const ignored = await cli.run('cache', 'verify', '--exit-code', '--ignore', 'unread-key', ...lattice.where)
    expect(ignored.exitCode).toBe(0)
  })

  test('what is no record of its kind is deleted', async () => {
    const lattice = await healthy()
    await lattice.data.put(`CLAIMS_${other}`, bytes('not json'))
    await lattice.versions.put(`${actor}.${Buffer.from('2.0.0').toString('base64url')}`, bytes('{"sub":1}'))
    await lattice.data.put(`LINKDEF_${'A'.repeat(64)}`, bytes('[]'))
    await lattice.data.put('REFMAP_eA', bytes('{"oci_url":"x","public_key":"M"}'))
    const configs = lattice.bucket('CONFIGDATA')
    await configs.put('shop', bytes('{"a":1}'))
    await lattice.data.put('COMPONENT_shop', bytes('{"links":1}'))
    await repairs(
      lattice,
      Array.from({length: 6}, () => 'malformed'),
    )
    expect(await lattice.data.get(`LINKDEF_${hash}`)).toBeDefined()
  })

  test('a link under a wrong key goes where hosts look for it, with its values', async () => {
    const lattice = await healthy()
    const away = {...link, link_name: 'second', id: 'x', values: {password: 'hidden'}}
    await lattice.data.put(`LINKDEF_${'B'.repeat(64)}`, bytes(JSON.stringify(away)))
    const report = await repairs(lattice, ['malformed'])
    expect(JSON.stringify(report)).not.toContain('hidden')
    const right = linkHash({...identity, link_name: 'second'})
    const stored = await lattice.data.get(`LINKDEF_${right}`)
    expect(JSON.parse(Buffer.from(stored!.value).toString())).toEqual({...away, id: right})
  })

  test('wrong names of their own, and forms that some hosts cannot read, are written again', async () => {
    const lattice = await healthy()
    const {values: _values, ...bare} = link
    await lattice.data.put(`LINKDEF_${hash}`, bytes(JSON.stringify({...bare, id: 'F9'})))
    await lattice.data.put('REFMAP_eA', bytes(JSON.stringify({oci_url: 'y', public_key: actor})))
    await lattice.data.put(
      `CLAIMS_${other}`,
      bytes(JSON.stringify({sub: other, name: 'x', version: null, rev: 3, call_alias: '', tags: ['a', 'b']})),
    )
    const third = createKey('V').publicKey
    await lattice.data.put(`CLAIMS_${third}`, bytes(JSON.stringify({sub: third, name: 7})))
    const second = {...link, link_name: 'second', values: {port: 8080}, id: ''}
    await lattice.data.put(`LINKDEF_${linkHash(second)}`, bytes(JSON.stringify(second)))
    await repairs(lattice, [...Array.from({length: 4}, () => 'malformed'), 'not-universal'])
    const port = await lattice.data.get(`LINKDEF_${linkHash(second)}`)
    expect(JSON.parse(Buffer.from(port!.value).toString())).toMatchObject({values: {port: '8080'}})
    const claims = await lattice.data.get(`CLAIMS_${other}`)
    expect(JSON.parse(Buffer.from(claims!.value).toString())).toMatchObject({version: '', rev: '3', tags: 'a,b'})
  })

  test('claims of both forms are made one, and a lattice of the long form alone is left alone', async () => {
    const long = (key: string): object => ({
      ...{subject: key, issuer: 'A', name: 'long', version: '1.0.0', revision: '1'},
      ...{capabilities: ['a', 'b'], tags: [], call_alias: ''},
    })
    const pure = await cache.lattice()
    await pure.data.put(`CLAIMS_${other}`, bytes(JSON.stringify(long(other))))
    expect(await verify(pure)).toMatchObject({clean: true})

    const lattice = await healthy()
    await lattice.data.put(`CLAIMS_${other}`, bytes(JSON.stringify(long(other))))
    const third = createKey('M').publicKey
    await lattice.data.put(`CLAIMS_${third}`, bytes(JSON.stringify({...long(third), sub: third, rev: '7'})))
    await repairs(lattice, ['mixed-forms', 'not-universal'])
    const [one, two] = await Promise.all([lattice.data.get(`CLAIMS_${other}`), lattice.data.get(`CLAIMS_${third}`)])
    expect(JSON.parse(Buffer.from(one!.value).toString())).toMatchObject({sub: other, caps: 'a,b', rev: '1'})
    expect(JSON.parse(Buffer.from(two!.value).toString())).toMatchObject({sub: third, iss: 'A', rev: '7'})
  })

  test('an alias stays with who had it first', async () => {
    const lattice = await healthy()
    await lattice.storeClaims(other, {name: 'second', version: '3.0.0', call_alias: 'echo'})
    const {findings} = await repairs(lattice, ['duplicate-alias', 'duplicate-alias'])
    expect(findings.map(({name}) => name).sort()).toEqual([other, `${other}@3.0.0`])
    expect(findings[0]?.message).toContain(`'${actor}' (echo)`)
    expect(await cli.ok('cache', 'get', 'claims', 'echo', ...lattice.where)).toMatchObject({title: 'echo'})
  })

  test('versions without a base entry get one, of the highest', async () => {
    const lattice = await healthy()
    for (const version of ['1.9.0', '1.10.0']) {
      const value = bytes(formatClaims({sub: other, name: 'x', version, image_ref: `reg/x:${version}`}))
      await lattice.versions.put(`${other}.${Buffer.from(version).toString('base64url')}`, value)
    }
    await repairs(lattice, ['claims-without-base'])
    const base = await lattice.data.get(`CLAIMS_${other}`)
    expect(JSON.parse(Buffer.from(base!.value).toString())).toMatchObject({
      version: '1.10.0',
      image_ref: 'reg/x:1.10.0',
    })
  })

  test('what speaks of nobody is deleted', async () => {
    const lattice = await healthy()
    const lone = {actor_id: other, contract_id: links, link_name: 'default'}
    const id = linkHash(lone)
    await lattice.data.put(`LINKDEF_${id}`, bytes(JSON.stringify({...link, ...lone, id})))
    const refs = [
      {oci_url: 'reg/x:1', public_key: other},
      {oci_url: 'reg/echo:9', public_key: actor, version: '9.0.0'},
    ]
    for (const ref of refs) {
      await lattice.data.put(`REFMAP_${Buffer.from(ref.oci_url).toString('base64url')}`, bytes(JSON.stringify(ref)))
    }
    await lattice.bucket('CONFIGDATA').put(`${other}_secret`, Uint8Array.of(1, 2, 3))
    const dangling = ['ref-without-claims', 'ref-without-claims', 'config-without-claims']
    await repairs(lattice, ['link-without-claims', ...dangling])
  })

  test('a configuration that a component waits for is made', async () => {
    const lattice = await healthy()
    const wit = {name: 'default', wit_namespace: 'wasi', wit_package: 'keyvalue', interfaces: ['store']}
    const one = {source_id: 'shop', target: 'redis', ...wit, source_config: ['a'], target_config: ['b', 'a']}
    await lattice.data.put('COMPONENT_shop', bytes(JSON.stringify({url: 'reg/shop:1', links: [one]})))
    await lattice.bucket('CONFIGDATA').put('b', bytes('{"x":"y"}'))
    const {findings} = await repairs(lattice, ['component-without-config'])
    expect(findings[0]?.message).toContain("'a'")
  })

  test('keys that no host reads are deleted, whatever their names', async () => {
    const lattice = await healthy()
    const keys = ['mine', `x.CLAIMS_${actor}`, 'CLAIMS_nobody', '-f', 'a.b_c']
    for (const key of keys) await lattice.data.put(key, bytes('1'))
    await lattice.versions.put('nothing', bytes('1'))
    nc.publish(`$KV.LATTICEDATA_${lattice.name}.näme`, '1')
    await nc.flush()
    const report = await verify(lattice)
    expect(report.findings.map(({rule}) => rule)).toEqual(Array.from({length: 7}, () => 'unread-key'))
    expect(report.findings[0]).toMatchObject({severity: 'error', key: `x.CLAIMS_${actor}`})
    const lines = report.findings.flatMap(({repair}) => repair)
    const foreign = lines.filter((line) => line.startsWith('nats '))
    for (const line of lines.filter((other) => !foreign.includes(other))) {
      expect((await cli.paste(line)).exitCode, line).toBe(0)
    }
    // A word of ours can be neither of these keys.
    expect(foreign).toEqual(
      ['-f', 'näme'].map((key) => `nats pub -H KV-Operation:DEL '$KV.LATTICEDATA_${lattice.name}.${key}' ''`),
    )
    for (const key of ['-f', 'näme']) {
      const head = headers()
      head.set('KV-Operation', 'DEL')
      nc.publish(`$KV.LATTICEDATA_${lattice.name}.${key}`, '', {headers: head})
    }
    await nc.flush()
    expect(await verify(lattice)).toMatchObject({clean: true})
  })

  test('claims of what runs on no host that answers', async () => {
    const lattice = await healthy()
    await lattice.storeClaims(actor, {name: 'echo', version: '2.0.0', call_alias: 'echo'})
    await lattice.storeClaims(other, {name: 'old', version: '1.0.0'})
    const host = await connect({servers: cache.server.url})
    try {
      await scriptedHost(host, lattice.name).run({key: actor, name: 'echo', version: '2.0.0'})
      const report = await repairs(
        lattice,
        Array.from({length: 5}, () => 'claims-unused'),
      )
      expect(report.notChecked).toEqual([])
      expect(report.findings.map(({name}) => name).sort()).toEqual(
        [other, provider, `${actor}@1.0.0`, `${other}@1.0.0`, `${provider}@1.0.0`].sort(),
      )
      // What referred to them is gone with them, and what runs still has its claims.
      const left = await cli.ok<{records: {name: string}[]}>('cache', 'ls', ...lattice.where)
      expect(left.records.map(({name}) => name)).toEqual([actor, `${actor}@2.0.0`])
    } finally {
      await host.close()
    }
    await until(async () => (await verify(lattice)).notChecked.length === 1, 5000)
  })

  test('a stream of old hosts is one to migrate', async () => {
    const lattice = await cache.lattice()
    const stream = {name: `LATTICECACHE_${lattice.name}`, subjects: [`lc.${lattice.name}.>`], storage: 'memory'}
    await cache.request(`$JS.API.STREAM.CREATE.${stream.name}`, JSON.stringify(stream))
    const {findings} = await verify(lattice)
    const line = `lattice cache migrate --lattice ${lattice.name} --server ${cache.server.url}`
    expect(findings).toMatchObject([{rule: 'legacy-stream', bucket: stream.name, repair: [line]}])
  })

  test('malformed claims go even where a link needs them, and the link is found then', async () => {
    const lattice = await healthy()
    const claims = await lattice.data.put(`CLAIMS_${actor}`, bytes('broken'))
    await lattice.versions.del(`${actor}.${Buffer.from('1.0.0').toString('base64url')}`)
    const [first] = (await verify(lattice)).findings
    expect(first).toMatchObject({rule: 'malformed', revision: claims})
    expect((await cli.paste(first!.repair[0]!)).exitCode).toBe(0)
    await repairs(lattice, ['link-without-claims', 'ref-without-claims'])
  })

  test('a bucket in which records expire is made one in which they do not', async () => {
    const lattice = await cache.lattice({buckets: false})
    const name = `LATTICEDATA_${lattice.name}`
    const config = {
      name: `KV_${name}`,
      subjects: [`$KV.${name}.>`],
      max_msgs_per_subject: 5,
      max_age: 3_600_000_000_000,
    }
    await cache.request(`$JS.API.STREAM.CREATE.KV_${name}`, JSON.stringify(config))
    const {findings} = await repairs(lattice, ['bucket-settings'])
    expect(findings[0]?.message).toContain('maxAgeMs 3600000')
    const {config: after} = await cache.request<{config: object}>(`$JS.API.STREAM.INFO.KV_${name}`)
    expect(after).toMatchObject({max_age: 0, discard: 'new', max_msgs_per_subject: 5})
  })
})
