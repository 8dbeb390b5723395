import {expect, test} from 'vitest'

import {parseVersion} from '../../../src/lib/entity/version.js'
import type {Counter, Snapshot} from '../../../src/lib/observe/counters.js'
import {tallySplit, type ObservedAddress} from '../../../src/lib/observe/split.js'
import {random} from '../../support/random.js'

const [one, two] = [parseVersion('1.0.0'), parseVersion('2.0.0')]
const addresses: readonly ObservedAddress[] = [
  {version: one, subject: 'orders.v1', weight: 70},
  {version: two, subject: 'orders.v2', weight: 30},
]

type Written = readonly [key: string, subject: string, queue: string, messages: number]

function snapshot(at: number, servers: Readonly<Record<string, readonly Written[]>>): Snapshot {
  return {
    at,
    servers: new Map(
      Object.entries(servers).map(([id, list]) => [
        id,
        {
          // `S0#2` is what `S0` is after a restart.
          name: id.split('#')[0]!,
          counters: new Map(
            list.map(([key, subject, queue, messages]): [string, Counter] => [
              key,
              {subject, messages, ...(queue === '' ? {} : {queue})},
            ]),
          ),
        },
      ]),
    ),
  }
}

test('only what a window added counts, over all servers', () => {
  const split = tallySplit(
    snapshot(1000, {
      S0: [
        ['1 1', 'orders.v1', 'q', 5000],
        ['1 2', 'orders.v2', 'q', 5],
      ],
      S1: [['1 1', 'orders.v1', 'q', 0]],
    }),
    snapshot(3000, {
      S0: [
        ['1 1', 'orders.v1', 'q', 5400],
        ['1 2', 'orders.v2', 'q', 305],
      ],
      S1: [['1 1', 'orders.v1', 'q', 300]],
    }),
    addresses,
  )
  expect(split).toMatchObject({messages: 1000, ratePerSecond: 500, windowMs: 2000, agrees: true, gaps: []})
  expect(split.legs).toMatchObject([
    {version: '1.0.0', listeners: 2, messages: 700, share: 70, asked: 70, agrees: true, ratePerSecond: 350},
    {version: '2.0.0', listeners: 1, messages: 300, share: 30, asked: 30, agrees: true},
  ])
  expect(split.servers).toEqual(['S0', 'S1'])
})

test('taps and second queue groups are told from the group that does the work', () => {
  const before = snapshot(0, {S0: []})
  const after = snapshot(1000, {
    S0: [
      ['1 1', 'orders.v1', 'q', 300],
      ['2 1', 'orders.v1', 'q', 400],
      ['3 1', 'orders.v2', 'q', 300],
      ['4 1', 'orders.v1', '', 700],
      ['5 1', '>', '', 9000],
      ['6 1', 'orders.*', 'audit', 1000],
      ['7 1', 'orders.v2', 'shadow', 300],
    ],
  })
  const split = tallySplit(
    before,
    after,
    addresses.map((address) => ({...address, queue: 'q'})),
  )
  expect(split.legs).toMatchObject([
    {messages: 700, listeners: 2, taps: 3},
    {messages: 300, listeners: 1, taps: 3},
  ])
})

test('of plain subscribers, who all get each message, one counts', () => {
  const after = snapshot(1000, {
    S0: [
      ['1 1', 'orders.v1', '', 70],
      ['2 1', 'orders.v1', '', 70],
      ['3 1', 'orders.v2', '', 30],
    ],
    S1: [['1 1', 'orders.v2', '', 30]],
  })
  const split = tallySplit(snapshot(0, {S0: [], S1: []}), after, addresses)
  expect(split.legs.map(({messages}) => messages)).toEqual([70, 30])
})

test('wildcard addresses add up what listens to parts of them, and the source is told from the legs below it', () => {
  const wildcards: readonly ObservedAddress[] = [
    {version: one, subject: 'orders.>', weight: 60},
    {version: two, subject: 'orders.v2.$1', weight: 40},
  ]
  const after = snapshot(1000, {
    S0: [
      ['1 1', 'orders.get', 'q', 30],
      ['1 2', 'orders.put', 'q', 30],
      ['2 1', 'orders.v2.get', 'q', 25],
      ['2 2', 'orders.v2.put', 'q', 15],
    ],
  })
  const split = tallySplit(snapshot(0, {S0: []}), after, wildcards)
  expect(split.legs.map(({messages, listeners}) => [messages, listeners])).toEqual([
    [60, 2],
    [40, 2],
  ])
})

