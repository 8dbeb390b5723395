import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {parseVersion} from '../../../src/lib/entity/version.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {diffLegs, legsOf, mappingDigest, planRoute, sameLegs} from '../../../src/lib/routing/plan.js'
import {legAddress, queueGroup, routeKey, sourceOf, versionOfLeg} from '../../../src/lib/routing/source.js'
import type {Leg} from '../../../src/lib/routing/weights.js'
import {splits, versions} from '../../support/splits.js'

const actor = {kind: 'actor', key: createKey('M').publicKey} as const
const provider = {kind: 'provider', key: createKey('V').publicKey, link: 'front'} as const
const leg = (version: string, weight: number): Leg => ({version: parseVersion(version), weight})

function legs(): fc.Arbitrary<Leg[]> {
  return splits().chain((weights) =>
    fc
      .uniqueArray(versions(), {minLength: weights.length, maxLength: weights.length})
      .map((list) => list.map((version, index) => ({version, weight: weights[index]!}))),
  )
}

describe('subjects', () => {
  test('an actor is called by its key, a version of it one token below', () => {
    expect(sourceOf('default', actor)).toBe(`wasmbus.rpc.default.${actor.key}`)
    expect(legAddress('default', actor, '1.2.0')).toBe(`wasmbus.rpc.default.${actor.key}.MS4yLjA`)
    expect(queueGroup('default', actor)).toBe(`wasmbus.rpc.default.${actor.key}`)
  })

  test('a provider is called by its key and link name', () => {
    expect(sourceOf('default', provider)).toBe(`wasmbus.rpc.default.${provider.key}.front`)
    expect(legAddress('default', provider, '1.2.0')).toBe(`wasmbus.rpc.default.${provider.key}.front.MS4yLjA`)
    expect(queueGroup('default', provider)).toBe('rpc')
  })

  test('a lattice or key that makes another subject is refused', () => {
    expect(() => sourceOf('a.b', actor)).toThrow('makes no subject')
    expect(() => sourceOf('default', {...actor, key: '*'})).toThrow('makes no subject')
    expect(() => sourceOf('default', {...actor, key: ''})).toThrow('makes no subject')
  })

  test('a version survives its leg address', () => {
    fc.assert(
      fc.property(versions(), fc.constantFrom(actor, provider), (version, entity) => {
        expect(versionOfLeg('default', entity, legAddress('default', entity, version))).toBe(version)
      }),
    )
    expect(versionOfLeg('default', actor, sourceOf('default', actor))).toBeUndefined()
    expect(versionOfLeg('other', actor, legAddress('default', actor, '1.0.0'))).toBeUndefined()
  })

  test('a record key tells apart what calls tell apart', () => {
    expect(routeKey(actor)).toBe(`v0.${Buffer.from(actor.key).toString('base64url')}`)
    expect(routeKey(provider)).toBe(`v0.${Buffer.from(`${provider.key}/front`).toString('base64url')}`)
    expect(routeKey({...provider, link: 'back'})).not.toBe(routeKey(provider))
  })
})

describe('plans', () => {
  test('legs survive the mapping, whatever the order, and zeros leave no trace', () => {
    fc.assert(
      fc.property(legs(), fc.constantFrom(actor, provider), (split, entity) => {
        const {destinations} = planRoute('default', entity, split)
        expect(destinations.every(({weight}) => weight > 0)).toBe(true)
        expect(sameLegs(legsOf('default', entity, destinations.toReversed())!, split)).toBe(true)
      }),
    )
  })

  test('what is no whole split over versions of the entity is not taken for one', () => {
    const {destinations, source} = planRoute('default', actor, [leg('1.0.0', 70), leg('2.0.0', 30)])
    expect(legsOf('default', actor, destinations.slice(1))).toBeUndefined()
    expect(legsOf('default', actor, [...destinations, destinations[0]!])).toBeUndefined()
    expect(legsOf('default', actor, [{subject: source, weight: 100}])).toBeUndefined()
    expect(legsOf('default', actor, [{...destinations[0]!, weight: 100, cluster: 'east'}])).toBeUndefined()
    expect(legsOf('default', actor, [])).toBeUndefined()
  })

  test('a split does not differ from itself, and a difference names every version that changes', () => {
    fc.assert(fc.property(legs(), (split) => diffLegs(split, split.toReversed()).length === 0))
    expect(diffLegs([leg('1.0.0', 70), leg('2.0.0', 30)], [leg('2.0.0', 30), leg('10.0.0', 70)])).toEqual([
      {version: '1.0.0', before: 70, after: 0},
      {version: '10.0.0', before: 0, after: 70},
    ])
  })

  test('a digest depends on the shares and not on their order', () => {
    const {destinations, source} = planRoute('default', actor, [leg('1.0.0', 70), leg('2.0.0', 30)])
    expect(mappingDigest(source, destinations)).toBe(mappingDigest(source, destinations.toReversed()))
    expect(mappingDigest(source, destinations)).not.toBe(mappingDigest(source, []))
    expect(mappingDigest(source, destinations)).toMatch(/^sha256:[0-9a-f]{64}$/)
  })
})
