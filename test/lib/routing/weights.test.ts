import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import type {Version} from '../../../src/lib/entity/version.js'
import {UsageError} from '../../../src/lib/errors.js'
import {checkLegs, parseSplit, parseWeights} from '../../../src/lib/routing/weights.js'
import {splits} from '../../support/splits.js'

describe('weights', () => {
  test.each([
    ['70/30', [70, 30]],
    ['100', [100]],
    ['0/100', [0, 100]],
    ['34/33/33', [34, 33, 33]],
  ])('%s is a split', (text, weights) => {
    expect(parseWeights(text)).toEqual(weights)
  })

  test.each([
    ['70/40', 'The weights 70/40 sum to 110, not to 100.'],
    ['70', 'The weights 70 sum to 70, not to 100.'],
    ['12.5/87.5', 'The weight 12.5 is not a whole percent, and NATS splits traffic by whole percents only.'],
    ['101/0', 'The weight 101 is not between 0 and 100.'],
    ['-1/101', '"-1" is not a weight.'],
    ['70/', '"" is not a weight.'],
    ['a/b', '"a" is not a weight.'],
    ['1e2/0', '"1e2" is not a weight.'],
    ['7０/30', '"7０" is not a weight.'],
  ])('%s is refused in one sentence', (text, sentence) => {
    expect(() => parseWeights(text)).toThrow(expect.objectContaining({kind: 'usage', message: sentence}) as Error)
  })

  test('whatever sums to 100 parses, and nothing else does', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({min: 0, max: 100}), {minLength: 1, maxLength: 6}), (weights) => {
        const sum = weights.reduce((total, weight) => total + weight, 0)
        if (sum === 100) expect(parseWeights(weights.join('/'))).toEqual(weights)
        else expect(() => parseWeights(weights.join('/'))).toThrow(UsageError)
      }),
    )
    fc.assert(fc.property(splits(), (weights) => parseWeights(weights.join('/')).join() === weights.join()))
  })
})

describe('legs', () => {
  test('name an entity, versions and weights, in any order', () => {
    expect(parseSplit(['echo@2.0.0=30', 'echo@1.0.0=70'])).toEqual({
      kind: 'legs',
      entity: {name: 'echo'},
      legs: [
        {version: '1.0.0', weight: 70},
        {version: '2.0.0', weight: 30},
      ],
    })
  })

  test('of a provider may name its link', () => {
    expect(parseSplit(['http/front@1.0.0=100'])).toMatchObject({entity: {name: 'http', link: 'front'}})
  })

  test('of weight 0 are no legs', () => {
    expect(parseSplit(['echo@1.0.0=100', 'echo@2.0.0=0'])).toMatchObject({legs: [{version: '1.0.0', weight: 100}]})
  })

  test.each([
    [['echo@1.0.0=70', 'ping@2.0.0=30'], 'A split is of one entity, and "echo" and "ping" are two.'],
    [['echo@1.0.0=70', 'echo@1.0.0=30'], 'Version "1.0.0" stands in the split more than once.'],
    [['echo=70', 'echo@2.0.0=30'], 'The leg "echo=70" names no version.'],
    [['echo@1.0.0=70', '30'], '"30" is not a leg.'],
    [['70/30', 'echo@1.0.0=70'], '"70/30" is not a leg.'],
    [['echo@1.0.0=70', 'echo@2.0.0=40'], 'The weights 70/40 sum to 110, not to 100.'],
    [['echo@1.0.0='], '"" is not a weight.'],
    [[], 'A split needs weights.'],
  ])('%j are refused', (words, sentence) => {
    expect(() => parseSplit(words)).toThrow(expect.objectContaining({kind: 'usage', message: sentence}) as Error)
  })

  test('whole splits survive, sorted and without zeros', () => {
    fc.assert(
      fc.property(splits(), (weights) => {
        const legs = weights.map((weight, index) => ({version: `1.${index}.0` as Version, weight}))
        const checked = checkLegs(legs.toReversed())
        expect(checked).toEqual(legs.filter(({weight}) => weight > 0))
      }),
    )
  })
})