test('subscriptions that come and go, and servers that restart, appear or vanish', () => {
  const split = tallySplit(
    snapshot(0, {
      S0: [
        ['1 1', 'orders.v1', 'q', 100],
        ['1 2', 'orders.v1', 'q', 500],
      ],
      S1: [['1 1', 'orders.v2', 'q', 900]],
      S2: [['1 1', 'orders.v2', 'q', 900]],
    }),
    snapshot(1000, {
      S0: [
        ['1 1', 'orders.v1', 'q', 140],
        ['9 1', 'orders.v1', 'q', 20],
      ],
      'S1#2': [['1 1', 'orders.v2', 'q', 40]],
      S3: [['1 1', 'orders.v2', 'q', 12_345]],
    }),
    addresses,
  )
  expect(split.legs.map(({messages}) => messages)).toEqual([60, 40])
  expect(split.gaps).toEqual([
    "Server 'S3' was not there at the beginning and is not counted.",
    "A subscription ended at server 'S0': its last messages are not counted.",
    "Server 'S1' went away or does not answer: what it delivered is not counted.",
    "Server 'S2' went away or does not answer: what it delivered is not counted.",
  ])
})

test('a connection that comes back under the numbers of another begins anew', () => {
  const split = tallySplit(
    snapshot(0, {
      S0: [
        ['1 1', 'orders.v1', 'q', 100],
        ['2 1', 'other', 'q', 5],
      ],
    }),
    snapshot(1000, {
      S0: [
        ['1 1', 'orders.v1', 'q', 7],
        ['2 1', 'orders.v2', 'q', 9],
      ],
    }),
    addresses,
  )
  expect(split.legs.map(({messages}) => messages)).toEqual([7, 9])
})

test('where nobody listens nothing can be counted, and the rest is compared with what it was asked for', () => {
  const split = tallySplit(
    snapshot(0, {S0: []}),
    snapshot(1000, {
      S0: [
        ['1 1', 'a', 'q', 60],
        ['1 2', 'b', 'q', 30],
      ],
    }),
    [
      {version: one, subject: 'a', weight: 60},
      {version: two, subject: 'b', weight: 30},
      {version: parseVersion('3.0.0'), subject: 'c', weight: 10},
    ],
  )
  expect(split.agrees).toBe(false)
  expect(split.legs.map(({asked}) => asked)).toEqual([66.67, 33.33, undefined])
  expect(split.gaps).toEqual([
    'No subscription of 3.0.0 is seen: nobody listens, or behind a leaf node, and what it gets is not counted.',
  ])
})

test('a whole cluster of draws is told as it was asked for, and 30 points more are noticed', () => {
  const next = random(7)
  const drawn = (share: number): boolean => {
    const counts = [0, 0, 0, 0]
    for (let draw = 0; draw < 2000; draw++) {
      const version = next() * 100 < share ? 0 : 1
      counts[version * 2 + (next() < 0.5 ? 0 : 1)]!++
    }
    const [a, b, c, d] = counts as [number, number, number, number]
    const after = snapshot(1000, {
      S0: [
        ['1 1', 'orders.v1', 'q', a],
        ['1 2', 'orders.v2', 'q', c],
      ],
      S1: [
        ['1 1', 'orders.v1', 'q', b],
        ['1 2', 'orders.v2', 'q', d],
      ],
    })
    return tallySplit(snapshot(0, {S0: [], S1: []}), after, addresses).agrees
  }
  const right = Array.from({length: 300}, () => drawn(70)).filter(Boolean).length
  expect(right).toBeGreaterThan(270)
  expect(right).toBeLessThan(298)
  expect(Array.from({length: 50}, () => drawn(40)).some(Boolean)).toBe(false)
})
