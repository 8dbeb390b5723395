import {readFile} from 'node:fs/promises'
import {join} from 'node:path'

import {connect, type NatsConnection} from '@nats-io/transport-node'
import fc from 'fast-check'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheExport from '../../../src/commands/cache/export.js'
import CacheGet from '../../../src/commands/cache/get.js'
import CacheHistory from '../../../src/commands/cache/history.js'
import CacheLs from '../../../src/commands/cache/ls.js'
import CachePut from '../../../src/commands/cache/put.js'
import CacheVerify from '../../../src/commands/cache/verify.js'
import {LatticeCache} from '../../../src/lib/cache/cache.js'
import {readStoredRecord, type CacheEntry} from '../../../src/lib/cache/entry.js'
import {LatticeError} from '../../../src/lib/errors.js'
import {formatLossless} from '../../../src/lib/keys/token.js'
import type {RecordKind} from '../../../src/lib/records/registry.js'
import {printable, startCacheServer, type CacheServer, type TestLattice} from '../../support/cache-lattice.js'
import {run} from '../../support/run.js'

let server: CacheServer
let nc: NatsConnection
beforeAll(async () => {
  server = await startCacheServer()
  nc = await connect({servers: server.server.url})
})
afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
})

const nasty = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '',
  ' ',
  '.',
  '..',
  '>',
  '*',
  '$KV',
  '-',
  '--json',
]
const terminal = [
  '\u001b[2J',
  '\u001b]0;x\u0007',
  '\u009b31m',
  '\r',
  '\n',
  '\t',
  '\0',
  '\u202e',
  '\u2028',
  '\ufeff',
  '\u007f',
  '\ud800',
]
const piece = fc.oneof(
  {weight: 3, arbitrary: fc.stringMatching(/^[-/_=A-Za-z0-9]{1,12}$/)},
  {weight: 1, arbitrary: fc.constantFrom(...nasty, ...terminal)},
  {weight: 1, arbitrary: fc.string({unit: 'binary', maxLength: 6})},
)
const key = fc.oneof(
  {weight: 6, arbitrary: fc.stringMatching(/^[-/_=A-Za-z0-9]{1,30}(\.[-/_=A-Za-z0-9]{1,10}){0,3}$/)},
  {weight: 2, arbitrary: fc.array(piece, {minLength: 1, maxLength: 3}).map((parts) => parts.join(''))},
  {weight: 1, arbitrary: fc.constantFrom(...nasty, ...terminal)},
  {weight: 1, arbitrary: fc.integer({min: 900, max: 1300}).map((length) => 'k'.repeat(length))},
)
const number = fc.constantFrom(
  ...[
    '123456789012345678901234567890',
    '-0',
    '1e999',
    '0.1000000000000000055',
    '1E400',
    '1.0',
    '-1e-400',
    '9007199254740993',
  ],
)
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const value = fc.oneof(
  fc.json({maxDepth: 6}).map(utf8),
  fc.uint8Array({maxLength: 60}),
  fc.array(piece, {maxLength: 6}).map((parts) => utf8(parts.join(''))),
  number.map(utf8),
  fc
    .tuple(piece, number)
    .map(([name, digits]) => utf8(`{"__proto__":{"a":${digits}},${JSON.stringify(name)}:[${digits}]}`)),
  fc.integer({min: 1, max: 3000}).map((depth) => utf8('['.repeat(depth) + ']'.repeat(depth))),
  fc.integer({min: 1, max: 3000}).map((depth) => utf8('{"a":'.repeat(depth) + '1' + '}'.repeat(depth))),
  fc.constantFrom('{"a":1,"a":2}', '\ufeff{}', '"\\ud800"', ' [1] ', '{', 'null', '"', '[1,]').map(utf8),
  fc.integer({min: 100, max: 500}).map((size) => new Uint8Array(size).fill(0x1b)),
)

/** Not more at a time than a person's network would bear. */
async function eachOf<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  const next = items.entries()
  const workers = Array.from({length: 32}, async () => {
    for (const [index, item] of next) await work(item, index)
  })
  await Promise.all(workers)
}

