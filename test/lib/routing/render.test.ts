import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {parseMappings, renderMappings} from '../../../src/lib/conf/mappings-text.js'
import {UsageError} from '../../../src/lib/errors.js'
import {parseClaims} from '../../../src/lib/routing/parse-claims.js'
import {applyNsc, parseNsc} from '../../../src/lib/routing/parse-nsc.js'
import {parsePlans} from '../../../src/lib/routing/parse-plans.js'
import type {Destination, MappingPlan} from '../../../src/lib/routing/plan.js'
import {renderClaims} from '../../../src/lib/routing/render-claims.js'
import {planNsc, renderNsc, type NscStep} from '../../../src/lib/routing/render-nsc.js'
import {renderJson, renderYaml, sortedPlans} from '../../../src/lib/routing/render-plans.js'
import {ordered, plans} from '../../support/mappings.js'

const example: readonly MappingPlan[] = [
  {
    source: 'stock.*.>',
    destinations: [{subject: 'v3.stock.$1.>', weight: 100}],
  },
  {
    source: 'orders.get',
    destinations: [
      {subject: 'v1.orders.get', weight: 90},
      {subject: 'v2.orders.get', weight: 10},
      {subject: 'v3.orders.get', weight: 0},
      {subject: 'eu.orders.get', weight: 100, cluster: 'eu'},
    ],
  },
]

describe('mappings as text', () => {
  test('as claims of a token, where a weight of 0 would mean 100', () => {
    expect(JSON.parse(renderClaims(example))).toEqual({
      nats: {
        mappings: {
          'orders.get': [
            {subject: 'v1.orders.get', weight: 90},
            {subject: 'v2.orders.get', weight: 10},
            {subject: 'eu.orders.get', weight: 100, cluster: 'eu'},
          ],
          'stock.*.>': [{subject: 'v3.stock.$1.>', weight: 100}],
        },
      },
    })
  })

  test('as calls of nsc, which write a source anew whose present destinations are unknown', () => {
    const steps = planNsc(example.map(({source, destinations}) => ({source, present: undefined, wanted: destinations})))
    expect(renderNsc(steps, 'My Shop').split('\n')).toEqual([
      `nsc delete mapping -a 'My Shop' -f 'stock.*.>'`,
      `nsc add mapping -a 'My Shop' -f 'stock.*.>' -t 'v3.stock.$1.>' --weight 100`,
      `nsc delete mapping -a 'My Shop' -f orders.get`,
      `nsc add mapping -a 'My Shop' -f orders.get -t v1.orders.get --weight 90`,
      `nsc add mapping -a 'My Shop' -f orders.get -t v2.orders.get --weight 10`,
      `nsc add mapping -a 'My Shop' -f orders.get -t eu.orders.get --weight 100 --cluster eu`,
      `nsc push -a 'My Shop'`,
      '',
    ])
  })

  test('as YAML', async () => {
    expect(await renderYaml(example.slice(0, 1))).toBe(
      [
        'mappings:',
        '  - source: stock.*.>',
        '    destinations:',
        '      - subject: v3.stock.$1.>',
        '        weight: 100',
        '',
      ].join('\n'),
    )
  })

  test('two mappings of one source are refused', () => {
    expect(() => renderClaims([example[0]!, example[0]!])).toThrow("The source 'stock.*.>' has two mappings.")
  })

  test('an account that no line can name is refused', () => {
    expect(() => renderNsc([{kind: 'push'}], 'a\nrm -r /')).toThrow(UsageError)
  })
})

