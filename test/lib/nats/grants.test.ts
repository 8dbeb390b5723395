import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {covers, meet, refusal, type Grant} from '../../../src/lib/nats/grants.js'

/** Every subject of up to five tokens over an alphabet that holds a token which no pattern can name. */
const alphabet = ['a', 'b', 'other'] as const
const universe = [1, 2, 3, 4, 5].flatMap((length) =>
  Array.from({length})
    .reduce<string[][]>((heads) => heads.flatMap((head) => alphabet.map((token) => [...head, token])), [[]])
    .map((tokens) => tokens.join('.')),
)

/** Matching as it is defined, in another way than the code under test: by a regular expression. */
function matchesByDefinition(pattern: string, subject: string): boolean {
  const tokens = pattern
    .split('.')
    .map((token, index, all) => (token === '*' ? '[^.]+' : token === '>' && index === all.length - 1 ? '.+' : token))
  return new RegExp(`^${tokens.join('\\.')}$`).test(subject)
}

const pattern = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '*'), {minLength: 0, maxLength: 3}), fc.constantFrom('a', 'b', '*', '>'))
  .map(([head, last]) => [...head, last].join('.'))
const patterns = fc.array(pattern, {maxLength: 4})

test('a pattern covers the subjects that it is defined to', () => {
  fc.assert(
    fc.property(pattern, (one) => {
      expect(universe.filter((subject) => covers(one, subject))).toEqual(
        universe.filter((subject) => matchesByDefinition(one, subject)),
      )
    }),
  )
})

test('what two patterns have in common is what both of them match', () => {
  fc.assert(
    fc.property(pattern, pattern, (left, right) => {
      const common = meet(left, right)
      const both = universe.filter((one) => matchesByDefinition(left, one) && matchesByDefinition(right, one))
      expect(universe.filter((one) => common !== undefined && matchesByDefinition(common, one))).toEqual(both)
      expect(common === undefined).toBe(both.length === 0)
    }),
  )
})

test('a subject is let through exactly when each subject that it stands for is', () => {
  fc.assert(
    fc.property(pattern, fc.option(patterns, {nil: undefined}), patterns, (wanted, allow, deny) => {
      const grant: Grant = {...(allow === undefined ? {} : {allow}), deny}
      const passes = (subject: string): boolean =>
        (allow === undefined || allow.some((one) => matchesByDefinition(one, subject))) &&
        !deny.some((one) => matchesByDefinition(one, subject))
      // A tail of `>` beyond the longest pattern is decided by the patterns that end in `>`, which five tokens show.
      const stopped = universe.filter((subject) => matchesByDefinition(wanted, subject)).filter((one) => !passes(one))
      expect(refusal(wanted, grant) === undefined).toBe(stopped.length === 0)
    }),
    {numRuns: 2000},
  )
})

describe('what is said of a subject that may not pass', () => {
  test.each<[string, Grant, ReturnType<typeof refusal>]>([
    ['a.b', {}, undefined],
    ['a.b', {allow: ['>']}, undefined],
    ['a.>', {allow: ['a.*', 'a.*.>']}, undefined],
    ['a.>', {allow: ['a.*', 'a.*.*.>']}, {kind: 'notAllowed', extent: 'part'}],
    ['a.>', {allow: ['a.*']}, {kind: 'notAllowed', extent: 'part'}],
    ['a.*', {allow: ['a.x']}, {kind: 'notAllowed', extent: 'part'}],
    ['a.*', {allow: ['a.x', 'a.xx', 'a.*']}, undefined],
    ['a.b', {allow: ['a']}, {kind: 'notAllowed', extent: 'all'}],
    ['a.b', {allow: []}, {kind: 'notAllowed', extent: 'all'}],
    ['a.b', {allow: ['>'], deny: ['a.>']}, {kind: 'denied', extent: 'all', subject: 'a.b'}],
    ['a.>', {deny: ['*.secret']}, {kind: 'denied', extent: 'part', subject: 'a.secret'}],
    ['a.>', {deny: ['>']}, {kind: 'denied', extent: 'all', subject: 'a.>'}],
  ])('%s under %j', (wanted, grant, said) => {
    expect(refusal(wanted, grant)).toEqual(said)
  })
})
