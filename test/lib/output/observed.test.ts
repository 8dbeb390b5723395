import {expect, test} from 'vitest'

import {RedrawnText} from '../../../src/lib/cli/redraw.js'
import {parseVersion} from '../../../src/lib/entity/version.js'
import type {ObservedSplit} from '../../../src/lib/observe/split.js'
import {bar, observedView, routeTickView} from '../../../src/lib/output/observed.js'
import {tracedRouteView} from '../../../src/lib/output/trace.js'
import type {TracedEndpoint} from '../../../src/lib/routes/proof/trace.js'
import type {RouteTick} from '../../../src/lib/routes/proof/watch.js'

const [one, two] = [parseVersion('1.0.0'), parseVersion('2.0.0')]

const observed: ObservedSplit = {
  legs: [
    {
      version: one,
      listeners: 3,
      taps: 0,
      messages: 700,
      ratePerSecond: 140,
      share: 70,
      interval: [67.08, 72.76],
      asked: 70,
      agrees: true,
    },
    {
      version: two,
      listeners: 3,
      taps: 1,
      messages: 300,
      ratePerSecond: 60,
      share: 30,
      interval: [27.24, 32.92],
      asked: 40,
      agrees: false,
    },
  ],
  messages: 1000,
  ratePerSecond: 200,
  windowMs: 5003,
  agrees: false,
  servers: ['S0', 'S1'],
  gaps: ["Server 'S\u001b[31m' went away."],
}
const tick: RouteTick = {
  entity: 'echo',
  key: 'M',
  lattice: 'east',
  source: 'wasmbus.rpc.east.M',
  state: 'current',
  effective: {
    visible: true,
    legs: null,
    mappings: null,
    agrees: false,
    servers: [
      {name: 'S0', state: 'applied'},
      {name: 'S1', state: 'differs'},
    ],
  },
  observed,
  time: '2026-01-02T03:04:05.000Z',
  stable: false,
  waitingFor: "server 'S1' has another mapping",
}

test('a watched route is a table with bars, its servers, and what is missing', () => {
  expect(routeTickView(tick)).toBe(
    [
      "echo in lattice 'east' at 2026-01-02T03:04:05.000Z",
      'VERSION  ASKED  OBSERVED                           95 %          MESSAGES/S  LISTENERS',
      '1.0.0    70 %   ##################.......  70 %    67.1 to 72.8  140         3',
      '2.0.0    40 %   ########.................  30 % !  27.2 to 32.9  60          3',
      'Servers: S0 applied, S1 differs',
      'Measured: 1000 messages in 5 s, 200/s on S0, S1, not as asked',
      "Server 'S\\u{1b}[31m' went away.",
      "Not stable: server 'S1' has another mapping.",
    ].join('\n'),
  )
})

test('what was observed is a few labelled lines in a pipe', () => {
  expect(observedView(tick, {terminal: false})).toBe(
    [
      'observed  1.0.0 70 % (67.1 to 72.8), 2.0.0 30 % (27.2 to 32.9)',
      'measured  1000 messages in 5 s, 200/s on S0, S1, not as asked',
      "note      Server 'S\\u{1b}[31m' went away.",
    ].join('\n'),
  )
  const {observed: _, ...rest} = tick
  expect(observedView(rest, {terminal: false})).toBe('')
  expect(observedView({...rest, unobserved: 'No permission.'}, {terminal: true})).toBe(
    'observed  not counted: No permission.',
  )
})

test('a bar is as long as its share', () => {
  expect([0, 2, 50, 100, 130].map((share) => bar(share).indexOf('.'))).toEqual([0, 1, 13, -1, -1])
})

const trace: TracedEndpoint = {
  subject: 'orders.get',
  server: {id: 'N', name: 'S0', cluster: 'east'},
  probes: 10,
  answered: 9,
  incomplete: 1,
  destinations: [
    {
      subject: 'v1.get',
      version: one,
      fate: 'delivered',
      probes: 6,
      share: 66.67,
      interval: [35.42, 87.94],
      subscribers: [{server: 'S1', client: 'worker', subscription: 'v1.get', queue: 'q'}],
    },
    {subject: '', fate: 'dropped', probes: 3, share: 33.33, interval: [12.06, 64.58], subscribers: []},
  ],
  path: [
    {
      server: {id: 'N', name: 'S0', cluster: 'east'},
      further: 1,
      events: [
        {type: 'in', from: 'client', name: 'caller', subject: 'orders.get'},
        {type: 'mapped', to: 'v1.get'},
        {type: 'out', to: 'server', name: 'S1'},
      ],
    },
    {
      server: {id: 'M', name: 'S1', cluster: 'east'},
      hop: '1',
      further: 0,
      events: [
        {type: 'in', from: 'server', name: 'S0', subject: 'v1.get'},
        {type: 'out', to: 'client', name: 'wor\nker', subscription: 'v1.get', queue: 'q'},
      ],
    },
  ],
}

test('a trace tells where messages go and the whole way of one', () => {
  expect(tracedRouteView({lattice: 'east', traces: [trace]}, {terminal: true})).toBe(
    [
      "'orders.get' from server 'S0' in cluster 'east', 10 probes, 1 of them without an answer, of 1 not the whole way",
      'VERSION  SHARE   95 %          PROBES  FATE                         BY                      TO',
      '1.0.0    66.7 %  35.4 to 87.9  6       delivered                    worker at S1 (queue q)  v1.get',
      '         33.3 %  12.1 to 64.6  3       dropped by the mapping: 503',
      '',
      'The way of one:',
      '  S0 (east)',
      "    in from client 'caller' as 'orders.get'",
      "    mapped to 'v1.get'",
      "    out to server 'S1'",
      '  S1 (east)',
      "    in from server 'S0' as 'v1.get'",
      "    out to client 'wor\\u{a}ker' on 'v1.get', queue 'q'",
    ].join('\n'),
  )
  expect(tracedRouteView({lattice: 'east', traces: [trace]}, {terminal: false}).split('\n')).toEqual([
    'orders.get\t1.0.0\t66.7 %\t35.4 to 87.9\t6\tdelivered\tworker at S1 (queue q)\tv1.get',
    'orders.get\t\t33.3 %\t12.1 to 64.6\t3\tdropped\t\t',
  ])
})

test('a text that is drawn again takes the place of the one before, one line a line', () => {
  const written: string[] = []
  const drawn = new RedrawnText({columns: 30, write: (text) => written.push(text)})
  drawn.show(`one\n${'x'.repeat(40)}`)
  drawn.show('two')
  expect(written).toEqual([`\u001b[Jone\n${'x'.repeat(29)}\n`, '\u001b[2A\u001b[Jtwo\n'])
})
