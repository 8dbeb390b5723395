import fc from 'fast-check'
import {expect, test} from 'vitest'

import {translateSubject} from '../../../src/lib/routes/preflight/imported-subject.js'

test.each([
  ['shop.get', 'shop.get', 'orders.get', 'orders.get'],
  ['shop.get', 'shop.*', 'orders.*', 'orders.get'],
  ['shop.get.eu', 'shop.*.*', 'orders.$2.$1', 'orders.eu.get'],
  ['orders.eu.get', 'orders.$2.$1', 'shop.*.*', 'shop.eu.get'],
  ['shop.a.b.c', 'shop.>', 'orders.>', 'orders.a.b.c'],
  ['shop.*', 'shop.*', 'orders.*', 'orders.*'],
  ['shop.>', 'shop.>', 'orders.>', 'orders.>'],
  ['shop', 'shop.>', 'orders.>', undefined],
  ['shop.get.more', 'shop.*', 'orders.*', undefined],
  ['other.get', 'shop.*', 'orders.*', undefined],
])('%j of %j is on the side of %j %j', (subject, from, to, expected) => {
  expect(translateSubject(subject, from, to)).toBe(expected)
})

test('there and back is where it began', () => {
  const token = fc.stringMatching(/^[a-z]{1,5}$/)
  const shape = fc.array(fc.constantFrom('*', 'x'), {minLength: 1, maxLength: 4})
  fc.assert(
    fc.property(shape, fc.array(token, {minLength: 4, maxLength: 4}), fc.boolean(), (tokens, values, open) => {
      const tail = open ? ['>'] : []
      const [from, to] = ['here', 'there'].map((first) => [first, ...tokens, ...tail].join('.')) as [string, string]
      const filled = tokens.map((one, index) => (one === '*' ? values[index]! : one))
      const subject = ['here', ...filled, ...(open ? ['rest', 'of', 'it'] : [])].join('.')
      const other = translateSubject(subject, from, to)
      expect(other).toBe(subject.replace(/^here/, 'there'))
      expect(translateSubject(other!, to, from)).toBe(subject)
    }),
  )
})
