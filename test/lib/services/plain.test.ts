import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {UsageError} from '../../../src/lib/errors.js'
import {parseSourceAndLegs, warnAboutLegs} from '../../../src/lib/services/plain.js'

describe('a plain subject', () => {
  test('is an entity with the legs that were written', () => {
    expect(parseSourceAndLegs('orders.get', ['2.0.0=orders.v2.get', '1.0.0=orders.v1.get'])).toEqual({
      kind: 'subject',
      key: 'orders.get',
      name: 'orders.get',
      endpoints: [{source: 'orders.get', addresses: {'1.0.0': 'orders.v1.get', '2.0.0': 'orders.v2.get'}}],
      instances: [
        {version: '1.0.0', host: '', count: 0, dark: true},
        {version: '2.0.0', host: '', count: 0, dark: true},
      ],
    })
  })

  test('has an incumbent where a leg is the source', () => {
    const {endpoints, instances} = parseSourceAndLegs('orders.*', ['1.0.0=@source', '2.0.0=orders.v2.$1'])
    expect(endpoints).toEqual([{source: 'orders.*', addresses: {'1.0.0': 'orders.*', '2.0.0': 'orders.v2.$1'}}])
    expect(instances.map(({dark}) => dark)).toEqual([false, true])
  })

  test.each([
    ['orders.*.item.*', '1=v1.$2.$1'],
    ['orders.>', '1=v1.orders.>'],
    ['orders.*.>', '1=v1.$1.>'],
    ['a', '__proto__=b'],
  ])('may be %s with leg %s', (source, leg) => {
    const [version, address] = leg.split('=') as [string, string]
    const [endpoint] = parseSourceAndLegs(source, [leg]).endpoints!
    expect(Object.entries(endpoint!.addresses)).toEqual([[version, address]])
  })

  test.each([
    ['', ['1=a'], 'it is empty'],
    ['orders get', ['1=a'], 'without white space'],
    ['orders.>.get', ['1=a.>.b'], '> may only be the last'],
    ['orders..get', ['1=a'], 'tokens between dots'],
    ['>', ['1=a.>'], "it would catch '_INBOX.>'"],
    ['$SRV.INFO', ['1=a'], "it would catch '$SRV.>'"],
    ['*.get', ['1=a.$1'], "it would catch '_INBOX.>'"],
    ['orders.$1', ['1=a'], 'a source holds *'],
    ['orders.{{partition(3,1)}}', ['1=a'], 'functions in braces'],
    ['x'.repeat(300), ['1=a'], 'more than 255 characters'],
    ['orders.ge*', ['1=a'], 'stand as tokens of their own'],
    ['orders.get', [], 'has no legs'],
    ['orders.get', ['orders.v1.get'], 'is not a leg'],
    ['orders.get', ['=orders.v1.get'], 'is not a leg'],
    ['orders.get', ['1 0=orders.v1.get'], 'is not a version'],
    ['orders.get', ['1='], 'it is empty'],
    ['orders.get', ['1=orders.get'], 'is the source itself'],
    ['orders.*', ['1=orders.$1'], 'is the source itself'],
    ['orders.get', ['1=$JS.API.INFO'], 'a $ stands before the number'],
    ['orders.get', ['1=_INBOX.get'], "reach into '_INBOX.>'"],
    ['orders.get', ['1=orders.$1'], 'the source has 0 *'],
    ['orders.*', ['1=orders.v1'], 'it has $1 nowhere'],
    ['orders.*', ['1=orders.v1.$1.$1'], 'it has $1 more than once'],
    ['orders.*', ['1=orders.v1.$01'], 'a $ stands before the number'],
    ['orders.*', ['1=orders.v1.$+1'], 'a $ stands before the number'],
    ['orders.*', ['1=orders.v1.*'], 'a * names many subjects'],
    ['orders.>', ['1=orders.v1'], 'end in >, or neither'],
    ['orders.get', ['1=orders.v1.>'], 'end in >, or neither'],
    ['orders.get', ['1=v1-lattice-drop'], 'kept for shares that fail'],
    ['orders.get', ['1=a', '1=b'], 'has more than one leg'],
    ['orders.get', ['1=a', '2=a'], "hear each other's messages"],
    ['orders.*.*', ['1=v.$1.$2', '2=v.$2.$1'], "hear each other's messages"],
    ['orders.>', ['1=@source', '2=orders.v2.>'], 'would hear the other leg too'],
    ['orders.get', Array.from({length: 101}, (_, index) => `${index}=v${index}`), 'at most 100 legs'],
  ])('%s with %j is refused', (source, legs, reason) => {
    expect(() => parseSourceAndLegs(source, legs)).toThrow(reason)
  })

  test('that catches an address of its own says so', () => {
    const [endpoint] = parseSourceAndLegs('orders.>', ['1=orders.v1.>', '2=v2.orders.>']).endpoints!
    expect(warnAboutLegs(endpoint!)).toEqual([
      "The source 'orders.>' also catches the address 'orders.v1.>' of version 1: what is published there directly is mapped again.",
    ])
  })
})

