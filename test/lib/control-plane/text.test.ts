import {expect, test} from 'vitest'

import {refusalError, wordsOf} from '../../../src/lib/control-plane/errors.js'
import {mappingsPatch} from '../../../src/lib/control-plane/patch.js'
import {parseRetryAfter} from '../../../src/lib/control-plane/retry-after.js'
import {isUnencrypted, parseControlPlaneUrl, shownUrl} from '../../../src/lib/control-plane/url.js'
import {describeFailure} from '../../../src/lib/errors.js'

test.each([
  ['https://cloud.synadia.com', 'https://cloud.synadia.com'],
  ['cloud.synadia.com', 'https://cloud.synadia.com'],
  ['https://cloud.synadia.com/', 'https://cloud.synadia.com'],
  ['https://plane.example/api', 'https://plane.example'],
  ['https://plane.example/control/api/', 'https://plane.example/control'],
  ['http://10.0.0.1:8080', 'http://10.0.0.1:8080'],
])('the address %s stands for %s', (text, shown) => {
  expect(shownUrl(parseControlPlaneUrl(text))).toBe(shown)
})

test.each([
  '',
  'ftp://plane',
  'https://user:secret@plane',
  'https://plane?token=secret',
  'https://plane#x',
  'https://',
])('the address %j is refused, and shows no secret', (text) => {
  expect(() => parseControlPlaneUrl(text)).toThrow(/^LATTICE_CP_URL=".*" is not the address of a control plane\.$/)
  expect(() => parseControlPlaneUrl(text)).not.toThrow('user:secret')
})

test('only an address that was written with http:// goes without TLS, and it is told unless it is this machine', () => {
  const unencrypted = ['http://plane', 'http://localhost:1', 'http://127.1.2.3', 'http://[::1]:2', 'plane'].map(
    (text) => isUnencrypted(parseControlPlaneUrl(text)),
  )
  expect(unencrypted).toEqual([true, false, false, false, false])
})

const now = Date.parse('2026-03-01T12:00:00Z')
test.each([
  ['0', 0],
  ['7', 7000],
  [' 120 ', 120_000],
  ['Sun, 01 Mar 2026 12:00:05 GMT', 5000],
  ['Sunday, 01-Mar-26 12:00:06 GMT', 6000],
  ['Sun Mar  1 12:00:07 2026', 7000],
  ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
  ['-3', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['', undefined],
  [undefined, undefined],
  ['2026-03-01', undefined],
])('Retry-After %j is to wait %j ms', (text, waitMs) => {
  expect(parseRetryAfter(text, now)).toBe(waitMs)
})

test.each([
  [401, 11],
  [403, 11],
  [302, 11],
  [404, 4],
  [409, 5],
  [400, 1],
  [422, 1],
  [500, 1],
])('status %d comes to exit %d', (status, exit) => {
  const error = refusalError({asked: 'GET /api/core/beta/teams', status, words: 'why'})
  expect(describeFailure(error)).toMatchObject({
    exit,
    json: {message: expect.stringContaining(String(status)) as string},
  })
})

test('what an answer says is one short printable line without the token', () => {
  const words = wordsOf(`\u001b[31mno\u001b[0m\n uat_secret is  not\u202e known.${'x'.repeat(500)}`, 'uat_secret')
  expect(words).toMatch(/^\\u\{1b\}\[31mno\\u\{1b\}\[0m … is not\\u\{202e\} known\.x+…$/)
  expect(words.length).toBeLessThan(260)
})

test('a change names its sources alone, with null for one that goes, and no weight of 0', () => {
  const change = [
    {
      source: 'a.*',
      destinations: [
        {subject: 'a.v1.$1', weight: 100, cluster: 'east'},
        {subject: 'a.v2.$1', weight: 0},
      ],
    },
    {source: 'b', destinations: undefined},
    {source: '__proto__', destinations: [{subject: 'c', weight: 1, cluster: ''}]},
  ]
  expect(JSON.stringify(mappingsPatch(change))).toBe(
    '{"jwt_settings":{"mappings":{"a.*":[{"subject":"a.v1.$1","weight":100,"cluster":"east"}],"b":null,"__proto__":[{"subject":"c","weight":1}]}}}',
  )
})
