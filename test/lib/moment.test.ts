import {describe, expect, test} from 'vitest'

import {momentMs, parseMoment} from '../../src/lib/moment.js'

const now = Date.parse('2026-02-04T12:00:00Z')

describe('a moment', () => {
  test.each([
    ['90s', '2026-02-04T11:58:30.000Z'],
    ['2h30m', '2026-02-04T09:30:00.000Z'],
    ['1.5h', '2026-02-04T10:30:00.000Z'],
    ['7d', '2026-01-28T12:00:00.000Z'],
    ['2w', '2026-01-21T12:00:00.000Z'],
    ['2026-02-03', '2026-02-03T00:00:00.000Z'],
    ['2026-02-03T10:00:00+01:00', '2026-02-03T09:00:00.000Z'],
    ['2026-02-03T10:00:00.250Z', '2026-02-03T10:00:00.250Z'],
  ])('%s is %s', (text, time) => {
    expect(new Date(momentMs(parseMoment(text), now)).toISOString()).toBe(time)
  })

  test.each(['', '5', 'yesterday', '-5s', '5 s', '2026', '2026-13-01', '2026-02-03T25:00:00Z', '1h2'])(
    'is not %j',
    (text) => {
      expect(() => parseMoment(text)).toThrow('is neither a length of time nor a date or time')
    },
  )
})
