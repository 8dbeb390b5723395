import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {clean, jsonText} from '../../../src/lib/output/text.js'

const anyText = fc.string({unit: 'binary'})

describe('text for a terminal', () => {
  test('holds nothing that a terminal obeys', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(clean(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
      }),
    )
  })

  test('as JSON holds none either, and parses to the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue({stringUnit: 'binary'}), (value) => {
        expect(jsonText(value)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
        expect(JSON.parse(jsonText(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
    expect(jsonText({a: '\u{e0001}\u202e'}, 2)).toBe('{\n  "a": "\\udb40\\udc01\\u202e"\n}')
  })
})
