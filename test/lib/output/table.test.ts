import {expect, test} from 'vitest'

import {fields} from '../../../src/lib/output/fields.js'
import {table} from '../../../src/lib/output/table.js'
import {formatAge, formatDuration} from '../../../src/lib/output/time.js'

const rows = [
  ['echo', '1.0.0'],
  ['a-longer-name', ''],
]

test('a person gets headings and aligned columns, without blanks at the end of a line', () => {
  expect(table(['NAME', 'VERSION'], rows, {terminal: true})).toBe(
    'NAME           VERSION\necho           1.0.0\na-longer-name',
  )
})

test('a pipe gets whole values between tabs, and no headings', () => {
  expect(table(['NAME', 'VERSION'], rows, {terminal: false})).toBe('echo\t1.0.0\na-longer-name\t')
})

test('there may be as many lines as there are records', () => {
  const many = Array.from({length: 200_000}, (_, index) => [String(index), 'x'])
  expect(table(['N', 'V'], many, {terminal: true}).length).toBeGreaterThan(1_600_000)
})

test('a tab or a line break in a value does not make a column or a line', () => {
  const lines = table(['NAME'], [['one\ttwo\nthree']], {terminal: false})
  expect(lines).toBe('one\\u{9}two\\u{a}three')
  expect(fields([['name', 'one\ntwo']])).toBe('name  one\\u{a}two')
})

test('fields leave out what is not known and align the rest', () => {
  expect(
    fields([
      ['id', 'N'],
      ['call alias', undefined],
      ['name', 'echo'],
    ]),
  ).toBe('id    N\nname  echo')
  expect(fields([])).toBe('')
})

test.each([
  [0, '0 ms'],
  [999, '999 ms'],
  [1000, '1 s'],
  [59_999, '59 s'],
  [60_000, '1 m'],
  [3_600_000, '1 h'],
  [200_000_000, '2 d'],
])('%i ms is %j', (ms, wanted) => {
  expect(formatDuration(ms)).toBe(wanted)
})

test('what lies in the future by a clock that runs ahead is now', () => {
  expect(formatAge(new Date(2000), new Date(1000))).toBe('0 ms ago')
})
