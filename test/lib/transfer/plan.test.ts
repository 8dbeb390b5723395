import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {composeRecord} from '../../../src/lib/cache/compose.js'
import {addressAt} from '../../../src/lib/cache/key.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {linkHash} from '../../../src/lib/records/link-hash.js'
import type {RecordKind} from '../../../src/lib/records/registry.js'
import {formatClaims, formatLink, formatRef} from '../../../src/lib/records/universal.js'
import {decide} from '../../../src/lib/transfer/decide.js'
import {isPlainRecord} from '../../../src/lib/transfer/plain-record.js'
import {Planner} from '../../../src/lib/transfer/plan.js'
import {RevisionSet} from '../../../src/lib/transfer/revision-set.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const [actor, provider] = [createKey('M').publicKey, createKey('V').publicKey]
const texts = fc.string({unit: 'grapheme', maxLength: 12})
const names = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/)

const records: fc.Arbitrary<{kind: RecordKind; key: string; text: string}> = fc.oneof(
  fc.tuple(texts, fc.option(texts, {nil: undefined})).map(([url, version]) => ({
    kind: 'ref' as const,
    key: `REFMAP_${Buffer.from(`x${url}`).toString('base64url')}`,
    text: formatRef({oci_url: `x${url}`, public_key: actor, version}),
  })),
  fc.dictionary(fc.constantFrom('name', 'caps', 'version', 'call_alias'), texts).map((fields) => ({
    kind: 'claims' as const,
    key: `CLAIMS_${actor}`,
    text: formatClaims({...fields, sub: actor}),
  })),
  fc.tuple(names, names, fc.dictionary(texts, texts)).map(([contract_id, link_name, values]) => ({
    kind: 'link' as const,
    key: `LINKDEF_${linkHash({actor_id: actor, contract_id, link_name})}`,
    text: formatLink({actor_id: actor, provider_id: provider, contract_id, link_name, values}),
  })),
)

/** What somebody else may have written: other fields, another order, white space, other types. */
const spoilt = fc.tuple(records, fc.nat(8)).map(([{kind, key, text}, how]) => {
  const record = JSON.parse(text) as Record<string, unknown>
  const entries = Object.entries(record)
  const changed = [
    () => JSON.stringify(record, undefined, 1),
    () => JSON.stringify(Object.fromEntries(entries.toReversed())),
    () => JSON.stringify({...record, more: 'field'}),
    () => JSON.stringify({...record, [entries[0]![0]]: 7}),
    () => JSON.stringify(Object.fromEntries(entries.slice(1))),
    () => JSON.stringify({...record, sub: provider, oci_url: 'other', id: 'A'}),
    () => `${text} `,
    () => text.replace('"', '"\\u0041'),
    () => text.slice(1),
  ]
  return {kind, key, text: changed[how]!()}
})

describe('a record of an import', () => {
  test('that is taken as it is, is what composing it would give', () => {
    let plain = 0
    fc.assert(
      fc.property(fc.oneof({weight: 3, arbitrary: records}, spoilt), ({kind, key, text}) => {
        if (!isPlainRecord(kind, key, bytes(text))) return
        plain++
        const address = addressAt({bucket: 'LATTICEDATA_x', key}, 'x')
        expect(address.kind).toBe(kind)
        expect(Buffer.from(composeRecord(address, {value: bytes(text), set: []})).toString()).toBe(text)
      }),
      {numRuns: 1000},
    )
    expect(plain).toBeGreaterThan(300)
  })

  test('goes into the bucket of this lattice that stands for the one it comes from', () => {
    const planner = new Planner('here', {validate: true, maxPayload: 1 << 20})
    planner.comesFrom('there')
    const bucketOf = (bucket: string | undefined): string | undefined => {
      const plan = planner.plan({
        line: 1,
        kind: 'key',
        key: 'k',
        bytes: bytes('1'),
        ...(bucket === undefined ? {} : {bucket}),
      })
      return plan.type === 'write' ? plan.planned.bucket : plan.type
    }
    expect(bucketOf(undefined)).toBe('LATTICEDATA_here')
    expect(bucketOf('LATTICEVERSIONS_there')).toBe('LATTICEVERSIONS_here')
    expect(bucketOf('mine')).toBe('mine')
    expect(bucketOf('LATTICEROUTES_there')).toBe('leave')
    expect(bucketOf('LATTICEACCOUNT')).toBe('leave')
    expect(bucketOf('CONFIGDATA_there')).toBe('refuse')
  })
})

describe('what is done about a key that is there', () => {
  const planned = {
    line: 1,
    kind: 'key',
    bucket: 'LATTICEDATA_x',
    key: 'k',
    value: bytes('{"a":1}'),
    tries: 0,
    sent: 0,
  } as const
  const there = (value: string, operation: 'PUT' | 'DEL' = 'PUT') =>
    ({key: 'k', operation, value: bytes(value), revision: 7, created: ''}) as const
  const yes = (): boolean => true
  const no = (): boolean => false
  const base = {lattice: 'x', validate: true, foreign: no, own: no}

  test.each([
    ['create', there('2'), {}, {type: 'keep'}],
    ['create', there('{"a":1}'), {}, {type: 'same'}],
    ['create', there('', 'DEL'), {}, {type: 'write', expected: 7, replaces: false}],
    ['create', undefined, {}, {type: 'write', expected: 0, replaces: false}],
    ['create', there('2'), {own: yes}, {type: 'write', expected: 7, replaces: true}],
    ['create', there('2'), {foreign: yes}, {type: 'conflict'}],
    ['replace', there('2'), {}, {type: 'write', expected: 7, replaces: true}],
    ['replace', there('2'), {foreign: yes}, {type: 'conflict'}],
    ['replace', there('', 'DEL'), {foreign: yes}, {type: 'conflict'}],
    ['replace', there('{"a":1}'), {foreign: yes}, {type: 'same'}],
    ['merge', there('{"a":1,"b":2}'), {}, {type: 'same'}],
    ['merge', there('{"b":2}'), {}, {type: 'write', expected: 7, replaces: true, value: bytes('{"b":2,"a":1}')}],
    ['merge', there('{"__proto__":1}'), {}, {type: 'write', value: bytes('{"__proto__":1,"a":1}')}],
    ['merge', there('text'), {}, {type: 'write', value: bytes('{"a":1}')}],
    ['merge', there('{"b":2}'), {foreign: yes}, {type: 'conflict'}],
  ] as const)('%s over %j with %j: %j', (mode, present, more, decision) => {
    expect(decide(planned, {...base, mode, present, ...more})).toMatchObject(decision)
  })

  test('a record whose merged form fits no kind is refused', () => {
    const ref = {...planned, kind: 'config', bucket: 'CONFIGDATA_x', value: bytes('{"a":"1"}')} as const
    const decision = decide(ref, {...base, mode: 'merge', present: there('{"b":7}')})
    expect(decision).toEqual({type: 'refuse', reason: expect.stringContaining("'b'") as string})
  })
})

test('a set of revisions holds what was added and nothing else', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({min: 1, max: 60})), (revisions) => {
      const set = new RevisionSet()
      for (const revision of revisions) set.add(revision)
      for (let revision = 0; revision <= 62; revision++) expect(set.has(revision)).toBe(revisions.includes(revision))
    }),
  )
})
