import fc from 'fast-check'
import {expect, test} from 'vitest'

import {parseVersion} from '../../../src/lib/entity/version.js'
import {
  apportion,
  dropLegs,
  failLegs,
  legsAt,
  placeLegs,
  shiftLegs,
  withoutSinks,
} from '../../../src/lib/routing/shift.js'
import {checkLegs, type Leg} from '../../../src/lib/routing/weights.js'
import {splits, versions} from '../../support/splits.js'

const [one, two, three] = ['1.0.0', '2.0.0', '3.0.0'].map(parseVersion) as [
  ReturnType<typeof parseVersion>,
  ReturnType<typeof parseVersion>,
  ReturnType<typeof parseVersion>,
]

const leg = (version: typeof one, weight: number, more: Partial<Leg> = {}): Leg => ({version, weight, ...more})

/** Whole splits over versions, each once. */
function routes(): fc.Arbitrary<Leg[]> {
  return splits(5).chain((weights) =>
    fc
      .uniqueArray(versions(), {minLength: weights.length, maxLength: weights.length})
      .map((names) => checkLegs(names.map((version, index) => leg(version, weights[index]!)))),
  )
}

const percent = fc.integer({min: 0, max: 100})
const sum = (legs: readonly Leg[]): number => legs.reduce((total, {weight}) => total + weight, 0)

test('parts sum to the total, are within one of their proportion, and none vanishes unless it must', () => {
  const weights = fc.array(fc.integer({min: 1, max: 100}), {minLength: 1, maxLength: 12})
  fc.assert(
    fc.property(percent, weights, (total, list) => {
      const parts = apportion(total, list)
      expect(parts.reduce((all, part) => all + part, 0)).toBe(total)
      if (total >= list.length) expect(Math.min(...parts)).toBeGreaterThan(0)
      const all = list.reduce((a, b) => a + b, 0)
      const exact = list.map((weight) => (weight * total) / all)
      // Where each quota is a unit at least, nobody is bumped, and the largest remainder is all there is.
      if (exact.every((quota) => quota >= 1)) {
        for (const [index, part] of parts.entries()) expect(Math.abs(part - exact[index]!)).toBeLessThan(1)
      }
    }),
  )
})

test('a shift gives the version its share, sums to 100 and lets no leg of the rest vanish unless it must', () => {
  fc.assert(
    fc.property(routes(), versions(), percent, (legs, version, weight) => {
      const rest = legs.filter((one) => one.version !== version)
      fc.pre(rest.length > 0 || weight === 100)
      const shifted = shiftLegs(legs, {version, weight})
      expect(sum(shifted)).toBe(100)
      expect(shifted.find((one) => one.version === version)?.weight ?? 0).toBe(weight)
      if (100 - weight >= rest.length) {
        for (const {version: name} of rest) expect(shifted.some((one) => one.version === name)).toBe(true)
      }
    }),
  )
})

test('the rest keeps its proportions, by largest remainder', () => {
  expect(shiftLegs([leg(one, 100)], leg(two, 10))).toEqual([leg(one, 90), leg(two, 10)])
  expect(shiftLegs([leg(one, 70), leg(two, 30)], leg(three, 10))).toEqual([leg(one, 63), leg(two, 27), leg(three, 10)])
  expect(shiftLegs([leg(one, 90), leg(two, 10)], leg(two, 25))).toEqual([leg(one, 75), leg(two, 25)])
  expect(shiftLegs([leg(one, 99), leg(two, 1)], leg(three, 98))).toEqual([leg(one, 1), leg(two, 1), leg(three, 98)])
  expect(shiftLegs([leg(one, 99), leg(two, 1)], leg(three, 99))).toEqual([leg(one, 1), leg(three, 99)])
  expect(shiftLegs([leg(one, 50), leg(two, 50)], leg(two, 100))).toEqual([leg(two, 100)])
  expect(() => shiftLegs([leg(two, 100)], leg(two, 10))).toThrow('no other version is known to get the rest')
})

test('a drop takes from each leg its share, keeps the sum, and is undone by leaving the sinks out', () => {
  fc.assert(
    fc.property(routes(), percent, (legs, dropped) => {
      const result = dropLegs(legs, dropped)
      expect(sum(result)).toBe(100)
      expect(sum(result.filter(({sink}) => sink))).toBe(dropped)
      expect(withoutSinks(result)).toEqual(legs)
      for (const {version, weight} of legs) {
        const lost = result.find((one) => one.version === version && one.sink)?.weight ?? 0
        expect(Math.abs(lost - (weight * dropped) / 100)).toBeLessThan(1)
      }
      expect(dropLegs(result, dropped)).toEqual(result)
    }),
  )
})

test('a version fails with all of its share, and one without a share cannot', () => {
  const legs = [leg(one, 70), leg(two, 30)]
  expect(failLegs(legs, two)).toEqual([leg(one, 70), leg(two, 30, {sink: true})])
  expect(failLegs(dropLegs(legs, 50), two)).toEqual([leg(one, 70), leg(two, 30, {sink: true})])
  expect(() => failLegs(legs, three)).toThrow('Version 3.0.0 has no traffic that could fail.')
})

test('a cluster has legs of its own until it does as everywhere else', () => {
  const everywhere = [leg(one, 100)]
  const east = placeLegs(everywhere, 'east', [leg(two, 100)])
  expect(east).toEqual([leg(one, 100), leg(two, 100, {cluster: 'east'})])
  expect(legsAt(east, 'east')).toEqual([leg(two, 100)])
  expect(legsAt(east, 'west')).toEqual([leg(one, 100)])
  expect(placeLegs(east, 'east', [leg(one, 100)])).toEqual(everywhere)
  const both = placeLegs(east, 'west', [leg(three, 100)])
  expect(placeLegs(both, 'east', [leg(one, 100)])).toEqual([leg(one, 100), leg(three, 100, {cluster: 'west'})])
})
