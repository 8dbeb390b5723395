import fc from 'fast-check'

import type {ListedEndpoint} from '../../src/lib/entity/entity.js'
import {asDestination, type Routed} from '../../src/lib/routing/endpoint.js'
import {planRoute, type Destination, type MappingPlan} from '../../src/lib/routing/plan.js'
import type {Leg} from '../../src/lib/routing/weights.js'
import {splits, versions} from './splits.js'

/** One token of a subject, as odd as servers take it. */
export function tokens(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/),
    fc.string({minLength: 1, maxLength: 6, unit: 'grapheme'}).filter(isToken),
    fc.constantFrom('1', '42', '__proto__', 'constructor', "it's", '"', '\\', '#', '$x', 'é', '-f', 'include', '100%'),
  )
}

function isToken(text: string): boolean {
  return !/[\s\p{Cc}.*>{}]/u.test(text) && !/^\$[+-]?\d+$/.test(text) && text.isWellFormed() && text !== '\ufffd'
}

/** Sources, some with wildcards. */
export function sources(): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.array(fc.oneof({weight: 4, arbitrary: tokens()}, fc.constant('*')), {maxLength: 4}),
      tokens(),
      fc.boolean(),
    )
    .map(([rest, first, open]) => [first, ...rest, ...(open ? ['>'] : [])].join('.'))
}

/** Legs of so many versions, some of them dropped, some for one cluster. */
export function legs(found: readonly Leg['version'][]): fc.Arbitrary<Leg[]> {
  const group = (extra: Partial<Leg>): fc.Arbitrary<Leg[]> =>
    splits(found.length).map((weights) => weights.map((weight, index) => ({version: found[index]!, weight, ...extra})))
  return fc.oneof(
    group({}),
    fc.tuple(group({}), group({cluster: 'east side'}), fc.constant('')).map(([some, others]) => [...some, ...others]),
    group({}).map((some) => some.map((leg, index) => (index === 0 ? {...leg, sink: true as const} : leg))),
  )
}

/** Entities of each kind, with legs. */
export function routes(): fc.Arbitrary<{readonly entity: Routed; readonly legs: readonly Leg[]}> {
  return fc
    .tuple(fc.uniqueArray(versions(), {minLength: 1, maxLength: 5}), fc.array(sources(), {minLength: 1, maxLength: 4}))
    .chain(([found, subjects]) =>
      fc.record({
        entity: fc.constantFrom<Routed>(
          {kind: 'actor', key: 'MBCFOPM6JW2APJLXJD3Z5O4CN7CPYJ2B4FTKLJUR5YR5MITIU7HD3WD5'},
          {kind: 'provider', key: 'VAG3QITQQ2ODAOWB5TTQSDJ53XK3SHBEIFNK4AYJ5RKAX2UNSCAPHA5M', link: 'b'},
          {kind: 'service', key: 'orders', endpoints: endpoints([...new Set(subjects)], found)},
        ),
        legs: legs(found),
      }),
    )
}

function endpoints(subjects: readonly string[], found: readonly string[]): ListedEndpoint[] {
  return subjects.map((source) => ({
    source,
    addresses: Object.fromEntries(found.map((version, index) => [version, `v${index}.${asDestination(source)}`])),
  }))
}

/** The mappings of such routes. */
export function plans(): fc.Arbitrary<MappingPlan[]> {
  return routes().map(({entity, legs: asked}) => planRoute('default', entity, asked))
}

/** Mappings in one order, for comparing what they mean. */
export function ordered(some: readonly MappingPlan[]): unknown {
  return some
    .map(({source, destinations}) => ({source, destinations: inOrder(destinations)}))
    .sort((a, b) => (a.source < b.source ? -1 : 1))
}

function inOrder(destinations: readonly Destination[]): Destination[] {
  const text = ({subject, cluster = ''}: Destination): string => `${cluster} ${subject}`
  return [...destinations].sort((a, b) => (text(a) < text(b) ? -1 : 1))
}
