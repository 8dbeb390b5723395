import {readFileSync} from 'node:fs'

import fc from 'fast-check'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheGet from '../../src/commands/cache/get.js'
import CacheLs from '../../src/commands/cache/ls.js'
import CachePut from '../../src/commands/cache/put.js'
import {composeRecord} from '../../src/lib/cache/compose.js'
import type {CacheEntry} from '../../src/lib/cache/entry.js'
import {placeOf} from '../../src/lib/cache/key.js'
import {UsageError} from '../../src/lib/errors.js'
import {createKey} from '../../src/lib/keys/nkey.js'
import {linkHash} from '../../src/lib/records/link-hash.js'
import type {RecordAddress} from '../../src/lib/records/registry.js'
import {startCacheServer, type CacheServer} from '../support/cache-lattice.js'
import {hostFamilies, type HostRead} from '../support/host-readers.js'

type Family = keyof typeof hostFamilies

/** A record as a host wrote it, and what is to be read from it. */
interface Sample {
  readonly bucket: 'LATTICEDATA' | 'CONFIGDATA'
  readonly key: string
  readonly bytes: Buffer
  readonly read: Partial<CacheEntry>
}

/** Samples of what each family writes, and which families read all of it. */
const samples: Readonly<Record<string, readonly Family[]>> = {
  otp: ['otp', 'rust80', 'rust82'],
  'otp-null': ['otp'],
  rust: ['rust82'],
  v1: ['v1'],
}

function readSamples(name: string): Sample[] {
  const lines = readFileSync(new URL(`records/${name}.jsonl`, import.meta.url), 'utf8').trimEnd().split('\n')
  return lines.map((line) => {
    const {value, base64, ...sample} = JSON.parse(line) as Sample & {value?: string; base64?: string}
    return {...sample, bytes: value === undefined ? Buffer.from(base64!, 'base64') : Buffer.from(value)}
  })
}

function readBy(family: Family, {bucket, key}: {bucket: string; key: string}, value: Uint8Array): HostRead {
  return hostFamilies[family]({subject: `$KV.${bucket}.${key}`, value})
}

let cache: CacheServer
beforeAll(async () => {
  cache = await startCacheServer()
})
afterAll(() => cache[Symbol.asyncDispose]())

describe.each(Object.keys(samples))('what hosts of the family %s write', (name) => {
  test('is read without loss', async () => {
    const lattice = await cache.lattice()
    for (const {bucket, key, bytes} of readSamples(name)) {
      await (bucket === 'LATTICEDATA' ? lattice.data : lattice.bucket(bucket)).put(key, bytes)
    }
    const {records} = (await lattice.run(CacheLs, '--json')).json() as {records: CacheEntry[]}
    expect(records).toHaveLength(readSamples(name).length)
    for (const {bucket, key, bytes, read} of readSamples(name)) {
      const entry = records.find((each) => each.key === key && each.bucket === `${bucket}_${lattice.name}`)
      expect(entry).toMatchObject({...read, size: bytes.length})
      expect(entry).not.toHaveProperty('problem')
      const raw = await lattice.run(CacheGet, read.kind!, read.name!, '--raw', '--json')
      const {format, value} = raw.json() as CacheEntry
      expect(format === 'base64' ? Buffer.from(value as string, 'base64') : value).toEqual(
        format === 'base64' ? bytes : (JSON.parse(bytes.toString()) as unknown),
      )
    }
  })

  test('is written again so that every host of that generation reads it', async () => {
    const lattice = await cache.lattice()
    for (const {bucket, key, bytes, read} of readSamples(name)) {
      if (read.kind === 'config' && read.name!.startsWith('M')) continue
      const put = await lattice.run(CachePut, read.kind!, read.name!, bytes.toString(), '--json')
      expect(put).toMatchObject({exitCode: 0, stderr: ''})
      const stored = bucket === 'LATTICEDATA' ? await lattice.data.get(key) : undefined
      if (stored === undefined) continue
      const place = {bucket: `${bucket}_${lattice.name}`, key}
      const families: Family[] =
        read.kind === 'component' ? ['v1'] : read.kind === 'claims' ? ['otp', 'rust80', 'rust82', 'v1'] : ['otp', 'rust82']
      for (const family of families.filter((each) => read.kind !== 'ref' || each === 'otp')) {
        expect([family, readBy(family, place, stored.value)]).toMatchObject([family, {kind: read.kind}])
      }
    }
  })
})