describe('what is rendered is read back', () => {
  test('from the configuration of a server, unless its language cannot say it', () => {
    fc.assert(
      fc.property(plans(), (some) => {
        const table = sortedPlans(some).map(({source, destinations}) => [source, destinations] as const)
        // Keys know no escapes.
        fc.pre(table.every(([source]) => !/["'\\]/.test(source)))
        const read = [...parseMappings(renderMappings(new Map(table)), 'mappings.conf')]
        expect(ordered(read.map(([source, destinations]) => ({source, destinations})))).toEqual(ordered(some))
      }),
    )
  })

  test('from claims', () => {
    fc.assert(
      fc.property(plans(), (some) => {
        expect(ordered(parseClaims(renderClaims(some)))).toEqual(ordered(some))
      }),
    )
  })

  test('from lines for nsc', () => {
    fc.assert(
      fc.property(plans(), (some) => {
        const steps = planNsc(
          some.map(({source, destinations}) => ({source, present: undefined, wanted: destinations})),
        )
        const script = parseNsc(renderNsc(steps, "O'Hara & Sons"))
        expect(script).toEqual({account: "O'Hara & Sons", steps})
        expect(ordered(applyNsc([], script.steps))).toEqual(ordered(some))
      }),
    )
  })

  test('from JSON and YAML', async () => {
    await fc.assert(
      fc.asyncProperty(plans(), async (some) => {
        expect(ordered(await parsePlans(renderJson(some)))).toEqual(ordered(some))
        expect(ordered(await parsePlans(await renderYaml(some)))).toEqual(ordered(some))
      }),
    )
  })
})

/** nsc 2.12 to 2.15 as its source has it, with its slip: a deletion from the third destination on takes others along. */
function runNsc(table: Map<string, Destination[]>, step: NscStep): void {
  if (step.kind === 'push') return
  const list = table.get(step.source) ?? []
  const at = list.findIndex(
    ({subject, cluster}) => subject === step.destination?.subject && cluster === step.destination.cluster,
  )
  if (step.kind === 'add') {
    const {weight} = step.destination
    if (!Number.isInteger(weight) || weight < 1 || weight > 100) throw new Error(`weight ${weight}`)
    if (at >= 0) list[at] = step.destination
    else list.push(step.destination)
    table.set(step.source, list)
  } else if (step.destination === undefined) {
    table.delete(step.source)
  } else if (at >= 0) {
    if (at > 0 && at + at > list.length) throw new Error('slice bounds out of range')
    const rest = at === 0 ? list.slice(1) : [...list.slice(0, at), ...list.slice(at + at)]
    if (rest.length === 0) table.delete(step.source)
    else table.set(step.source, rest)
  }
  for (const cluster of new Set((table.get(step.source) ?? []).map((one) => one.cluster))) {
    const weights = (table.get(step.source) ?? []).filter((one) => one.cluster === cluster)
    const sum = weights.reduce((total, {weight}) => total + weight, 0)
    if (sum > 100) throw new Error(`exceeds 100% among all of it's weighted to mappings: ${sum}`)
  }
}

describe('from the present mappings to the wanted ones', () => {
  /** Two states of the same sources, either of them empty at times. */
  const states = fc.tuple(plans(), plans()).map(([some, others]) =>
    some.map(({source, destinations}, index) => ({
      source,
      present: index % 4 === 3 ? [] : destinations.filter(({weight}) => weight > 0),
      wanted: index % 4 === 2 ? [] : blend(destinations, others[index]?.destinations ?? []),
    })),
  )

  test('nsc takes every step, whatever it does in between, and ends at what is wanted', () => {
    fc.assert(
      fc.property(states, (changes) => {
        const table = new Map(changes.map(({source, present}) => [source, [...present]]))
        const steps = planNsc(changes)
        for (const step of steps) runNsc(table, step)
        for (const {source, wanted} of changes) {
          const list = wanted.filter(({weight}) => weight > 0)
          expect(ordered([{source, destinations: table.get(source) ?? []}])).toEqual(
            ordered([{source, destinations: list}]),
          )
        }
      }),
      {numRuns: 500},
    )
  })

  test('lowers first, then raises, and deletes one of two by itself', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((subject) => (weight: number) => ({subject, weight})) as [
      (weight: number) => Destination,
      (weight: number) => Destination,
      (weight: number) => Destination,
    ]
    const lines = (present: Destination[], wanted: Destination[]): string[] =>
      renderNsc(planNsc([{source: 'x', present, wanted}]), 'A')
        .split('\n')
        .map((line) => line.replace(/^nsc (\w+)(?: mapping)? -a A(?: -f x)?/, '$1'))
        .filter((line) => line !== '')
    expect(lines([a(10), b(90)], [a(70), b(30)])).toEqual(['add -t b --weight 30', 'add -t a --weight 70', 'push'])
    expect(lines([a(10), b(90)], [b(100)])).toEqual(['delete -t a', 'add -t b --weight 100', 'push'])
    expect(lines([a(10), b(90)], [])).toEqual(['delete', 'push'])
    expect(lines([], [a(100)])).toEqual(['add -t a --weight 100', 'push'])
    expect(lines([a(100)], [a(100)])).toEqual([])
    expect(lines([a(10), b(20), c(70)], [a(30), b(70)])).toEqual([
      'delete',
      'add -t a --weight 30',
      'add -t b --weight 70',
      'push',
    ])
  })

  test('a step that nsc refuses is refused when the lines are read', () => {
    const text = 'nsc add mapping -f x -t a --weight 60\nnsc add mapping -f x -t b --weight 60'
    expect(() => applyNsc([], parseNsc(text).steps)).toThrow(/sum to 120 in between/)
  })
})

/** The destinations of one with weights of the other, so that some go, some come and some change. */
function blend(own: readonly Destination[], other: readonly Destination[]): Destination[] {
  if (other.length === 0) return own.map((one, index) => ({...one, weight: index === 0 ? one.weight : 0}))
  const groups = Map.groupBy(own, ({cluster}) => cluster)
  return [...groups.values()].flatMap((group) => {
    const kept = group.filter((_, index) => (index + other.length) % 3 !== 0)
    const share = Math.floor(100 / Math.max(1, kept.length + 1))
    return [
      ...kept.map((one, index) => ({...one, weight: Math.max(1, share - index)})),
      ...(other.length % 2 === 0 ? [{...group[0]!, subject: 'new.one', weight: share}] : []),
    ]
  })
}
