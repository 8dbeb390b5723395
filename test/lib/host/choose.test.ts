import fc from 'fast-check'
import {expect, test} from 'vitest'

import {parseVersion} from '../../../src/lib/entity/version.js'
import {chooseVersions, SeveralVersionsError, type Choosable} from '../../../src/lib/host/choose.js'
import {friendlyName, hostLabels} from '../../../src/lib/host/identity.js'

const running = (...versions: string[]): Choosable[] =>
  versions.map((version) => ({name: 'echo', version: parseVersion(version), count: 2}))

test('the only version is meant without a name, one of several is not', () => {
  expect(chooseVersions(running('1.0.0'), undefined)).toHaveLength(1)
  expect(chooseVersions([], undefined)).toEqual([])
  const ambiguous = (): unknown => chooseVersions(running('10.0.0', '9.0.0'), undefined)
  expect(ambiguous).toThrow(SeveralVersionsError)
  expect(ambiguous).toThrow("'echo' runs here in 2 versions (9.0.0 × 2, 10.0.0 × 2), and the request names none.")
})

test('a named version is compared as text, and * means all', () => {
  const versions = fc.uniqueArray(fc.constantFrom('1.0.0', '1.0', '1.0.0+a', '2.0.0', 'latest'))
  fc.assert(
    fc.property(versions, fc.constantFrom('1.0.0', '1.0', '*', 'none'), (found, wanted) => {
      const chosen = chooseVersions(running(...found), wanted).map(({version}) => version)
      expect(chosen).toEqual(wanted === '*' ? found : found.filter((version) => version === wanted))
    }),
  )
})

test('a host has a name of its own, and says that it knows versions whatever its labels say', () => {
  expect(friendlyName('N1')).toBe(friendlyName('N1'))
  expect(friendlyName('N1')).toMatch(/^[a-z]+-[a-z]+-\d{4}$/)
  expect(hostLabels({zone: 'a', 'lattice.versioned-rpc': '0'}, {arch: 'x64', platform: 'linux'})).toEqual({
    'hostcore.arch': 'x86_64',
    'hostcore.os': 'linux',
    'hostcore.osfamily': 'unix',
    zone: 'a',
    'lattice.versioned-rpc': '1',
  })
})
