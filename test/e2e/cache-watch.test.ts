import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {z} from 'zod'

import CacheDel from '../../src/commands/cache/del.js'
import CachePut from '../../src/commands/cache/put.js'
import {systemClock} from '../../src/lib/clock.js'
import {createKey} from '../../src/lib/keys/nkey.js'
import {bytes, printable, startCacheServer, type CacheServer, type TestLattice} from '../support/cache-lattice.js'
import {runLines, type LineProcess} from '../support/line-process.js'
import {startNatsServer} from '../support/nats-server.js'
import {goOn, standStill} from '../support/stand-still.js'
import {until} from '../support/until.js'

// What scripts read, typed by hand: a key that is renamed or removed fails here.
const text = z.string().min(1)
const time = z.iso.datetime()
const head = {
  kind: z.enum(['claims', 'link', 'ref', 'component', 'config', 'route', 'key']),
  name: text,
  title: text.optional(),
  version: text.optional(),
  bucket: text,
  key: text,
  revision: z.int().min(1),
  created: time,
}
const eventSchema = z.discriminatedUnion('event', [
  z.strictObject({
    event: z.literal('put'),
    ...head,
    size: z.int().min(0),
    format: z.enum(['json', 'text', 'base64']),
    value: z.unknown(),
    problem: text.optional(),
  }),
  z.strictObject({event: z.literal('del'), ...head, vanished: z.literal(true).optional()}),
  z.strictObject({event: z.literal('current'), time, lattice: text, records: z.int().min(0)}),
  z.strictObject({event: z.literal('stale'), time, lattice: text, buckets: z.array(text).min(1)}),
  z.strictObject({event: z.literal('unreadable'), time, bucket: text, message: text}),
])
type WatchEvent = z.infer<typeof eventSchema>

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

const environment = (dir: string): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  HOME: dir,
  XDG_CONFIG_HOME: join(dir, 'config'),
})

function watch({where}: Pick<TestLattice, 'where'>, ...argv: readonly string[]): LineProcess {
  return runLines(['cache', 'watch', ...argv, ...where], environment(cache.server.dir))
}

/** Every line of stdout as the document it is. */
function events({lines}: LineProcess): WatchEvent[] {
  return lines.map((line) => eventSchema.parse(JSON.parse(line)))
}

const words = (list: readonly WatchEvent[]): string[] =>
  list.map((event) => ('name' in event ? `${event.event} ${event.kind} ${event.name}` : event.event))