const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/)
const wildcards = fc.integer({min: 0, max: 3})

/** A source with so many `*`, and two legs that use each once. */
const right = fc
  .tuple(fc.array(token, {minLength: 1, maxLength: 3}), wildcards, fc.boolean())
  .map(([tokens, stars, tail]) => {
    const end = tail ? ['>'] : []
    const carried = Array.from({length: stars}, (_, index) => `$${index + 1}`)
    const source = ['src', ...tokens, ...Array<string>(stars).fill('*'), ...end].join('.')
    const leg = (version: string) => `${version}=${[`leg${version}`, ...carried, ...end].join('.')}`
    return {source, legs: [leg('1'), leg('2')]}
  })

interface Written {
  readonly source: string
  readonly legs: readonly string[]
}
const white = fc.constantFrom(
  ' ',
  '\t',
  '\n',
  '\r',
  '\0',
  '\u001b[2J',
  '\u0085',
  '\u00a0',
  '\u2028',
  '\u202e',
  '\ud800',
)
/** Each makes of a right one something that no mapping may be. */
const defects: readonly fc.Arbitrary<(written: Written) => Written>[] = [
  white.map((text) => ({source, legs}) => ({source: `${source}${text}`, legs})),
  white.map((text) => ({source, legs}) => ({source, legs: [`${legs[0]!}${text}x`, legs[1]!]})),
  fc.constantFrom('', '.', '..', 'a.', '.a', 'a..b').map((source) => ({legs}) => ({source, legs})),
  fc
    .constantFrom('_INBOX', '$SYS', '$JS', '$KV', '$O', '$SRV', '_R_', '*')
    .map((first) => ({source, legs}) => ({source: `${first}.${source}`, legs})),
  fc
    .constantFrom('_INBOX', '$SYS', '$JS', '$KV', '$SRV', '_R_', '*', '>', '$9', '$0', '$', '{{wildcard(1)}}', '')
    .map((first) => ({source, legs}) => ({source, legs: [legs[0]!.replace('=', `=${first}.`), legs[1]!]})),
  fc.constant(({source, legs}) => ({source: `${source.replace('.>', '')}.*`, legs})),
  fc.constant(({source, legs}) => ({source, legs: [legs[0]!, `2=${legs[0]!.slice(2)}`]})),
  fc.constant(({source, legs}) => ({source, legs: [legs[0]!, legs[0]!]})),
  fc.constant(({source}) => ({source, legs: []})),
  fc.constant(({source, legs}) => ({source, legs: [...legs, `3=${source}`]})),
  fc.nat({max: 5000}).map((size) => ({source, legs}) => ({source: `${source}.${'x'.repeat(256 + size)}`, legs})),
  fc
    .constantFrom('', '=', '=x', '1', '1=', ' 1=x', `${'9'.repeat(129)}=x`, '1\u0007=x')
    .map((leg) => ({source, legs}) => ({source, legs: [...legs, leg]})),
]

function isSentence(error: unknown): boolean {
  return error instanceof UsageError && error.message.length < 700 && /^\S.*\.$/.test(error.message)
}

describe('3000 hostile inputs', () => {
  test('are refused with a sentence', () => {
    fc.assert(
      fc.property(right, fc.oneof(...defects), (written, damage) => {
        expect(() => parseSourceAndLegs(written.source, written.legs)).not.toThrow()
        const {source, legs} = damage(written)
        let error: unknown
        try {
          parseSourceAndLegs(source, legs)
        } catch (caught) {
          error = caught
        }
        expect(isSentence(error), JSON.stringify({source, legs, error})).toBe(true)
      }),
      {numRuns: 3000},
    )
  })

  test('of any text are refused with a sentence or taken as they are', () => {
    const text = fc.oneof(fc.string(), fc.string({unit: 'binary'}), fc.stringMatching(/^[a.*>$1={}@ ]{0,12}$/))
    fc.assert(
      fc.property(
        text,
        fc.array(
          fc.tuple(text, text).map((pair) => pair.join('=')),
          {maxLength: 3},
        ),
        (source, legs) => {
          try {
            const {key, endpoints} = parseSourceAndLegs(source, legs)
            expect(key).toBe(source)
            expect(Object.keys(endpoints![0]!.addresses)).toHaveLength(legs.length)
          } catch (error) {
            expect(isSentence(error), JSON.stringify({source, legs, error})).toBe(true)
          }
        },
      ),
      {numRuns: 500},
    )
  })
})
