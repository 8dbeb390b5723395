import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {
  compareTables,
  decodeCumulative,
  decodeTable,
  predictTable,
  sameShares,
  type CumulativeTable,
  type TokenMappings,
} from '../../../src/lib/routing/effective.js'
import type {Destination} from '../../../src/lib/routing/plan.js'
import {splits} from '../../support/splits.js'

/** What ACCOUNTZ of a 2.15.2 server shows for what was pushed. */
const observed: readonly (readonly [TokenMappings, CumulativeTable])[] = [
  [
    {
      'orders.get': [
        {subject: 'v1.orders.get', weight: 90},
        {subject: 'v2.orders.get', weight: 10},
      ],
    },
    {
      'orders.get': [
        {subject: 'v2.orders.get', weight: 10},
        {subject: 'v1.orders.get', weight: 100},
      ],
    },
  ],
  [
    {
      x: [
        {subject: 'y', weight: 70},
        {subject: 'z', weight: 20},
      ],
    },
    {
      x: [
        {subject: 'x', weight: 10},
        {subject: 'z', weight: 30},
        {subject: 'y', weight: 100},
      ],
    },
  ],
  [
    {'cl.x': [{subject: 'v1.cl', weight: 30, cluster: 'east'}]},
    {
      'cl.x': [
        {subject: 'cl.x', weight: 100},
        {subject: 'v1.cl', weight: 30, cluster: 'east'},
        {subject: 'cl.x', weight: 100, cluster: 'east'},
      ],
    },
  ],
  [
    {
      'cl.y': [
        {subject: 'a', weight: 60},
        {subject: 'b', weight: 60, cluster: 'east'},
        {subject: 'c', weight: 40, cluster: 'east'},
      ],
    },
    {
      'cl.y': [
        {subject: 'cl.y', weight: 40},
        {subject: 'a', weight: 100},
        {subject: 'c', weight: 40, cluster: 'east'},
        {subject: 'b', weight: 100, cluster: 'east'},
      ],
    },
  ],
  [
    {
      'L.id.>': [
        {subject: 'L.id-v1.>', weight: 60},
        {subject: 'L.id-v2.>', weight: 40},
      ],
    },
    {
      'L.id.>': [
        {subject: 'L.id-v2.>', weight: 40},
        {subject: 'L.id-v1.>', weight: 100},
      ],
    },
  ],
  [
    {'*.id.>': [{subject: '$1.id-v1.>', weight: 60}]},
    {
      '*.id.>': [
        {subject: '$1.id.>', weight: 40},
        {subject: '$1.id-v1.>', weight: 100},
      ],
    },
  ],
  [{x: []}, {x: [{subject: 'x', weight: 100}]}],
  [{x: [{subject: 'y'}]}, {x: [{subject: 'y', weight: 100}]}],
  [{x: [{subject: 'y', weight: 0}]}, {x: [{subject: 'y', weight: 100}]}],
  [
    {
      x: [
        {subject: 'x', weight: 40},
        {subject: 'y', weight: 20},
      ],
    },
    {
      x: [
        {subject: 'y', weight: 20},
        {subject: 'x', weight: 60},
      ],
    },
  ],
  [
    {
      'a.*': [
        {subject: 'b.$1', weight: 60},
        {subject: 'a.$1', weight: 20},
      ],
    },
    {
      'a.*': [
        {subject: 'a.$1', weight: 20},
        {subject: 'a.$1', weight: 40},
        {subject: 'b.$1', weight: 100},
      ],
    },
  ],
]

describe('effective tables', () => {
  test.each(observed)('%j is what servers make of it', (asked, shown) => {
    expect(compareTables(predictTable(asked), decodeTable(shown))).toEqual([])
  })

  test('cumulative weights decode in each cluster by itself', () => {
    expect(decodeCumulative(observed[3]![1]['cl.y']!)).toEqual([
      {subject: 'cl.y', weight: 40},
      {subject: 'a', weight: 60},
      {subject: 'c', weight: 40, cluster: 'east'},
      {subject: 'b', weight: 60, cluster: 'east'},
    ])
  })

  test('a share that is dropped stays missing', () => {
    expect(
      decodeCumulative([
        {subject: 'y', weight: 20},
        {subject: 'x', weight: 60},
      ]),
    ).toEqual([
      {subject: 'y', weight: 20},
      {subject: 'x', weight: 40},
    ])
  })

  test('what a JetStream domain maps by itself is nobody’s route', () => {
    const names = ['INFO', 'STREAM.>', 'CONSUMER.>', 'DIRECT.>', 'META.>', 'SERVER.>', 'ACCOUNT.>', '$KV.>', '$OBJ.>']
    const builtIn = Object.fromEntries(
      names.map((name) => [`$JS.hub.API.${name}`, [{subject: `$JS.API.${name}`, weight: 100}]]),
    )
    expect(decodeTable({...builtIn, x: [{subject: 'y', weight: 100}]}).size).toBe(1)
    expect(decodeTable({'$JS.hub.API.OTHER': [{subject: 'y', weight: 100}]}).size).toBe(1)
  })

  test('differences are named by source, whichever side has it', () => {
    const asked = predictTable({a: [{subject: 'b'}], c: [{subject: 'd'}], same: [{subject: 's'}]})
    const effective = predictTable({a: [{subject: 'e'}], f: [{subject: 'g'}], same: [{subject: 's'}]})
    expect(compareTables(asked, effective)).toEqual([
      {source: 'a', asked: [{subject: 'b', weight: 100}], effective: [{subject: 'e', weight: 100}]},
      {source: 'c', asked: [{subject: 'd', weight: 100}]},
      {source: 'f', effective: [{subject: 'g', weight: 100}]},
    ])
  })

  test('any whole split survives the server’s form: sorted by weight, summed up', () => {
    fc.assert(
      fc.property(splits(), (weights) => {
        const asked = weights.map((weight, index) => ({subject: `v${index}`, weight})).filter(({weight}) => weight > 0)
        expect(sameShares(decodeCumulative(cumulative(asked)), asked)).toBe(true)
        expect(compareTables(predictTable({x: asked}), decodeTable({x: cumulative(asked)}))).toEqual([])
      }),
    )
  })
})

function cumulative(list: readonly Destination[]): Destination[] {
  let reached = 0
  return list
    .toSorted((a, b) => a.weight - b.weight)
    .map(({subject, weight}) => ({subject, weight: (reached += weight)}))
}
