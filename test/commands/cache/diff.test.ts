import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheDiffCommand from '../../../src/commands/cache/diff.js'
import CachePut from '../../../src/commands/cache/put.js'
import type {CacheDiff} from '../../../src/lib/cache/diff.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {sameView} from '../../../src/lib/output/cache-diff.js'
import {formatClaims} from '../../../src/lib/records/universal.js'
import {bytes, printable, startCacheServer, type CacheServer, type TestLattice} from '../../support/cache-lattice.js'
import {startNatsServer} from '../../support/nats-server.js'
import {run} from '../../support/run.js'

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

async function diff(lattice: TestLattice, ...argv: readonly string[]): Promise<CacheDiff> {
  const {exitCode, json, stdout} = await lattice.run(CacheDiffCommand, ...argv, '--json')
  expect({exitCode, stdout}).toMatchObject({exitCode: 0})
  return json() as CacheDiff
}

describe('cache diff of revisions', () => {
  test('shows the last change, or any', async () => {
    const lattice = await cache.lattice()
    const revisions = []
    for (const n of ['1.0', '1', '12345678901234567890']) {
      revisions.push(await lattice.data.put('notes', bytes(`{"n":${n},"same":[1]}`)))
    }
    const [first, second, third] = revisions.map(String) as [string, string, string]
    const last = await lattice.run(CacheDiffCommand, 'key', 'notes')
    const lines = last.stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(new RegExp(`^- 'notes' in lattice '${lattice.name}': revision ${second}, `))
    expect(lines[1]).toMatch(new RegExp(`^\\+ 'notes' in lattice '${lattice.name}': revision ${third}, `))
    expect(lines.slice(2)).toEqual(['', '~ n: 1 → 12345678901234567890'])
    expect(await diff(lattice, 'key', 'notes', '--from', first, '--to', second)).toMatchObject({
      before: {revision: Number(first)},
      after: {revision: Number(second)},
      differs: true,
      records: [{kind: 'key', name: 'notes', state: 'changed', changes: [{path: ['n']}]}],
    })
    expect((await diff(lattice, 'key', 'notes', '--from', third, '--to', first)).before.revision).toBe(Number(third))
    expect(await diff(lattice, 'key', 'notes', '--from', first, '--to', first)).toMatchObject({
      differs: false,
      compared: 1,
      records: [],
    })
    expect((await diff(lattice, 'key', 'notes', '--to', first)).records[0]?.state).toBe('added')
  })

  test('knows deletions, formats and secrets', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('x', bytes('"1"'))
    await lattice.data.put('x', bytes('1'))
    expect((await diff(lattice, 'key', 'x')).records[0]?.changes).toEqual([{path: [], before: '1', after: 1}])
    await lattice.data.put('x', bytes('plain'))
    await lattice.data.put('x', bytes('"plain"'))
    expect((await diff(lattice, 'key', 'x')).differs).toBe(true)
    await lattice.data.del('x')
    expect((await diff(lattice, 'key', 'x')).records[0]).toMatchObject({state: 'removed', changes: [{before: 'plain'}]})
    await lattice.data.put('api_token', bytes('hunter1'))
    await lattice.data.put('api_token', bytes('hunter2'))
    const shown = await lattice.run(CacheDiffCommand, 'key', 'api_token')
    expect(shown.stdout).toContain('~ "set" → "set" (what differs is not shown)')
    expect(shown.stdout).not.toContain('hunter')
    expect((await lattice.run(CacheDiffCommand, 'key', 'api_token', '--raw')).stdout).toContain('"hunter1" → "hunter2"')
  })

  test('says when too few are kept, and how to keep more, exit 4', async () => {
    const lattice = await cache.lattice()
    const revision = await lattice.data.put('notes', bytes('1'))
    const missing = await lattice.run(CacheDiffCommand, 'key', 'notes', '--from', '999', '--json')
    expect(missing.exitCode).toBe(4)
    expect(missing.json()).toMatchObject({
      error: {
        message: `Revision 999 of 'notes' is not stored in the bucket 'LATTICEDATA_${lattice.name}', which keeps 64 revisions of a key.`,
        details: {stored: [revision], keeps: 64},
      },
    })
    const host = await cache.lattice({buckets: false})
    await cache.request(
      `$JS.API.STREAM.CREATE.KV_CONFIGDATA_${host.name}`,
      JSON.stringify({
        name: `KV_CONFIGDATA_${host.name}`,
        subjects: [`$KV.CONFIGDATA_${host.name}.>`],
        max_msgs_per_subject: 1,
        storage: 'memory',
        allow_rollup_hdrs: true,
      }),
    )
    await host.run(CachePut, 'config', 'limits', '{"cpu":"1"}')
    await host.run(CachePut, 'config', 'limits', '{"cpu":"2"}')
    const short = await host.run(CacheDiffCommand, 'config', 'limits', '--json')
    expect(short.exitCode).toBe(4)
    expect(short.stdout).toContain('lattice cache init --update --history 64')
  })
})