function expectSentence(error: unknown): void {
  expect(error).toBeInstanceOf(LatticeError)
  const {kind, message} = error as LatticeError
  expect(['usage', 'notFound', 'conflict', 'ambiguous']).toContain(kind)
  expect(message).toMatch(/^[A-Z'"].*\.$/su)
}

/** The words come last, so that none of them is taken for a flag. */
function runOn(
  {where}: TestLattice,
  command: Parameters<typeof run>[0],
  words: readonly string[],
): ReturnType<typeof run> {
  return run(command, [...where, ...words], {XDG_CONFIG_HOME: server.server.dir, LATTICE_CONTEXT: undefined})
}

/** The exact bytes of an entry as it is shown. */
function bytesOf({format, value: shown}: Pick<CacheEntry, 'format' | 'value'>): Buffer {
  if (format === 'json') return Buffer.from(formatLossless(shown))
  return Buffer.from(String(shown), format === 'base64' ? 'base64' : 'utf8')
}

describe('5,000 hostile keys and values', () => {
  let lattice: TestLattice
  let cache: LatticeCache
  let refused = 0
  /** What was written last under each key. */
  const stored = new Map<string, Uint8Array>()

  beforeAll(async () => {
    lattice = await server.lattice()
    cache = await LatticeCache.open(nc, {lattice: lattice.name})
    const pairs = fc.sample(fc.tuple(key, value), {numRuns: 5000, seed: 5})
    await eachOf(pairs, async ([name, bytes]) => {
      if (stored.has(name)) return
      stored.set(name, bytes)
      try {
        await cache.put('key', name, bytes)
      } catch (error) {
        expectSentence(error)
        stored.delete(name)
        refused++
      }
    })
  })

  test('are stored or refused with a sentence', () => {
    expect(stored.size).toBeGreaterThan(2500)
    expect(refused).toBeGreaterThan(500)
    expect([...stored.keys()].every((name) => /^[-/_=.A-Za-z0-9]+$/.test(name) && name.length <= 1024)).toBe(true)
  })

  test('come back byte by byte, and are decoded without losing a digit', async () => {
    await eachOf([...stored], async ([name, bytes]) => {
      const {entry, bytes: back} = await cache.read('key', name)
      expect(Buffer.compare(back, bytes)).toBe(0)
      // What is shown is what is stored: it decodes to the same again.
      const again = await readStoredRecord({kind: 'key', key: name}, '', {
        ...{key: name, operation: 'PUT', revision: 1, created: ''},
        value: bytesOf(entry),
      })
      expect(again.entry).toMatchObject({format: entry.format, value: entry.value})
      if (entry.format !== 'json') expect(Buffer.compare(bytesOf(entry), bytes)).toBe(0)
    })
  })

  test('are listed, as text that no terminal obeys', async () => {
    const entries = await cache.list('key')
    expect(new Set(entries.map((entry) => entry.key))).toEqual(new Set(stored.keys()))
    const json = await lattice.run(CacheLs, '--kind', 'key', '--json')
    expect(json.exitCode).toBe(0)
    const {records} = json.json() as {records: CacheEntry[]}
    expect(records).toHaveLength(stored.size)
    for (const extra of [[], ['--columns', 'key,value,problem,size,stored']]) {
      const text = await lattice.run(CacheLs, ...extra)
      expect([text.exitCode, text.stderr]).toEqual([0, ''])
      expect(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text.stdout.replaceAll(/[\n\t]/g, ''))).toBe(false)
    }
  })

  test('are exported so that every byte comes back', async () => {
    for (const raw of [[], ['--raw']]) {
      const file = join(server.server.dir, `hostile${raw.length}.jsonl`)
      expect((await lattice.run(CacheExport, '--output', file, ...raw)).exitCode).toBe(0)
      const lines = (await readFile(file, 'utf8')).trimEnd().split('\n').slice(1, -1)
      const seen = new Map<string, Buffer>()
      for (const line of lines) {
        const entry = JSON.parse(line) as {key: string; text?: string; base64?: string}
        // A JSON value stands in the line as it is stored.
        const exact = line.slice(line.indexOf('"value":') + '"value":'.length, -1)
        const base64 = entry.base64 === undefined ? undefined : Buffer.from(entry.base64, 'base64')
        seen.set(entry.key, base64 ?? Buffer.from(entry.text ?? exact))
      }
      expect(seen.size).toBe(stored.size)
      for (const [name, bytes] of stored) expect([name, Buffer.compare(seen.get(name)!, bytes)]).toEqual([name, 0])
    }
  })

  test('are shown one by one as text that no terminal obeys', async () => {
    const some = [...stored.keys()].filter((_, index) => index % 25 === 0)
    for (const name of some) {
      for (const command of [CacheGet, CacheHistory]) {
        const shown = await runOn(lattice, command, ['key', '--', name])
        expect([name, shown.exitCode]).toEqual([name, 0])
        expect(printable(shown.stdout.replaceAll('\t', '')) && printable(shown.stderr)).toBe(true)
      }
    }
  })

  test('do not disturb a check of all records', async () => {
    const checked = await lattice.run(CacheVerify, '--json')
    expect(checked.exitCode).toBe(0)
    expect(printable((await lattice.run(CacheVerify)).stdout.replaceAll('\t', ''))).toBe(true)
  })
})

describe('hostile words', () => {
  test('are refused with a sentence by every kind, or lead to a record that is read back', async () => {
    const lattice = await server.lattice()
    const cache = await LatticeCache.open(nc, {lattice: lattice.name})
    const kind = fc.constantFrom<RecordKind>('claims', 'link', 'ref', 'component', 'config', 'route', 'key')
    const fields = fc.dictionary(piece, fc.oneof(piece, fc.jsonValue()), {noNullPrototype: true})
    const cases = fc.sample(
      fc.tuple(
        kind,
        key,
        fc.oneof(
          fields.map((record) => utf8(JSON.stringify(record))),
          value,
        ),
      ),
      {
        numRuns: 1500,
        seed: 7,
      },
    )
    let written = 0
    await eachOf(cases, async ([of, name, bytes]) => {
      const change = await cache.put(of, name, bytes).catch(expectSentence)
      if (change === undefined) return
      const entry = await cache.get(of, name)
      expect(entry).not.toHaveProperty('problem')
      written++
    })
    expect(written).toBeGreaterThan(100)
    const listed = await lattice.run(CacheLs)
    expect(printable(listed.stdout.replaceAll('\t', ''))).toBe(true)
  })

  test('given to a command never end in a bug or in what a terminal obeys', async () => {
    const lattice = await server.lattice()
    const words = fc.sample(fc.tuple(fc.constantFrom('claims', 'link', 'ref', 'config', 'key'), key, piece), {
      numRuns: 150,
      seed: 9,
    })
    for (const [of, name, text] of [...words, ...terminal.map((each) => ['key', each, each] as const)]) {
      for (const [command, ...argv] of [
        [CachePut, of, '--', name, text] as const,
        [CacheGet, of, '--', name] as const,
      ]) {
        const {stdout, stderr, exitCode} = await runOn(lattice, command, argv)
        expect([0, 2, 3, 4]).toContain(exitCode)
        expect([name, printable(stdout + stderr)]).toEqual([name, true])
      }
    }
  })
})

describe('records that others wrote', () => {
  test('are all listed, whatever is in them, and said to be malformed', async () => {
    const lattice = await server.lattice()
    const cache = await LatticeCache.open(nc, {lattice: lattice.name})
    const prefix = fc.constantFrom(
      ...[
        `CLAIMS_M${'A'.repeat(55)}`,
        `LINKDEF_${'0'.repeat(64)}`,
        'REFMAP_YQ',
        'COMPONENT_x',
        'x.CLAIMS_y',
        'CLAIMS_',
        'plain',
      ],
    )
    const samples = fc.sample(fc.tuple(prefix, fc.nat(50), value), {numRuns: 1000, seed: 11})
    const keys = new Set<string>()
    await eachOf(samples, async ([start, end, bytes]) => {
      const name = start.startsWith('REFMAP')
        ? `REFMAP_${Buffer.from(`u${end}`).toString('base64url')}`
        : `${start}${end}`
      keys.add(name)
      await lattice.data.put(name, bytes)
    })
    const entries = await cache.list()
    expect(new Set(entries.map((entry) => entry.key))).toEqual(keys)
    const {stdout, exitCode} = await lattice.run(CacheLs)
    expect([exitCode, printable(stdout.replaceAll('\t', ''))]).toEqual([0, true])
    expect((await lattice.run(CacheVerify)).exitCode).toBe(0)
    expect((await lattice.run(CacheExport, '--output', join(server.server.dir, 'malformed.jsonl'))).exitCode).toBe(0)
  })
})
