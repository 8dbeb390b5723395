import type {Msg} from '@nats-io/transport-node'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {BucketMessage} from '../../../src/lib/cache/message.js'
import {deliveredMessage, type DeliveredParts} from '../../support/delivered.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

function read(parts: DeliveredParts): BucketMessage {
  const message = new BucketMessage('B')
  expect(message.read(deliveredMessage(parts))).toBe(true)
  return message
}

/** The same without what the client keeps: a client of another release. */
function readByInterface(parts: DeliveredParts): BucketMessage {
  const {subject, reply, data} = deliveredMessage(parts)
  const values = new Map((parts.head ?? []).map((line) => line.split(': ') as [string, string]))
  const headers = parts.head === undefined ? undefined : {get: (name: string) => values.get(name) ?? ''}
  const message = new BucketMessage('B')
  expect(message.read({subject, reply, data, headers} as unknown as Msg)).toBe(true)
  return message
}

describe.each([
  ['with what the client keeps', read],
  ['by the interface of the client', readByInterface],
])('a message read %s', (_how, readMessage) => {
  test.each([9, 11, 12] as const)('knows its place from a reply of %d tokens', (tokens) => {
    fc.assert(
      fc.property(
        fc.integer({min: 1, max: 2 ** 50}),
        fc.integer({min: 0, max: 1e6}),
        fc.integer({min: 1_000_000_000_000, max: 4_000_000_000_000}),
        (revision, pending, createdMs) => {
          const message = readMessage({subject: '$KV.B.a.b', value: text('x'), tokens, revision, pending, createdMs})
          expect(message).toMatchObject({revision, pending, createdMs, sequence: 1, key: 'a.b', keySize: 3})
        },
      ),
    )
  })

  test('gives its value and its key', () => {
    const message = readMessage({subject: '$KV.B.key', value: text('välue'), head: ['Nats-Msg-Id: 7']})
    expect(message.text('utf8')).toBe('välue')
    expect(message.size).toBe(6)
    expect(Buffer.from(message.value).toString()).toBe('välue')
    const target = Buffer.alloc(20, '.')
    expect(message.copyKey(target, 1)).toBe(4)
    expect(message.copyValue(target, 5)).toBe(11)
    expect(target.toString()).toBe('.key.välue.........')
    expect(readMessage({subject: '$KV.B.a"b', value: text('')}).copyKey(target, 0)).toBe(-1)
  })

  test.each([
    [undefined, false],
    [['Nats-Expected-Last-Subject-Sequence: 17'], false],
    [['Nats-Expected-Last-Subject-Sequence: 0', 'KV-Operation: DEL'], true],
    [['KV-Operation: DEL'], true],
    [['KV-Operation: PURGE', 'Nats-Rollup: sub'], true],
    [['KV-Operation: PUT'], false],
    [['Nats-Marker-Reason: MaxAge', 'Nats-TTL: 5s'], true],
    [['Nats-Msg-Id: KV-Operation'], false],
  ])('with the header %j is a marker: %s', (head, marker) => {
    for (const value of ['', 'a value']) {
      const message = readMessage({subject: '$KV.B.k', value: text(value), ...(head === undefined ? {} : {head})})
      expect(message.marker).toBe(marker)
    }
  })
})

test('what is no message of a consumer is told', () => {
  const message = new BucketMessage('B')
  for (const reply of ['', '$JS.FC.KV_B.x.y', '$JS.ACK', '$JS.ACK.KV_B.c.1', '_INBOX.abcd']) {
    expect(message.read({subject: '_INBOX.x', reply, data: new Uint8Array()} as unknown as Msg)).toBe(false)
  }
  expect(message.read({subject: '_INBOX.x', data: new Uint8Array()} as unknown as Msg)).toBe(false)
})