describe('lattice cache watch', () => {
  test('shows what is there and then what happens, in all buckets, a document a line, until Ctrl-C', async () => {
    const lattice = await cache.lattice({buckets: false})
    await using watching = watch(lattice, '--json')
    await watching.see('"current"')
    const key = createKey('M').publicKey
    const {run} = lattice
    expect((await run(CachePut, 'key', 'note', '{"password":"hunter2","n":12345678901234567890}')).exitCode).toBe(0)
    expect((await run(CachePut, 'config', 'shop', '{"size":"3"}')).exitCode).toBe(0)
    expect(
      (await run(CachePut, 'claims', `${key}@1.2.0`, `{"name":"echo","sub":"${key}","version":"1.2.0"}`)).exitCode,
    ).toBe(0)
    await watching.see('"put"', 3)
    expect((await run(CacheDel, 'key', 'note')).exitCode).toBe(0)
    await watching.see('"del"')
    expect(await watching.end()).toBe(130)

    const all = events(watching)
    expect(
      words(all)
        .filter((word) => /^(put|del)/.test(word))
        .sort(),
    ).toEqual(['put key note', 'put config shop', `put claims ${key}@1.2.0`, 'del key note'].sort())
    expect(all[0]).toMatchObject({event: 'current', lattice: lattice.name, records: 0})
    const note = watching.lines.find((line) => line.includes('"note"'))!
    expect(note).toContain('"password":"set"')
    expect(note).toContain('12345678901234567890')
    expect(watching.stderr).toEqual([])
  })

  test('says stale within two seconds and outlives a server that stays away for longer than a command waits', async () => {
    await using other = await startNatsServer({jetstream: true})
    const where = ['-s', other.url]
    await using watching = watch({where}, '--json')
    await watching.see('"current"')
    const isCurrent = (): boolean => watching.lines.at(-1)!.includes('"current"')
    for (let round = 1; round <= 2; round++) {
      const before = watching.lines.length
      standStill(other.pid)
      const since = performance.now()
      try {
        await until(() => watching.lines.length > before, 5000)
        expect(watching.lines[before]).toContain('"stale"')
        expect(watching.linesAt[before]! - since).toBeLessThan(2000)
      } finally {
        goOn(other.pid)
      }
      await until(isCurrent, 15_000)
    }
    await other.kill()
    const before = watching.lines.length
    // A command's connection gives up after ten attempts, a tenth of a second apart.
    expect(await Promise.race([watching.ended, systemClock.sleep(4000)])).toBeUndefined()
    await other.restart()
    await until(isCurrent, 20_000)
    const since = words(events(watching)).slice(before)
    expect([...new Set(since)]).toEqual(['stale', 'current'])
    expect(await watching.end('SIGTERM')).toBe(130)
  })

  test('tells a person on stderr what is known, and a pipe gets tab-separated lines', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('note', bytes('evil \u001b[31mred\u0007'))
    await using watching = watch(lattice)
    await watching.see('note')
    // Another bucket may still be read, and how many records there are is told after the last one.
    await watching.tells('Current')
    await lattice.data.del('note')
    await watching.see('del\t')
    expect(await watching.end()).toBe(130)
    expect(watching.stderr).toEqual([`Current: 1 record in lattice '${lattice.name}'. Changes follow until Ctrl-C.`])
    expect(watching.lines.map((line) => line.split('\t').slice(0, 6).join(' '))).toEqual([
      'put key note   1',
      'del key note   2',
    ])
    expect(printable(watching.lines.join('\n').replaceAll('\t', ' '))).toBe(true)
  })

  test('of one record shows that one, by the names that get takes, and claims in all versions', async () => {
    const lattice = await cache.lattice()
    const [echo, other] = [createKey('M').publicKey, createKey('M').publicKey]
    await lattice.storeClaims(echo, {name: 'echo', version: '1.0.0'})
    await lattice.storeClaims(other, {name: 'other', version: '1.0.0'})
    await using all = watch(lattice, 'claims', 'echo', '--json')
    await using second = watch(lattice, 'claims', 'echo@2.0.0', '--json')
    await Promise.all([all.see('"current"'), second.see('"current"')])
    await lattice.storeClaims(other, {name: 'other', version: '2.0.0'})
    await lattice.storeClaims(echo, {name: 'echo', version: '2.0.0'})
    await Promise.all([all.see('"put"', 4), second.see('"put"', 2)])
    // The base record is another version's again.
    await lattice.storeClaims(echo, {name: 'echo', version: '1.0.0'})
    await Promise.all([all.see('"put"', 6), second.see('"del"')])
    expect([await all.end(), await second.end()]).toEqual([130, 130])
    const shown = (process: LineProcess): string[] => words(events(process)).filter((word) => word !== 'current')
    expect(shown(all).sort()).toEqual(
      [
        ...Array<string>(3).fill(`put claims ${echo}`),
        `put claims ${echo}@1.0.0`,
        `put claims ${echo}@1.0.0`,
        `put claims ${echo}@2.0.0`,
      ].sort(),
    )
    expect(shown(second).sort()).toEqual([`del claims ${echo}`, `put claims ${echo}`, `put claims ${echo}@2.0.0`])
  })

  test('keeps to a kind and a pattern, and shows secrets when asked to', async () => {
    const lattice = await cache.lattice()
    await using watching = watch(lattice, '--kind', 'key', '--key', 'shop*', '--raw', '--json')
    await watching.see('"current"')
    await lattice.data.put('bakery', bytes('1'))
    await lattice.data.put(`CLAIMS_${createKey('M').publicKey}`, bytes('{}'))
    await lattice.data.put('shop.de', bytes('{"password":"hunter2"}'))
    await watching.see('"put"')
    expect(await watching.end()).toBe(130)
    expect(words(events(watching))).toEqual(['current', 'put key shop.de'])
    expect(watching.lines[1]).toContain('hunter2')
  })

  test('ends when nobody reads it any more', async () => {
    const lattice = await cache.lattice()
    await using watching = watch(lattice)
    await lattice.data.put('a', bytes('1'))
    await watching.see('put')
    watching.closeOutput()
    for (const value of ['2', '3']) await lattice.data.put('a', bytes(value))
    expect(await watching.ended).toBe(0)
  })

  test('fails as every command does, in one line', async () => {
    const lattice = await cache.lattice()
    const cases: readonly (readonly [exit: number, kind: string, ...argv: readonly string[]])[] = [
      [4, 'notFound', 'claims', 'nobody'],
      [2, 'usage', 'claims', 'echo', '--kind', 'link'],
      [2, 'usage', 'claims', 'echo', '--key', 'a*'],
      [2, 'usage', '--kind', 'link', '--bucket', 'B'],
    ]
    for (const [exit, kind, ...argv] of cases) {
      await using watching = watch(lattice, ...argv, '--json')
      expect([argv, await watching.ended]).toEqual([argv, exit])
      expect(watching.lines).toHaveLength(1)
      expect(JSON.parse(watching.lines[0]!)).toMatchObject({error: {kind}})
    }
    await using plain = await startNatsServer()
    await using watching = watch({where: ['-s', plain.url]}, '--json')
    expect(await watching.ended).toBe(11)
  })
})

test('a user that may not read one bucket sees the others, and is told', async () => {
  const deny = '"$JS.API.STREAM.INFO.KV_LATTICEROUTES_default"'
  const user = `{user: u, password: p, permissions: {publish: {deny: ${deny}}}}`
  await using guarded = await startNatsServer({jetstream: true, config: `authorization {users: [${user}]}`})
  const env = {...environment(guarded.dir), LATTICE_URL: guarded.url, LATTICE_USER: 'u', LATTICE_PASSWORD: 'p'}
  await using watching = runLines(['cache', 'watch', '--json'], env)
  await watching.see('"current"')
  expect(await watching.end()).toBe(130)
  expect(events(watching).map(({event}) => event)).toEqual(['unreadable', 'current'])
  await using only = runLines(['cache', 'watch', '--kind', 'route', '--json'], env)
  expect(await only.ended).toBe(11)
})
