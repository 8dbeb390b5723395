import fc from 'fast-check'
import {expect, test} from 'vitest'

import {compareTables, decodeTable, predictTable, type TokenMappings} from '../../../src/lib/routing/effective.js'
import {asDestination, endpointsOf} from '../../../src/lib/routing/endpoint.js'
import {legsOf, planRoute, type Destination} from '../../../src/lib/routing/plan.js'
import {checkLegs} from '../../../src/lib/routing/weights.js'
import {routes, sources} from '../../support/mappings.js'

/** A list as servers keep it: the rest filled up unless the source is listed, sorted by weight, summed up; each cluster by itself. */
function asServed(source: string, list: readonly Destination[]): Destination[] {
  const lossy = list.some(({subject}) => subject === source)
  const groups = Map.groupBy(list, ({cluster}) => cluster)
  if (!groups.has(undefined)) groups.set(undefined, [])
  return [...groups].flatMap(([cluster, group]) => {
    const rest = 100 - group.reduce((sum, {weight}) => sum + weight, 0)
    const own = {subject: asDestination(source), weight: rest, ...(cluster === undefined ? {} : {cluster})}
    let reached = 0
    return [...group, ...(rest > 0 && !lossy ? [own] : [])]
      .sort((a, b) => a.weight - b.weight)
      .map((one) => ({...one, weight: (reached += one.weight)}))
  })
}

const lists = (source: string): fc.Arbitrary<Destination[]> =>
  fc
    .array(fc.tuple(fc.integer({min: 1, max: 30}), fc.constantFrom(undefined, 'east', 'west'), fc.boolean()), {
      maxLength: 9,
    })
    .map((items) =>
      items.map(([weight, cluster, own], index) => ({
        subject: own && index === 0 ? source : `d${index}`,
        weight: Math.min(weight, Math.floor(100 / items.length)),
        ...(cluster === undefined ? {} : {cluster}),
      })),
    )

test('decoding what a server serves gives back the weights that were asked for', () => {
  const mappings = sources().chain((source) => lists(source).map((list): TokenMappings => ({[source]: list})))
  fc.assert(
    fc.property(mappings, (asked) => {
      const served = Object.entries(asked).map(([source, list]) => [source, asServed(source, list as Destination[])])
      const decoded = decodeTable(Object.fromEntries(served) as Record<string, Destination[]>)
      expect(compareTables(predictTable(asked), decoded)).toEqual([])
    }),
    {numRuns: 500},
  )
})

test('and the legs of a route', () => {
  fc.assert(
    fc.property(routes(), ({entity, legs}) => {
      const plans = planRoute('default', entity, legs)
      // Servers refuse a destination that stands in two clusters, and no such plan gets to them.
      fc.pre(
        plans.every(({destinations}) => new Set(destinations.map(({subject}) => subject)).size === destinations.length),
      )
      const served = Object.fromEntries(plans.map(({source, destinations}) => [source, asServed(source, destinations)]))
      const decoded = decodeTable(served)
      const present = endpointsOf('default', entity).map(({source}) => ({source, destinations: decoded.get(source)}))
      expect(legsOf('default', entity, present)).toEqual(checkLegs(legs))
    }),
    {numRuns: 300},
  )
})
