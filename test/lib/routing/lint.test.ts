import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {predictTable, type MappingTable} from '../../../src/lib/routing/effective.js'
import {lintPlans} from '../../../src/lib/routing/lint.js'
import {isSubject, subjectsOverlap} from '../../../src/lib/routing/subject.js'

const plan = {source: 'orders.get', destinations: [{subject: 'v1.orders.get', weight: 100}]}
const rules = (table: MappingTable, changed = plan, options = {}): string[] =>
  lintPlans(table, [changed], options).map(({level, rule}) => `${level} ${rule}`)

/** Sources of so many mappings, none of them near ours. */
function tableOf(size: number): MappingTable {
  return predictTable(
    Object.fromEntries(Array.from({length: size}, (_, index) => [`other.${index}`, [{subject: 't'}]])),
  )
}

describe('overlap of subjects', () => {
  test.each([
    ['a.b', 'a.b', true],
    ['a.b', 'a.*', true],
    ['a.b', 'a.>', true],
    ['a.*', '*.b', true],
    ['>', 'a', true],
    ['a.>', 'a', false],
    ['a.b', 'a.b.c', false],
    ['a.*', 'a.*.c', false],
    ['a.*.c', 'a.b.>', true],
    ['a.b', 'a.c', false],
  ])('%s and %s: %s', (left, right, overlap) => {
    expect(subjectsOverlap(left, right)).toBe(overlap)
    expect(subjectsOverlap(right, left)).toBe(overlap)
  })

  test('a subject overlaps whatever pattern was made from it', () => {
    const token = fc.stringMatching(/^[a-z]{1,3}$/)
    fc.assert(
      fc.property(fc.array(fc.tuple(token, fc.boolean()), {minLength: 1, maxLength: 6}), fc.nat(6), (tokens, cut) => {
        const subject = tokens.map(([name]) => name).join('.')
        const pattern = tokens.map(([name, wild]) => (wild ? '*' : name))
        const open = cut < tokens.length ? [...pattern.slice(0, cut), '>'] : pattern
        expect(isSubject(open.join('.'))).toBe(true)
        expect(subjectsOverlap(subject, open.join('.'))).toBe(true)
      }),
    )
  })
})

describe('findings about a plan', () => {
  test('a plain route has none', () => {
    expect(rules(tableOf(3))).toEqual([])
  })

  test.each(['_INBOX.x', '$SYS.REQ.x', '$JS.API.x', '$KV.b.k', '$O.x', '$SRV.INFO', '_R_.x'])(
    'a source that catches %s is refused',
    (source) => {
      expect(rules(new Map(), {...plan, source})).toContain('refuse protected-source')
    },
  )

  test('so is one that catches the inboxes of a lattice with its own prefix', () => {
    expect(rules(new Map(), {...plan, source: 'shop.in.x'}, {inboxPrefix: 'shop.in'})).toEqual([
      'refuse protected-source',
    ])
  })

  test('a source that overlaps another one is refused, and replacing its own mapping is not', () => {
    expect(rules(predictTable({'orders.*': [{subject: 'x.$1'}]}))).toContain('refuse overlap')
    expect(rules(predictTable({'orders.get': [{subject: 'x'}]}))).toEqual([])
  })

  test('what others map is not told', () => {
    const table = predictTable({'orders.*': [{subject: 'x.$1'}], 'v1.>': [{subject: 'v3.>'}]})
    const text = JSON.stringify(lintPlans(table, [plan]))
    for (const foreign of ['orders.*', 'x.$1', 'v1.>', 'v3']) expect(text).not.toContain(foreign)
  })

  test('a destination that is mapped itself is refused', () => {
    expect(rules(predictTable({'v1.>': [{subject: 'v3.>'}]}))).toEqual(['refuse chained'])
  })

  test('duplicates, sums and wildcards are refused all at once', () => {
    const destinations = [
      {subject: 'a', weight: 50},
      {subject: 'a', weight: 40},
    ]
    expect(rules(new Map(), {source: 'x.*', destinations})).toEqual([
      'warn unused-wildcard',
      'warn unused-wildcard',
      'refuse duplicate',
      'refuse sum',
    ])
  })

  test('the two hundred and first mapping is warned of, the thousand and first refused', () => {
    expect(rules(tableOf(199))).toEqual([])
    expect(rules(tableOf(200))).toEqual(['warn many-mappings'])
    expect(rules(tableOf(999))).toEqual(['warn many-mappings'])
    expect(rules(tableOf(1000))).toEqual(['refuse too-many-mappings'])
    expect(rules(new Map([...tableOf(1200), ['orders.get', []]]))).toEqual([])
  })
})

describe('hostile plans', () => {
  const badText = fc.oneof(
    fc.constantFrom(
      '',
      '.',
      'a..b',
      '.a',
      'a.',
      'a b',
      'a\tb',
      'a\u001b[2J',
      'a.\u0000',
      '\ud800',
      'a.>.b',
      'a\nb',
      '\u2028',
    ),
    fc.string({minLength: 1, unit: 'binary'}).map((text) => `${text} `),
    fc.string({minLength: 1}).map((text) => `x..${text}`),
  )
  const badSource = fc.oneof(badText, fc.constantFrom('>', '_INBOX.>', '$JS.API.x', '*.>', '$KV.*'))
  const badDestination = fc.oneof(
    badText,
    fc.constantFrom(
      '*',
      'a.*',
      'a.>',
      '>',
      '$1',
      'a.$2',
      '{{wildcard(1)}}',
      '{{x}}',
      '{{partition(0)}}',
      '{{split(1)}}',
    ),
  )
  const badWeight = fc.oneof(
    fc.integer({min: 101}),
    fc.integer({max: -1}),
    fc.double({noInteger: true}),
    fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 0, 99, 256 + 100),
  )
  const hostile = fc.oneof(
    badSource.map((source) => ({...plan, source})),
    badDestination.map((subject) => ({...plan, destinations: [{subject, weight: 100}]})),
    badWeight.map((weight) => ({...plan, destinations: [{subject: 'v1.orders.get', weight}]})),
    badWeight.map((weight) => ({
      ...plan,
      destinations: [
        {subject: 'v1.orders.get', weight: 100},
        {subject: 'v2.orders.get', weight, cluster: 'east'},
      ],
    })),
  )

  test('are refused, each with a sentence', () => {
    fc.assert(
      fc.property(hostile, (changed) => {
        // A cluster may leave a rest to an incumbent.
        fc.pre(changed.destinations.every(({weight, ...place}) => !('cluster' in place) || weight !== 99))
        const refusals = lintPlans(new Map(), [changed]).filter(({level}) => level === 'refuse')
        expect(refusals.length).toBeGreaterThan(0)
        for (const {sentence} of refusals) expect(sentence).toMatch(/^[^]+\.$/)
      }),
      {numRuns: 1500},
    )
  })
})
