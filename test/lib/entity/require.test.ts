import {expect, test} from 'vitest'

import {entityName, versionName} from '../../../src/lib/entity/require.js'

test.each([
  ['echo', 'echo'],
  ['größe', 'größe'],
  ['KV counter', "'KV counter'"],
  ['a$(id)', "'a$(id)'"],
  ["it's `id`", `'it'\\''s \`id\`'`],
])('%s is pasted as %s, of which a shell runs nothing', (name, pasted) => {
  expect(entityName({kind: 'actor', key: 'M', name, instances: []})).toBe(pasted)
})

test.each(['-rf', 'echo@1.0.0', 'a/b', 'a*', '', ' echo'])('an entity named %j is pasted by its key', (name) => {
  expect(entityName({kind: 'actor', key: 'MKEY', name, instances: []})).toBe('MKEY')
})

test('a version is pasted so that a shell runs nothing of it', () => {
  expect(versionName({kind: 'actor', key: 'M', name: 'echo', instances: []}, '1.0;id')).toBe("echo@'1.0;id'")
})
