import fc from 'fast-check'
import {expect, test} from 'vitest'

import {holds, measuredShare} from '../../../src/lib/observe/interval.js'
import {random} from '../../support/random.js'

test('the interval holds the true share in about 95 of 100 measurements', () => {
  const next = random(20_261_121)
  const covered = (share: number, draws: number, times: number): number => {
    let hits = 0
    for (let time = 0; time < times; time++) {
      let seen = 0
      for (let draw = 0; draw < draws; draw++) if (next() * 100 < share) seen++
      if (holds(measuredShare(seen, draws), share)) hits++
    }
    return hits / times
  }
  const cases = [1, 5, 10, 30, 50, 70, 99].flatMap((share) => [200, 1000].map((draws) => covered(share, draws, 2000)))
  for (const part of cases) expect(part).toBeGreaterThan(0.92)
  const mean = cases.reduce((sum, part) => sum + part, 0) / cases.length
  expect(mean).toBeGreaterThan(0.94)
  expect(mean).toBeLessThan(0.97)
})

test('an interval lies in 0 … 100, holds what was measured, and shrinks with more draws', () => {
  fc.assert(
    fc.property(fc.integer({min: 1, max: 100_000}), fc.double({min: 0, max: 1, noNaN: true}), (draws, part) => {
      const hits = Math.floor(part * draws)
      const measured = measuredShare(hits, draws)
      const [low, high] = measured.interval
      expect(low).toBeGreaterThanOrEqual(0)
      expect(high).toBeLessThanOrEqual(100)
      expect(holds(measured, measured.share)).toBe(true)
      const [less, more] = measuredShare(hits * 4, draws * 4).interval
      expect(more - less).toBeLessThanOrEqual(high - low + 0.01)
    }),
  )
})

test('nothing measured tells nothing', () => {
  expect(measuredShare(0, 0)).toEqual({share: 0, interval: [0, 100]})
  expect(measuredShare(20, 20).interval[1]).toBe(100)
  expect(measuredShare(0, 20).interval[0]).toBe(0)
})