describe('cache diff of a record', () => {
  test('compares two keys of a kind', async () => {
    const lattice = await cache.lattice()
    await lattice.run(CachePut, 'config', 'blue', '{"a":"1","b":"2"}')
    await lattice.run(CachePut, 'config', 'green', '{"b":"3","c":"4"}')
    const {stdout} = await lattice.run(CacheDiffCommand, 'config', 'blue', 'green')
    expect(stdout.split('\n').slice(3)).toEqual(['- a: "1"', '~ b: "2" → "3"', '+ c: "4"', ''])
    expect((await lattice.run(CacheDiffCommand, 'config', 'blue', 'red')).exitCode).toBe(4)
    await lattice.data.put('A_SECRET', bytes('hunter2'))
    await lattice.data.put('public', bytes('x'))
    expect((await lattice.run(CacheDiffCommand, 'key', 'A_SECRET', 'public')).stdout).not.toContain('hunter2')
  })

  test('compares with what put would make of a file', async () => {
    const lattice = await cache.lattice()
    const key = createKey('M').publicKey
    await lattice.storeClaims(key, {name: 'echo', version: '1.0.0'})
    const file = join(cache.server.dir, 'claims.json')
    await writeFile(file, JSON.stringify({subject: key, issuer: 'A', name: 'echo', version: '1.0.0', tags: ['x', 'y']}))
    const change = await diff(lattice, 'claims', 'echo@1.0.0', '--file', file)
    expect(change).toMatchObject({after: {file}, records: [{title: 'echo', changes: [{path: ['tags'], after: 'x,y'}]}]})
    const yaml = join(cache.server.dir, 'claims.yaml')
    await writeFile(yaml, `sub: ${key}\niss: A\nname: echo\nversion: "1.0.0"\ncall_alias: x\n`)
    const edited = await diff(lattice, 'claims', 'echo@1.0.0', '--file', yaml)
    expect(edited.records[0]?.changes).toEqual([{path: ['call_alias'], before: '', after: 'x'}])
    const added = await diff(lattice, 'claims', `${createKey('M').publicKey}@2`, '--file', await emptyClaims())
    expect(added.records[0]?.state).toBe('added')
    const bad = join(cache.server.dir, 'bad.json')
    await writeFile(bad, '{"version":3}')
    expect((await lattice.run(CacheDiffCommand, 'claims', 'echo@1.0.0', '--file', bad)).exitCode).toBe(2)
    expect((await lattice.run(CacheDiffCommand, 'claims', 'echo', '--file', '/nowhere/x')).exitCode).toBe(2)
  })

  test.each([
    [[], 'What is to be compared is not said.'],
    [['config', 'a', 'b', '--file', 'x'], 'not a second key and --file'],
    [['config', 'a', '--from', '1', '--against-lattice', 'x'], '--against-context or --against-lattice'],
    [['config', '--to', '3'], 'What is to be compared is not said.'],
    [['config', 'a', '--from', '0'], ''],
  ])('%j is refused before any connection, exit 2', async (argv, sentence) => {
    const env = {XDG_CONFIG_HOME: join(cache.server.dir, 'config')}
    const {exitCode, stderr} = await run(CacheDiffCommand, [...argv, '--server', 'nats://127.0.0.1:1'], env)
    expect(exitCode).toBe(2)
    expect(stderr).toContain(sentence)
  })
})