describe('the readers of the hosts', () => {
  test.each(Object.entries(samples))('take what %s hosts write where they know it', (name, families) => {
    for (const {bucket, key, bytes, read} of readSamples(name)) {
      for (const family of families) {
        // References are OTP's alone.
        if (read.kind === 'ref' && family !== 'otp') continue
        expect([family, readBy(family, {bucket: `${bucket}_x`, key}, bytes)]).toMatchObject([family, {kind: read.kind}])
      }
    }
  })

  test('refuse what hosts are known to refuse', () => {
    const [nulls] = readSamples('otp-null')
    const [long] = readSamples('rust')
    const place = {bucket: 'LATTICEDATA_x', key: nulls!.key}
    for (const family of ['rust80', 'rust82', 'v1'] as const) {
      expect(readBy(family, place, nulls!.bytes)).toHaveProperty('refused')
    }
    for (const family of ['otp', 'rust80'] as const) expect(readBy(family, place, long!.bytes)).toHaveProperty('refused')
    const twice = Buffer.from(long!.bytes.toString().replace('{', '{"iss":"A",'))
    for (const family of ['rust82', 'v1'] as const) expect(readBy(family, place, twice)).toHaveProperty('refused')
    for (const [name, number] of [
      ['rev', '3'],
      ['tags', '[]'],
    ] as const) {
      const [claims] = readSamples('otp')
      const bytes = Buffer.from(claims!.bytes.toString().replace(new RegExp(`"${name}":"[^"]*"`), `"${name}":${number}`))
      expect(readBy('rust80', place, bytes)).toHaveProperty('refused')
    }
  })
})

const actor = createKey('M').publicKey
const provider = createKey('V').publicKey
const word = fc.oneof(
  fc.string({unit: 'binary', maxLength: 12}),
  fc.constantFrom('', '__proto__', 'constructor', '\0', '\u001b[2J', '\ud800', '\u2028', 'a,b', '"', '\\ud800'),
)
const field = fc.oneof(word, word, word, fc.array(word, {maxLength: 3}), fc.jsonValue(), fc.constant(null))
const named = (...names: string[]): fc.Arbitrary<Record<string, unknown>> =>
  fc.dictionary(fc.oneof(fc.constantFrom(...names), word), field, {maxKeys: 8, noNullPrototype: true})

describe('whatever a person writes', () => {
  const cases: readonly [kind: string, RecordAddress, fc.Arbitrary<Record<string, unknown>>, readonly Family[]][] = [
    [
      'claims',
      {kind: 'claims', publicKey: actor},
      named('name', 'rev', 'tags', 'caps', 'version', 'iss', 'call_alias', 'subject', 'issuer', 'capabilities'),
      ['otp', 'rust80', 'rust82', 'v1'],
    ],
    [
      'link',
      linkAddress(),
      fc.tuple(named('values', 'id', 'extra'), fc.dictionary(word, word)).map(([more, values]) => ({
        ...more,
        provider_id: provider,
        values,
      })),
      ['otp', 'rust80', 'rust82'],
    ],
    ['ref', {kind: 'ref', url: 'reg.example/echo:1'}, named('oci_url', 'version').map((more) => ({...more, public_key: actor})), ['otp']],
    ['component', {kind: 'component', id: 'orders-1_2_0'}, named('url', 'links', 'extra'), ['v1']],
    ['config', {kind: 'config', name: 'http-8000'}, named('address', 'port'), ['v1']],
  ]

  test.each(cases)('is refused as a %s, or read by every host with all that was in it', (_kind, address, input, families) => {
    let read = 0
    fc.assert(
      fc.property(input, (record) => {
        const bytes = compose(address, record)
        if (bytes === undefined) return
        read++
        for (const [name, text] of textsOf(record)) expect(textAt(bytes, name)).toBe(text)
        const place = placeOf(address, 'x')
        for (const family of families) expect([family, readBy(family, place, bytes)]).toMatchObject([family, {kind: address.kind}])
      }),
      {numRuns: 1000},
    )
    expect(read).toBeGreaterThan(50)
  })
})

/** Names of fields in the universal form, where that is another one. */
const shortNames = new Map([
  ['subject', 'sub'],
  ['issuer', 'iss'],
  ['capabilities', 'caps'],
])

/** The texts of a record, and of the values of a link, by the names under which they are stored. */
function textsOf(record: Readonly<Record<string, unknown>>): (readonly [path: readonly string[], text: string])[] {
  const values = Object.entries((record['values'] ?? {}) as Record<string, unknown>)
  const all: (readonly [readonly string[], unknown])[] = [
    ...values.map(([name, text]) => [['values', name], text] as const),
    ...Object.entries(record).map(([name, text]) => [[shortNames.get(name) ?? name], text] as const),
  ]
  // Of these an empty one is filled in from the key.
  const filled = ['sub', 'oci_url', 'id']
  return all.filter(
    (pair): pair is readonly [readonly string[], string] =>
      typeof pair[1] === 'string' && !(pair[1] === '' && filled.includes(pair[0][0]!)),
  )
}

function textAt(bytes: Uint8Array, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, name) => (Object.hasOwn(value as object, name) ? (value as Record<string, unknown>)[name] : undefined),
    JSON.parse(new TextDecoder().decode(bytes)),
  )
}

function linkAddress(): RecordAddress {
  const identity = {actor_id: actor, contract_id: 'wasmcloud:keyvalue', link_name: 'default'}
  return {kind: 'link', hash: linkHash(identity), identity}
}

/** Undefined for what is refused, which must be a sentence. */
function compose(address: RecordAddress, record: object): Uint8Array | undefined {
  try {
    return composeRecord(address, {value: Buffer.from(JSON.stringify(record)), set: []})
  } catch (error) {
    if (error instanceof UsageError) return undefined
    throw error
  }
}
