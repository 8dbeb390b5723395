import {describe, expect, test} from 'vitest'

import type {ChangePlan} from '../../../src/lib/routes/draft.js'
import {judgeSurroundings} from '../../../src/lib/routes/preflight/around.js'
import type {Surroundings} from '../../../src/lib/routes/preflight/surroundings.js'
import {predictTable} from '../../../src/lib/routing/effective.js'
import type {MappingPlan} from '../../../src/lib/routing/plan.js'

const source = 'orders.get'
const mapping: MappingPlan = {
  source,
  destinations: [
    {subject: 'orders.v1.get', weight: 50},
    {subject: 'orders.v2.get', weight: 50},
  ],
}
const alone: Surroundings = {leafCount: 0, leaves: [], imports: [], importers: []}

interface World {
  readonly driver?: 'jwt' | 'config'
  readonly version?: string
  readonly mapped?: boolean
  readonly clear?: boolean
}

function judge(
  around: Partial<Surroundings>,
  {driver = 'jwt', version = '2.15.2', mapped, clear}: World = {},
): string[] {
  const table = predictTable(mapped ? {[source]: mapping.destinations} : {})
  const server = {id: 'N', name: 'hub', version}
  const view = {mappings: {}, digest: '', servers: [{server, live: {token: '', table, expired: false}}]}
  const plan: Pick<ChangePlan, 'before' | 'mappings'> = {
    before: {mappings: [{source, destinations: table.get(source)}], mapped: mapped ?? false, digest: ''},
    mappings: clear ? [] : [mapping],
  }
  const found = judgeSurroundings({driver: {name: driver}, account: 'SHOP', view}, plan, {...alone, ...around})
  return found.map(({level, sentence}) => `${level}: ${sentence}`)
}

describe('leaf nodes', () => {
  const leaf = {name: 'edge', server: 'hub', outgoing: false, subjects: [source]}
  const later = `warn: Requests to '${source}' from connected leaf nodes time out until they connect again, if nobody listens.`

  test.each<[string, World, string[]]>([
    ['a push announces a new source', {}, []],
    [
      'a reload does not',
      {driver: 'config'},
      [`warn: Leaf nodes that are connected now hear of '${source}' only when they connect again.`],
    ],
    ['a reload brings new weights', {driver: 'config', mapped: true}, []],
    [
      'a reload of an old server does not',
      {driver: 'config', mapped: true, version: '2.9.16'},
      [`warn: Leaf nodes that are connected now keep their old mapping of '${source}' until they connect again.`],
    ],
    ['a push takes a source away', {mapped: true, clear: true}, []],
    ['a push to an old server does not', {mapped: true, clear: true, version: '2.10.7'}, [later]],
    ['a reload does not take it away', {driver: 'config', mapped: true, clear: true}, [later]],
  ])('%s', (_what, world, expected) => {
    expect(judge({leafCount: 1}, world)).toEqual(expected)
  })

  test('that nobody can look at are told of where something is mapped', () => {
    const unseen = `warn: What the account's leaf nodes listen on is not visible, and 2 are connected.`
    expect(judge({leafCount: 2, leaves: undefined})).toEqual([unseen])
    expect(judge({leafCount: 2, leaves: undefined}, {mapped: true, clear: true})).toEqual([])
  })

  test('that have the name of one of our servers are another one, unless both ends are told of', () => {
    const twin = {...leaf, name: 'hub'}
    expect(judge({leafCount: 1, leaves: [twin]})).toEqual([
      expect.stringContaining("refuse: Subscribers behind the leaf node 'hub'"),
    ])
    expect(judge({leafCount: 2, leaves: [twin, {...twin, outgoing: true}]})).toEqual([])
  })
})

describe('other accounts', () => {
  const importer = {name: 'WEB', services: [{subject: 'orders.*', local: 'shop.*'}], mapped: [], inFlight: 7}

  test('that call the source hold up a push and no reload', () => {
    expect(judge({importers: [importer]})).toEqual([
      expect.stringMatching(/^refuse: Account 'WEB' calls .* 7 at this moment\.$/),
    ])
    expect(judge({importers: [importer]}, {mapped: true, clear: true})).toEqual([
      expect.stringMatching(/^warn: Account 'WEB'/),
    ])
    expect(judge({importers: [importer]}, {driver: 'config'})).toEqual([])
  })

  test('that map what the source is imported as, or imported from, would split twice', () => {
    const twice = {...importer, mapped: ['shop.get']}
    expect(judge({importers: [twice]}, {driver: 'config'})).toEqual([expect.stringContaining('would be split twice')])
    const imported = {account: 'FAR', subject: 'far.v1', local: 'orders.v1.get', mapped: ['far.*']}
    expect(judge({imports: [imported]})).toEqual([expect.stringContaining("refuse: Account 'FAR' maps 'far.v1'")])
    expect(judge({imports: [{...imported, mapped: ['else']}]})).toEqual([])
  })
})
