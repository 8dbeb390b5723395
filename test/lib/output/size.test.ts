import {expect, test} from 'vitest'

import {formatSize} from '../../../src/lib/output/size.js'

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [1536, '1.5 KiB'],
  [5 * 2 ** 20, '5 MiB'],
  [2 ** 62, '4194304 TiB'],
])('%d bytes are shown as %s', (bytes, text) => {
  expect(formatSize(bytes)).toBe(text)
})
