import fc from 'fast-check'
import {expect, test} from 'vitest'

import {UsageError} from '../../../src/lib/errors.js'
import {formatAddress, listenAddress} from '../../../src/lib/records/http-address.js'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

test.each<[string, Record<string, string>, string]>([
  ['host and port', {address: '0.0.0.0:8080'}, '0.0.0.0:8080'],
  ['a name', {address: 'localhost:8080'}, 'localhost:8080'],
  ['IPv6', {address: '[::1]:8080'}, '[::1]:8080'],
  ['a port alone is on loopback', {address: ':8080'}, '127.0.0.1:8080'],
  ['the older field is on loopback', {port: '8080'}, '127.0.0.1:8080'],
  ['inside of config_json', {config_json: '{"address": "0.0.0.0:1", "cors_allowed_origins": []}'}, '0.0.0.0:1'],
  ['inside of config_b64', {config_b64: base64('{"port": 8080}')}, '127.0.0.1:8080'],
  ['what stands beside it wins', {config_json: '{"address": "0.0.0.0:1"}', address: '127.0.0.1:2'}, '127.0.0.1:2'],
])('an address in a link: %s', (_name, values, address) => {
  expect(formatAddress(listenAddress(values))).toBe(address)
})

test.each<[string, Record<string, string>]>([
  ['none', {}],
  ['no port', {address: '127.0.0.1'}],
  ['a port that is too large', {address: '127.0.0.1:65536'}],
  ['a negative port', {port: '-1'}],
  ['a URL', {address: 'http://127.0.0.1:80'}],
  ['IPv6 without brackets', {address: '::1:80'}],
  ['white space', {address: '127.0.0.1 :80'}],
  ['a configuration that is none', {config_json: 'port: 80'}],
])('no address in a link: %s', (_name, values) => {
  expect(() => listenAddress(values)).toThrow(UsageError)
})

test('what is formatted is read back', () => {
  const hosts = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain())
  fc.assert(
    fc.property(hosts, fc.integer({min: 0, max: 65_535}), (host, port) => {
      expect(listenAddress({address: formatAddress({host, port})})).toEqual({host, port})
    }),
  )
})