describe('cache diff of lattices', () => {
  test('lists every record that is not the same', async () => {
    const [one, two] = [await cache.lattice(), await cache.lattice()]
    const [shared, mine, theirs] = [1, 2, 3].map(() => createKey('M').publicKey) as [string, string, string]
    for (const lattice of [one, two]) {
      await lattice.data.put('same', bytes('{"a":1,"b":2}'))
      await lattice.run(CachePut, 'config', 'limits', JSON.stringify({cpu: lattice === one ? '1' : '2'}))
    }
    await two.data.put('same', bytes('{ "b":2, "a":1 }'))
    await one.storeClaims(shared, {name: 'echo', version: '1'})
    await two.storeClaims(shared, {name: 'echo', version: '1', call_alias: 'x'})
    await one.storeClaims(mine, {name: 'mine', version: '1'})
    await two.storeClaims(theirs, {name: 'theirs', version: '1'})
    const {stdout} = await one.run(CacheDiffCommand, '--against-lattice', two.name)
    expect(printable(stdout)).toBe(true)
    expect(stdout).toBe(
      [
        `- lattice '${one.name}'`,
        `+ lattice '${two.name}'`,
        '',
        ...[shared, `${shared}@1`].flatMap((key) => [`~ claims ${key} (echo)`, '  ~ call_alias: "" → "x"']),
        ...[`- claims ${mine} (mine)`, `- claims ${mine}@1 (mine)`],
        ...[`+ claims ${theirs} (theirs)`, `+ claims ${theirs}@1 (theirs)`],
        '~ config limits',
        '  ~ cpu: "1" → "2"',
        '',
        '7 of 8 records differ.',
        '',
      ].join('\n'),
    )
    const {exitCode, json} = await one.run(
      CacheDiffCommand,
      'config',
      '--against-lattice',
      two.name,
      '--exit-code',
      '--json',
    )
    expect(exitCode).toBe(20)
    expect(json()).toMatchObject({differs: true, compared: 1, before: {lattice: one.name}, after: {lattice: two.name}})
    const same = await diff(one, 'key', '--against-lattice', two.name, '--exit-code')
    expect(same).toMatchObject({differs: false, compared: 1})
    expect(sameView(same)).toBe(`The record is the same: lattice '${one.name}'; lattice '${two.name}'.`)
    const claims = await diff(one, 'claims', 'theirs', '--against-lattice', two.name)
    expect(claims.records[0]).toMatchObject({state: 'added', name: theirs})
    expect((await one.run(CacheDiffCommand, 'claims', 'nobody', '--against-lattice', two.name)).exitCode).toBe(4)
    expect((await one.run(CacheDiffCommand, '--against-lattice', one.name)).exitCode).toBe(2)
  })

  test('reads the other one through a context of its own, whatever the flags say of the first', async () => {
    await using server = await startNatsServer({jetstream: true})
    const folder = join(cache.server.dir, 'config', 'nats', 'context')
    await mkdir(folder, {recursive: true})
    await writeFile(join(folder, 'staging.json'), JSON.stringify({url: server.url}))
    const lattice = await cache.lattice()
    await lattice.data.put('notes', bytes('1'))
    await lattice.run(CachePut, 'key', 'notes', '2')
    expect(await diff(lattice, '--against-context', 'staging')).toMatchObject({
      before: {lattice: lattice.name},
      after: {lattice: lattice.name, context: 'staging'},
      records: [{name: 'notes', state: 'removed'}],
    })
    expect(await diff(lattice, 'key', 'notes', '--against-context', 'staging')).toMatchObject({
      before: {name: 'notes', revision: 2},
      after: {name: 'notes', context: 'staging'},
      records: [{state: 'removed', changes: [{path: [], before: 2}]}],
    })
    await server.stop()
    expect((await lattice.run(CacheDiffCommand, '--against-context', 'staging')).exitCode).toBe(11)
    expect((await lattice.run(CacheDiffCommand, '--against-context', 'nowhere')).exitCode).toBe(4)
  })
})

async function emptyClaims(): Promise<string> {
  const file = join(cache.server.dir, 'empty.json')
  await writeFile(file, formatClaims({}).replace('"version":""', '"version":"2"').replace('"sub":"",', ''))
  return file
}
