import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {compareVersions, decodeVersion, encodeVersion, isSemver, parseVersion} from '../../../src/lib/entity/version.js'

const versions = fc.oneof(
  fc.constantFrom(
    '1.0.0',
    '1.0.0-rc.1',
    '1.0.0-rc.10',
    '1.0.0+b',
    '2.0',
    'v1.0.0',
    'latest',
    '1.10.0',
    '1.9.0',
    '01.0.0',
  ),
  fc.string({minLength: 1, maxLength: 20}),
)

describe('versions', () => {
  test.each([
    ['1.2.0', 'MS4yLjA'],
    ['1.2.0+build.5', 'MS4yLjArYnVpbGQuNQ'],
  ])('%s is %s in a subject', (version, token) => {
    expect(encodeVersion(version)).toBe(token)
    expect(decodeVersion(token)).toBe(version)
  })

  test('any text survives the codec as one subject token, unless no version can be so', () => {
    fc.assert(
      fc.property(fc.string({minLength: 1, unit: 'grapheme'}), (text) => {
        expect(encodeVersion(text)).toMatch(/^[A-Za-z0-9_-]+$/)
        expect(decodeVersion(encodeVersion(text))).toBe(/\s|\p{Cc}|\u2028|\u2029/u.test(text) ? undefined : text)
      }),
    )
  })

  test.each(['1.0 0', '1.0\u001b[31m', '1'.repeat(129)])('a token that decodes to %j is none', (text) => {
    expect(decodeVersion(encodeVersion(text))).toBeUndefined()
  })

  test('only what a version encodes to decodes', () => {
    fc.assert(
      fc.property(fc.string(), (token) => {
        const version = decodeVersion(token)
        expect(version === undefined || encodeVersion(version) === token).toBe(true)
      }),
    )
  })

  test('semver sorts by precedence, and everything else after it', () => {
    const sorted = [
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0',
      '1.0.0+a',
      '1.9.0',
      '1.10.0',
      'latest',
      'v1',
    ]
    expect(sorted.toReversed().sort(compareVersions)).toEqual(sorted)
  })

  test('the order is total', () => {
    fc.assert(
      fc.property(versions, versions, versions, (a, b, c) => {
        expect(Math.sign(compareVersions(a, b))).toBe(-Math.sign(compareVersions(b, a)) + 0)
        expect(compareVersions(a, b) === 0).toBe(a === b)
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0)
          expect(compareVersions(a, c)).toBeLessThanOrEqual(0)
      }),
    )
  })

  test.each(['', ' ', '1 0', 'a\nb', '\u0007', 'x'.repeat(129), '\ud800'])('%j is refused', (text) => {
    expect(() => parseVersion(text)).toThrow(/version/)
  })

  test.each(['1.0', '01.0.0', '1.0.0-01', 'v1.0.0', ''])('%j is no semver', (text) => {
    expect(isSemver(text)).toBe(false)
  })
})
