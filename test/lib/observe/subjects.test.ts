import {expect, test} from 'vitest'

import {probeSubject, sourceHeard} from '../../../src/lib/observe/subjects.js'
import {covers, patternOf} from '../../../src/lib/routing/subject.js'

test.each([
  ['orders.*', 'v1.orders.$1', 'v1.orders.get', 'orders.get'],
  ['orders.*', 'v1.orders.$1', 'v1.orders.*', 'orders.lattice-probe'],
  ['orders.*', 'v1.orders.$1', 'v2.orders.get', undefined],
  ['orders.*', 'v1.orders.$1', 'v1.orders.get.more', undefined],
  ['orders.*', 'v1.orders.$1', 'v1.orders', undefined],
  ['a.*.*', 'b.{{wildcard(2)}}.$1', 'b.two.one', 'a.one.two'],
  ['a.>', 'v1.>', 'v1.b.c', 'a.b.c'],
  ['a.>', 'v1.>', 'v1.>', 'a.lattice-probe'],
  ['orders.get', 'v1.get', 'v1.get', 'orders.get'],
])('callers of %j mapped to %j reach who listens on %j by %j', (source, destination, heard, expected) => {
  expect(sourceHeard(source, destination, heard)).toBe(expected)
})

test.each([
  ['a.*', 'a.b', true],
  ['a.*', 'a.*', true],
  ['a.b', 'a.*', false],
  ['a.>', 'a.b.c', true],
  ['a.>', 'a.>', true],
  ['a.>', 'a', false],
  ['a.*', 'a.>', false],
  ['a.*', 'a.b.c', false],
  ['>', 'a.*.>', true],
])('%j covers %j: %j', (outer, inner, expected) => {
  expect(covers(outer, inner)).toBe(expected)
})

test('destinations become patterns, and patterns subjects that a probe can have', () => {
  expect(patternOf('v1.$1.{{partition(10,1)}}.x')).toBe('v1.*.*.x')
  expect(probeSubject('a.*.>')).toBe('a.lattice-probe.lattice-probe')
})
