import {expect, test} from 'vitest'

import type {EmbeddedState} from '../../../src/lib/server/embedded-state.js'
import {applySettings} from '../../../src/lib/server/up-settings.js'

const state: EmbeddedState = {
  ...{kind: 'lattice-embedded', version: 1, name: 'try', folder: '/f', storeFolder: '/f/store', ephemeral: false},
  ...{operator: 'O', account: 'A', systemAccount: 'A', issuer: 'A', allowFiles: [], allowedIssuers: []},
  ...{hostCount: 3, hosts: []},
}

test.each([
  [false, /entities are kept/],
  [true, /entities are lost/],
])('what must be stopped for a change says what that costs; ephemeral: %s', (ephemeral, cost) => {
  const asked = {name: 'try', hosts: 1, ephemeral: false, allowFiles: [], allowedIssuers: [], issuer: 'A'}
  const apply = (): unknown => applySettings({...state, ephemeral}, asked, {running: true})
  expect(apply).toThrow(
    expect.objectContaining({kind: 'conflict', suggestions: [expect.anything(), expect.stringMatching(cost)]}),
  )
})
