import {expect, test} from 'vitest'

import {entityName} from '../../../src/lib/entity/require.js'

test.each([
  ['echo', 'echo'],
  ['größe', 'größe'],
  ['KV counter', "'KV counter'"],
  ['a$(id)', "'a$(id)'"],
  ["it's `id`", `'it'\\''s \`id\`'`],
])('%s is pasted as %s, of which a shell runs nothing', (name, pasted) => {
  expect(entityName({kind: 'actor', key: 'M', name, instances: []})).toBe(pasted)
})
