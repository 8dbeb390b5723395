import {expect, test} from 'vitest'

import {dialAddress, parseTarget} from '../../../src/lib/nats/target.js'

test.each([
  ['nats://example.org:4333', 'example.org', 4333, 'example.org:4333'],
  ['tls://example.org', 'example.org', 4222, 'example.org:4222'],
  ['example.org:80', 'example.org', 80, 'example.org:80'],
  ['127.0.0.1', '127.0.0.1', 4222, '127.0.0.1:4222'],
  ['nats://user:secret@127.0.0.1:1', '127.0.0.1', 1, '127.0.0.1:1'],
  ['[::1]:4333', '::1', 4333, '[::1]:4333'],
  ['nats://[fe80::1]', 'fe80::1', 4222, '[fe80::1]:4222'],
  ['nats://nats_1:4222', 'nats_1', 4222, 'nats_1:4222'],
])('the address %s is taken apart', (address, host, port, dialled) => {
  const target = parseTarget(address)
  expect(target).toEqual({address, host, port})
  expect(dialAddress(target!)).toBe(dialled)
})

test.each(['nats://', 'nats://:4222', '', 'nats://[::1', 'nats://a:99999', 'nats://a b'])(
  '%j is no address',
  (address) => {
    expect(parseTarget(address)).toBeUndefined()
  },
)

test('behind a relay the end on this machine is dialled', () => {
  expect(dialAddress({...parseTarget('nats://inside:4222')!, via: {host: '127.0.0.1', port: 9}})).toBe('127.0.0.1:9')
})
