import {expect, test} from 'vitest'

import {growingDelay} from '../../../src/lib/nats/growing-delay.js'

/** Dials at the times that the delays give, for so long and in vain. */
function dials(delay: () => number, clock: {now: number}, forMs: number): number {
  let count = 0
  for (const end = clock.now + forMs; clock.now < end; clock.now += delay()) count += 1
  return count
}

test('a server that stays away is dialled ever less often, and one that was there soon again', () => {
  const clock = {now: 0}
  const delay = growingDelay(
    () => clock.now,
    () => 0,
  )
  expect(dials(delay, clock, 2000)).toBeGreaterThanOrEqual(5)
  expect(dials(delay, clock, 60_000)).toBeLessThan(25)
  expect(delay()).toBe(5000)
  clock.now += 3_600_000
  expect(delay()).toBe(250)
})

test('clients of one server do not come all at once', () => {
  const [early, late] = [0, 0.99].map((chance) =>
    growingDelay(
      () => 0,
      () => chance,
    )(),
  )
  expect(late! - early!).toBeGreaterThan(200)
})
