import fc from 'fast-check'
import {expect, test} from 'vitest'

import {judgeProbes, planProbes} from '../../../src/lib/observe/probe-plan.js'
import {random} from '../../support/random.js'
import {splits} from '../../support/splits.js'

/** Draws as a server does: what it has to do with `real` shares, in percent; the last one is what is not planned. */
function draw(next: () => number, real: readonly number[], probes: number): number[] {
  const seen = real.map(() => 0)
  for (let probe = 0; probe < probes; probe++) {
    let rest = next() * 100
    let index = 0
    while (index < real.length - 1 && rest >= real[index]!) rest -= real[index++]!
    seen[index]!++
  }
  return seen
}

test('the number of probes follows from the weights', () => {
  const table = [[100], [50, 50], [70, 30], [90, 10], [99, 1], [34, 33, 33], Array.from({length: 20}, () => 5)]
  expect(table.map((shares) => planProbes(shares).probes)).toMatchInlineSnapshot(`
    [
      88,
      1512,
      1384,
      752,
      1056,
      1488,
      576,
    ]
  `)
})

test('whatever the weights, a right table is called right', () => {
  const next = random(1)
  let looks = 0
  let alarms = 0
  fc.assert(
    fc.property(
      splits().map((weights) => weights.filter((weight) => weight > 0)),
      (shares) => {
        const plan = planProbes(shares)
        expect(plan.probes).toBeLessThan(2500)
        for (let time = 0; time < 20; time++) {
          looks++
          if (!judgeProbes(plan, draw(next, shares, plan.probes), 0)) alarms++
        }
      },
    ),
    {numRuns: 100, seed: 3},
  )
  expect(looks).toBe(2000)
  expect(alarms).toBeLessThanOrEqual(2)
})

test('whatever the weights, ten points more or less are noticed', () => {
  const next = random(2)
  let looks = 0
  let missed = 0
  fc.assert(
    fc.property(
      splits(4).map((weights) => weights.filter((weight) => weight > 0)),
      fc.nat(),
      (shares, pick) => {
        const plan = planProbes(shares)
        const from = shares.map((share, index) => (share >= 10 ? index : -1)).filter((index) => index >= 0)
        const source = from[pick % from.length]!
        // Ten points go to another share, or to where none should go.
        const real = [...shares, 0]
        const target = (source + 1 + (pick % shares.length)) % real.length
        real[source]! -= 10
        real[target]! += 10
        for (let time = 0; time < 20; time++) {
          const seen = draw(next, real, plan.probes)
          looks++
          if (judgeProbes(plan, seen.slice(0, -1), seen.at(-1))) missed++
        }
      },
    ),
    {numRuns: 100, seed: 4},
  )
  expect(looks).toBe(2000)
  expect(missed).toBeLessThanOrEqual(2)
})

test('one probe elsewhere, and a share that nobody saw, are a difference', () => {
  const plan = planProbes([99, 1])
  const right = [plan.probes - 10, 10]
  expect(judgeProbes(plan, right, 0)).toBe(true)
  expect(judgeProbes(plan, right, 1)).toBe(false)
  expect(judgeProbes(plan, [plan.probes, 0], 0)).toBe(false)
  expect(judgeProbes(planProbes([100]), [planProbes([100]).probes], 0)).toBe(true)
})
