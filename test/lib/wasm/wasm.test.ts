import fc from 'fast-check'
import {expect, test} from 'vitest'

import {ModuleError} from '../../../src/lib/wasm/module-error.js'
import {formatSections, limitMemory, parseSections} from '../../../src/lib/wasm/wasm.js'

const memorySection = 5

function withMemory(...bytes: number[]): Uint8Array {
  return formatSections([{id: memorySection, data: Uint8Array.from(bytes)}])
}

test('a module is the sum of its sections', () => {
  const sections = fc.array(fc.record({id: fc.integer({min: 1, max: 13}), data: fc.uint8Array({maxLength: 300})}))
  fc.assert(
    fc.property(sections, (given) => {
      const read = parseSections(formatSections(given))
      expect(read.map(({id, data}) => ({id, data: [...data]}))).toEqual(
        given.map(({id, data}) => ({id, data: [...data]})),
      )
    }),
  )
})

test.each([
  ['none said', [1, 0, 1], [1, 1, 1, 100]],
  ['a higher one', [1, 1, 1, 0xc8, 1], [1, 1, 1, 100]],
  ['a lower one', [1, 1, 1, 2], [1, 1, 1, 2]],
  ['no memory', [0], [0]],
])('the greatest size of the memory, %s', (_, before, after) => {
  const [section] = parseSections(limitMemory(withMemory(...before), 100))
  expect([...section!.data]).toEqual(after)
})

test.each([
  ['more at the start than allowed', [1, 0, 101], 'memory'],
  ['two memories', [2, 0, 1, 0, 1], 'memory'],
  ['shared memory', [1, 3, 1, 2], 'memory'],
  ['memory of 64 bits', [1, 4, 1], 'memory'],
  ['bytes too many', [1, 0, 1, 7], 'malformed'],
  ['bytes too few', [1, 1, 1], 'malformed'],
  ['nothing', [], 'malformed'],
])('a memory that cannot be bounded is refused: %s', (_, bytes, reason) => {
  expect(() => limitMemory(withMemory(...bytes), 100)).toThrow(expect.objectContaining({reason}))
})

test('an import of another memory is left to the check of the imports', () => {
  expect(() => limitMemory(formatSections([]), 1)).not.toThrow(ModuleError)
})
