import {describe, expect, it} from 'vitest'

import {constantText, hasConstant, putConstant} from '../../../src/lib/cache/constant-text.js'

const texts = ['a', 'ab', 'abc', 'abcd', 'abcde', '","created":"', 'NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: ']

describe('a text of four bytes at a time', () => {
  it.each(texts)('is written and found: %j', (text) => {
    const bytes = Buffer.alloc(80, '!')
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    expect(putConstant(constantText(text), view, 5)).toBe(5 + text.length)
    expect(bytes.toString('latin1', 4, 5 + text.length)).toBe(`!${text}`)
    bytes.fill(0xff, 5 + text.length)
    expect(hasConstant(constantText(text), view, 5)).toBe(true)
  })

  it.each(texts)('is found nowhere else: %j', (text) => {
    for (let index = 0; index < text.length; index++) {
      const bytes = Buffer.alloc(80, text)
      bytes[index]! ^= 0x80
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      expect(hasConstant(constantText(text), view, 0)).toBe(false)
    }
  })
})
