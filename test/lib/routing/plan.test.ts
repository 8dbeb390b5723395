import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {parseVersion} from '../../../src/lib/entity/version.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {predictTable} from '../../../src/lib/routing/effective.js'
import {endpointsOf, sinkOf, type Routed} from '../../../src/lib/routing/endpoint.js'
import {
  diffLegs,
  legsOf,
  mappingDigest,
  planRoute,
  sameLegs,
  type Destination,
  type MappingPlan,
} from '../../../src/lib/routing/plan.js'
import {legAddress, queueGroup, routeKey, sourceOf} from '../../../src/lib/routing/source.js'
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
        const [endpoint] = endpointsOf('default', entity)
        const address = legAddress('default', entity, version)
        expect(endpoint!.addressOf(version)).toBe(address)
        expect(endpoint!.versionOf(address)).toEqual({version, sink: false})
        expect(endpoint!.versionOf(sinkOf(address)!)).toEqual({version, sink: true})
      }),
    )
    const versionOf = (lattice: string, subject: string): unknown => endpointsOf(lattice, actor)[0]!.versionOf(subject)
    expect(versionOf('default', sourceOf('default', actor))).toBeUndefined()
    expect(versionOf('other', legAddress('default', actor, '1.0.0'))).toBeUndefined()
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
        const [{source, destinations}] = planRoute('default', entity, split) as [MappingPlan]
        expect(destinations.every(({weight}) => weight > 0)).toBe(true)
        expect(sameLegs(legsOf('default', entity, [{source, destinations: destinations.toReversed()}])!, split)).toBe(
          true,
        )
      }),
    )
  })

  test('what is no whole split over versions of the entity is not taken for one', () => {
    const [{destinations, source}] = planRoute('default', actor, [leg('1.0.0', 70), leg('2.0.0', 30)]) as [MappingPlan]
    const read = (list: readonly Destination[]): unknown => legsOf('default', actor, [{source, destinations: list}])
    expect(read(destinations.slice(1))).toBeUndefined()
    expect(read([...destinations, destinations[0]!])).toBeUndefined()
    expect(read([{subject: source, weight: 100}])).toBeUndefined()
    expect(read([{...destinations[0]!, weight: 100, cluster: 'east'}])).toBeUndefined()
    expect(read([])).toBeUndefined()
  })

  test('a split does not differ from itself, and a difference names every version that changes', () => {
    fc.assert(fc.property(legs(), (split) => diffLegs(split, split.toReversed()).length === 0))
    expect(diffLegs([leg('1.0.0', 70), leg('2.0.0', 30)], [leg('2.0.0', 30), leg('10.0.0', 70)])).toEqual([
      {version: '1.0.0', before: 70, after: 0},
      {version: '10.0.0', before: 0, after: 70},
    ])
  })

  test('a digest depends on the shares and not on their order', () => {
    const [{destinations, source}] = planRoute('default', actor, [leg('1.0.0', 70), leg('2.0.0', 30)]) as [MappingPlan]
    const digest = (list: readonly Destination[]): string => mappingDigest([{source, destinations: list}])
    expect(digest(destinations)).toBe(digest(destinations.toReversed()))
    expect(digest(destinations)).not.toBe(digest([]))
    expect(digest(destinations)).toMatch(/^sha256:[0-9a-f]{64}$/)
  })
})

describe('listed endpoints', () => {
  const orders: Routed = {
    kind: 'subject',
    key: 'orders.*',
    endpoints: [{source: 'orders.*', addresses: {'1.0.0': 'orders.*', '2.0.0': 'orders.v2.$1'}}],
  }

  test('an incumbent is the source itself, its wildcards written as destinations have them', () => {
    expect(planRoute('default', orders, [leg('1.0.0', 90), leg('2.0.0', 10)])).toEqual([
      {
        source: 'orders.*',
        destinations: [
          {subject: 'orders.$1', weight: 90},
          {subject: 'orders.v2.$1', weight: 10},
        ],
      },
    ])
  })

  test('legs of clusters leave the source unnamed, because a destination may stand there once', () => {
    const regional = [leg('1.0.0', 100), {...leg('1.0.0', 90), cluster: 'east'}, {...leg('2.0.0', 10), cluster: 'east'}]
    const plans = planRoute('default', orders, regional)
    expect(plans[0]!.destinations).toEqual([{subject: 'orders.v2.$1', weight: 10, cluster: 'east'}])
    const table = predictTable(Object.fromEntries(plans.map(({source, destinations}) => [source, destinations])))
    const present = [{source: 'orders.*', destinations: table.get('orders.*')}]
    expect(sameLegs(legsOf('default', orders, present)!, regional)).toBe(true)
    expect(mappingDigest(present)).toBe(mappingDigest(plans))
  })

  test('what is dropped goes beside the address, and is read back as dropped', () => {
    const dropping = [leg('1.0.0', 90), {...leg('2.0.0', 10), sink: true as const}]
    const plans = planRoute('default', orders, dropping)
    expect(plans[0]!.destinations[1]).toEqual({subject: 'orders.v2-lattice-drop.$1', weight: 10})
    expect(legsOf('default', orders, plans)).toEqual(dropping)
    expect(sinkOf('$1.$2')).toBeUndefined()
    expect(sinkOf('lat.echo-1_0_0.>')).toBe('lat.echo-1_0_0-lattice-drop.>')
  })

  test('a version without an address is refused by name', () => {
    expect(() => planRoute('default', orders, [leg('3.0.0', 100)])).toThrow(
      `Version "3.0.0" of 'orders.*' has no subject`,
    )
  })

  test('endpoints that are split differently are no split', () => {
    const two: Routed = {
      kind: 'service',
      key: 'orders',
      endpoints: [
        {source: 'orders.get', addresses: {'1.0.0': 'orders.v1.get', '2.0.0': 'orders.v2.get'}},
        {source: 'orders.put', addresses: {'1.0.0': 'orders.v1.put', '2.0.0': 'orders.v2.put'}},
      ],
    }
    const [get, put] = planRoute('default', two, [leg('1.0.0', 50), leg('2.0.0', 50)]) as [MappingPlan, MappingPlan]
    expect(legsOf('default', two, [put, get])).toEqual([leg('1.0.0', 50), leg('2.0.0', 50)])
    const [other] = planRoute('default', two, [leg('1.0.0', 40), leg('2.0.0', 60)]) as [MappingPlan, MappingPlan]
    expect(legsOf('default', two, [other, put])).toBeUndefined()
    expect(legsOf('default', two, [get])).toBeUndefined()
  })
})
