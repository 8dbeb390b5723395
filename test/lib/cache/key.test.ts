import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {addressAt, addressName, bucketNames, placeOf} from '../../../src/lib/cache/key.js'
import type {Version} from '../../../src/lib/entity/version.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import type {RecordAddress} from '../../../src/lib/records/registry.js'

const lattice = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/)
const publicKey = fc.constantFrom('M', 'V').map((kind) => createKey(kind).publicKey)
const text = fc.string({unit: 'grapheme', minLength: 1, maxLength: 60}).filter((value) => value.isWellFormed())
const version = text.filter((value) => value.length <= 128 && !/\s|\p{Cc}|\u2028|\u2029/u.test(value))
const address: fc.Arbitrary<RecordAddress> = fc.oneof(
  publicKey.map((key): RecordAddress => ({kind: 'claims', publicKey: key})),
  fc
    .tuple(publicKey, version)
    .map(([key, of]): RecordAddress => ({kind: 'claims', publicKey: key, version: of as Version})),
  fc.stringMatching(/^[0-9A-F]{64}$/).map((hash): RecordAddress => ({kind: 'link', hash})),
  text.map((url): RecordAddress => ({kind: 'ref', url})),
  fc.stringMatching(/^[A-Za-z0-9_-]{1,30}$/).map((id): RecordAddress => ({kind: 'component', id})),
  fc.stringMatching(/^[A-Za-z0-9_-]{1,30}$/).map((name): RecordAddress => ({kind: 'config', name})),
  fc
    .tuple(fc.constantFrom('v0', 'v1', 'svc', 'subj'), text)
    .map(([kind, id]): RecordAddress => ({kind: 'route', key: `${kind}.${Buffer.from(id).toString('base64url')}`})),
)

describe('record keys', () => {
  test('of every address lead back to it', () => {
    fc.assert(
      fc.property(lattice, address, (name, value) => {
        expect(addressAt(placeOf(value, name), name)).toEqual(value)
      }),
    )
  })

  test('of every key in a bucket lead back to the key', () => {
    const key = fc.oneof(
      fc.stringMatching(/^[-/_=A-Za-z0-9]{1,40}$/),
      fc.stringMatching(/^(CLAIMS|LINKDEF|REFMAP|COMPONENT)_[-_A-Za-z0-9]{0,70}$/),
      fc.stringMatching(/^[A-Z2-7]{56}\.[-_A-Za-z0-9]{1,20}$/),
    )
    fc.assert(
      fc.property(lattice, fc.constantFrom('data', 'versions', 'config', 'routes'), key, (name, which, stored) => {
        const place = {bucket: bucketNames(name)[which], key: stored}
        expect(placeOf(addressAt(place, name), name)).toEqual(place)
      }),
      {numRuns: 2000},
    )
  })

  test('are the ones of the protocol reference', () => {
    const actor = 'MAIJUKJUS4RWH3KQPKDEFXSN35TS3SV5ENKAKLKV6K2FCRRZF6PMARO2'
    const version = '1.2.0+build.5' as Version
    expect(placeOf({kind: 'ref', url: 'wasmcloud.azurecr.io/echo:0.3.4'}, 'default')).toEqual({
      bucket: 'LATTICEDATA_default',
      key: 'REFMAP_d2FzbWNsb3VkLmF6dXJlY3IuaW8vZWNobzowLjMuNA',
    })
    expect(placeOf({kind: 'claims', publicKey: actor, version}, 'x')).toEqual({
      bucket: 'LATTICEVERSIONS_x',
      key: `${actor}.MS4yLjArYnVpbGQuNQ`,
    })
    expect(placeOf({kind: 'component', id: 'orders-1_2_0'}, 'x')).toEqual({
      bucket: 'LATTICEDATA_x',
      key: 'COMPONENT_orders-1_2_0',
    })
    expect(placeOf({kind: 'config', name: 'http-8000'}, 'x')).toEqual({bucket: 'CONFIGDATA_x', key: 'http-8000'})
    expect(addressName({kind: 'claims', publicKey: actor, version})).toBe(`${actor}@1.2.0+build.5`)
  })

  test.each([
    'REFMAP_',
    'REFMAP_a=',
    'REFMAP_gA',
    'CLAIMS_M',
    'LINKDEF_abc',
    'Claims_x',
    'COMPONENT_',
    'component_x',
    'x.CLAIMS_y',
    'REFMAP_d2Fz.x',
  ])('that no host writes are raw keys: %s', (key) => {
    expect(addressAt({bucket: 'LATTICEDATA_default', key}, 'default')).toEqual({kind: 'key', key})
  })
})
