import {randomBytes} from 'node:crypto'

import {describe, expect, it} from 'vitest'

import {putBase64} from '../../../src/lib/cache/base64.js'

describe('base64 from bytes to bytes', () => {
  it('is what Node makes of the same bytes, for every length', () => {
    const source = Buffer.from(randomBytes(400).buffer.slice(0, 400))
    const target = Buffer.alloc(600)
    const [from, to] = [source, target].map(({buffer, byteOffset, length}) => new DataView(buffer, byteOffset, length))
    for (let size = 0; size <= 300; size++) {
      const end = putBase64({view: from!, start: 7, end: 7 + size}, to!, 3)
      expect(target.toString('latin1', 3, end)).toBe(source.toString('base64', 7, 7 + size))
    }
  })

  it('stays within the bytes that it is given', () => {
    const source = Buffer.from('abcdef')
    const {buffer, byteOffset} = source
    const target = new DataView(new ArrayBuffer(8))
    expect(putBase64({view: new DataView(buffer, byteOffset, 6), start: 0, end: 6}, target, 0)).toBe(8)
    expect(Buffer.from(target.buffer).toString()).toBe('YWJjZGVm')
  })
})
