import {expect, test} from 'vitest'

import {inScope} from '../../../src/lib/cli/scope.js'

const typed = {context: 'lattice-try', lattice: 'blue'}

test.each([
  ['lattice stop echo@1.0.0', typed, 'lattice stop echo@1.0.0 --context lattice-try --lattice blue'],
  ['lattice route ls --context other', typed, 'lattice route ls --context other --lattice blue'],
  ['lattice route ls --context=other', typed, 'lattice route ls --context=other --lattice blue'],
  ['lattice claims ls -l red', typed, 'lattice claims ls -l red --context lattice-try'],
  [
    'lattice stop echo',
    {server: 'nats://a:1', creds: "it's.creds"},
    `lattice stop echo --server nats://a:1 --creds 'it'\\''s.creds'`,
  ],
  ['lattice stop echo', {context: undefined}, 'lattice stop echo'],
  ['lattice up', typed, 'lattice up'],
  ['lattice context use x', typed, 'lattice context use x'],
  ['lattice claims sign FILE', typed, 'lattice claims sign FILE'],
  ['lattice route --help', typed, 'lattice route --help'],
  ['--dark   (no traffic)', typed, '--dark   (no traffic)'],
  ['echo@1.0.0', typed, 'echo@1.0.0'],
])('%j with %j becomes %j', (line, scope, wanted) => {
  expect(inScope(line, scope)).toBe(wanted)
})
