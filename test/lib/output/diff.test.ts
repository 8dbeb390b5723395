import {describe, expect, test} from 'vitest'

import {diffView, pathText} from '../../../src/lib/output/diff.js'
import {diffValues} from '../../../src/lib/records/diff.js'
import {parseLossless} from '../../../src/lib/keys/token.js'
import {printable} from '../../support/cache-lattice.js'

describe('a diff', () => {
  test('is a line a change', () => {
    const before = {url: 'redis://a', old: 1, links: [{target: 'a'}], 'a b': true}
    const after = {url: 'redis://b', new: {x: null}, links: [{target: 'b'}], 'a b': false}
    expect(diffView(diffValues(before, after))).toBe(
      [
        '~ ["a b"]: true → false',
        '~ links[0].target: "a" → "b"',
        '+ new: {"x":null}',
        '- old: 1',
        '~ url: "redis://a" → "redis://b"',
      ].join('\n'),
    )
  })

  test('shows long values on a line for each side, and large ones in lines', () => {
    const [a, b] = ['a'.repeat(80), 'b'.repeat(80)]
    expect(diffView(diffValues({x: a}, {x: b}))).toBe(`- x: "${a}"\n+ x: "${b}"`)
    expect(diffView(diffValues({}, {x: {a, b}}))).toBe(`+ x: {\n+   "a": "${a}",\n+   "b": "${b}"\n+ }`)
  })

  test('of texts with many lines shows the lines that differ', () => {
    expect(diffView(diffValues('one\ntwo\nthree\n', 'one\n2\n2b\nthree\n'))).toBe('~ from line 2\n- two\n+ 2\n+ 2b')
    expect(diffView(diffValues('one\n', 'one\ntwo\n'))).toBe('~ from line 2\n+ two')
  })

  test('says that something differs that is not shown', () => {
    expect(diffView([{path: ['PASSWORD'], before: 'set', after: 'set'}])).toBe(
      '~ PASSWORD: "set" → "set" (what differs is not shown)',
    )
  })

  test('keeps huge numbers and is clean', () => {
    const [before, after] = ['{"n":1e400,"\u001b[2J":"\\u001b\u202e"}', '{"n":1e401,"\u001b[2J":"x\\ny\u009b"}'].map(
      (text) => parseLossless(text.replaceAll('\u001b[2J', '\\u001b[2J')),
    )
    const shown = diffView(diffValues(before, after))
    expect(shown).toContain('~ n: 1e400 → 1e401')
    expect(printable(shown)).toBe(true)
    expect(printable(diffView(diffValues('a\n\u001b[31m', 'a\n\u202e\u0007')))).toBe(true)
  })

  test.each([
    [['values', 'URL'], 'values.URL'],
    [['links', 0, 'wit-name'], 'links[0].wit-name'],
    [['a.b', ''], '["a.b"][""]'],
    [[0], '[0]'],
  ])('names the way to %j as %s', (path, text) => {
    expect(pathText(path)).toBe(text)
  })
})
