import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {formatLossless, parseLossless} from '../../../src/lib/keys/token.js'
import {diffValues, equalValues} from '../../../src/lib/records/diff.js'
import {mergeValues} from '../../../src/lib/records/merge.js'

/** Small values of few names, so that two of them have something in common, and numbers that no double holds. */
const {value: json} = fc.letrec<{value: unknown}>((tie) => ({
  value: fc.oneof(
    {maxDepth: 3},
    fc.constantFrom('0', '1', '12345678901234567890', '12345678901234567891', '"a"', 'null').map(parseLossless),
    fc.array(tie('value'), {maxLength: 3}),
    fc
      .uniqueArray(fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor'))
      .chain((names) => fc.tuple(...names.map((name) => tie('value').map((value) => [name, value] as const))))
      .map((fields) => Object.fromEntries(fields)),
  ),
}))

describe('merging what two sides made of one value', () => {
  test('takes the side that changed it, and a change that both made once', () => {
    fc.assert(
      fc.property(json, json, (base, changed) => {
        for (const {value, clashes} of [
          mergeValues(base, changed, base),
          mergeValues(base, base, changed),
          mergeValues(base, changed, changed),
        ]) {
          expect(equalValues(value, changed)).toBe(true)
          expect(clashes).toEqual([])
        }
      }),
      {numRuns: 1000},
    )
  })

  test('finds the same clashes from both sides, and without any the same value', () => {
    fc.assert(
      fc.property(json, json, json, (base, mine, theirs) => {
        const [here, there] = [mergeValues(base, mine, theirs), mergeValues(base, theirs, mine)]
        const paths = (clashes: typeof here.clashes) => clashes.map(({path}) => path.join('\n')).sort()
        expect(paths(here.clashes)).toEqual(paths(there.clashes))
        if (here.clashes.length === 0) expect(equalValues(here.value, there.value)).toBe(true)
      }),
      {numRuns: 1000},
    )
  })

  test('keeps every change where both changed other fields', () => {
    const names = ['a', 'b', '__proto__', 'constructor']
    const field = fc.record({base: fc.option(json), changed: fc.option(json), by: fc.constantFrom('mine', 'theirs')})
    fc.assert(
      fc.property(fc.tuple(field, field, field, field), fc.boolean(), (fields, nested) => {
        const side = (pick: (one: (typeof fields)[number]) => unknown): unknown => {
          const entries = fields.map((one, index) => [names[index]!, pick(one)] as const)
          const record = Object.fromEntries(entries.filter(([, value]) => value !== null))
          return nested ? {inner: record} : record
        }
        const changedBy = (who: string): unknown => side(({base, changed, by}) => (by === who ? changed : base))
        const merged = mergeValues(
          side(({base}) => base),
          changedBy('mine'),
          changedBy('theirs'),
        )
        expect(merged.clashes).toEqual([])
        expect(
          diffValues(
            merged.value,
            side(({changed}) => changed),
          ),
        ).toEqual([])
      }),
      {numRuns: 1000},
    )
  })

  test.each([
    ['{"a":1,"b":1}', '{"a":2,"b":1}', '{"a":1,"b":2}', '{"a":2,"b":2}', []],
    ['{"a":1}', '{"a":2}', '{"a":3}', '{"a":2}', ['a']],
    ['{"a":1}', '{}', '{"a":2}', '{}', ['a']],
    ['{"a":1}', '{"a":1,"n":1}', '{"a":1,"n":1}', '{"a":1,"n":1}', []],
    ['{"v":{"x":1,"y":1}}', '{"v":{"x":2,"y":1}}', '{"v":{"x":1}}', '{"v":{"x":2}}', []],
    ['{"l":[1,2]}', '{"l":[1,2,3]}', '{"l":[0,1,2]}', '{"l":[1,2,3]}', ['l']],
    ['{"l":[1,2]}', '{"l":[1,2]}', '{"l":[0,1,2]}', '{"l":[0,1,2]}', []],
    ['{}', '{"v":{"x":1}}', '{"v":{"y":1}}', '{"v":{"x":1,"y":1}}', []],
    ['1', '2', '3', '2', ['']],
    ['{"n":1.0}', '{"n":1}', '{"n":1.00}', '{"n":1}', ['n']],
  ])('of %s makes %s and %s to %s', (...row) => {
    const [base, mine, theirs, value, places] = row
    const merged = mergeValues(parseLossless(base), parseLossless(mine), parseLossless(theirs))
    expect(formatLossless(merged.value)).toBe(value)
    expect(merged.clashes.map(({path}) => path.join('.'))).toEqual(places)
  })
})
