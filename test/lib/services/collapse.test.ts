import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import type {ListedEndpoint} from '../../../src/lib/entity/entity.js'
import {asDestination} from '../../../src/lib/routing/endpoint.js'
import {subjectsOverlap} from '../../../src/lib/routing/subject.js'
import {collapseEndpoints as collapse, type CollapseOptions} from '../../../src/lib/services/collapse.js'

/** In an account where nobody else listens, unless it is said. */
const collapseEndpoints = (list: readonly ListedEndpoint[], options: Partial<CollapseOptions> = {}) =>
  collapse(list, {heard: [], ...options})

const endpoint = (source: string, addresses: Record<string, string>, queue?: string): ListedEndpoint => ({
  source,
  addresses,
  ...(queue === undefined ? {} : {queue}),
})

const orders = (...names: readonly string[]): ListedEndpoint[] =>
  names.map((name) => endpoint(`orders.${name}`, {'1.0.0': `orders.v1.${name}`, '2.0.0': `orders.v2.${name}`}, 'q'))

describe('endpoints become one wildcard source', () => {
  test('where they differ in one token', () => {
    expect(collapseEndpoints(orders('get', 'put'))).toEqual([
      endpoint('orders.*', {'1.0.0': 'orders.v1.$1', '2.0.0': 'orders.v2.$1'}, 'q'),
    ])
  })

  test('where one version is the incumbent of all', () => {
    const list = ['get', 'put'].map((name) =>
      endpoint(`orders.${name}`, {'1.0.0': `orders.${name}`, '2.0.0': `v2.${name}.orders`}),
    )
    expect(collapseEndpoints(list)).toEqual([endpoint('orders.*', {'1.0.0': 'orders.*', '2.0.0': 'v2.$1.orders'})])
  })

  test('where a version has some of them only', () => {
    const [get, put] = orders('get', 'put') as [ListedEndpoint, ListedEndpoint]
    const list = [get, endpoint('orders.put', {'2.0.0': 'orders.v2.put', '3.0.0': 'orders.v3.put'})]
    expect(collapseEndpoints(list)[0]!.addresses).toEqual({
      '1.0.0': 'orders.v1.$1',
      '2.0.0': 'orders.v2.$1',
      '3.0.0': 'orders.v3.$1',
    })
    expect(collapseEndpoints([put, endpoint('orders.v1', {'1.0.0': 'v1.v1', '2.0.0': 'orders.v2.v1'})])).toHaveLength(2)
  })

  test('whose queue group is not told where they have different ones', () => {
    const [get, put] = orders('get', 'put') as [ListedEndpoint, ListedEndpoint]
    expect(collapseEndpoints([get, {...put, queue: 'other'}])[0]!.queue).toBeUndefined()
  })
})

describe('endpoints stay as they are', () => {
  const [get, put] = orders('get', 'put') as [ListedEndpoint, ListedEndpoint]
  test.each<[string, readonly ListedEndpoint[], readonly string[]]>([
    ['when there is none', [], []],
    ['when there is one', [get], []],
    ['when the first token differs', [endpoint('get', {'1': 'v1.get'}), endpoint('put', {'1': 'v1.put'})], []],
    ['when two tokens differ', [endpoint('o.a.x', {'1': 'v.a.x'}), endpoint('o.b.y', {'1': 'v.b.y'})], []],
    ['when their length differs', [endpoint('o.a', {'1': 'v.a'}), endpoint('o.b.c', {'1': 'v.b.c'})], []],
    ['when a version does not carry the token', [endpoint('o.a', {'1': 'v.a'}), endpoint('o.b', {'1': 'v.c'})], []],
    ['when a version swaps two', [endpoint('o.a', {'1': 'v.b'}), endpoint('o.b', {'1': 'v.a'})], []],
    ['when it would catch an address', [endpoint('o.a', {'1': 'o1.a'}), endpoint('o.b', {'1': 'o.b1'})], []],
    ['when one is an incumbent only', [endpoint('o.a', {'1': 'o.a'}), endpoint('o.b', {'1': 'v.b'})], []],
    ['when they have wildcards', [endpoint('o.*', {'1': 'v.$1'}), endpoint('o.b.*', {'1': 'v.b.$1'})], []],
    ['when another service is there', [get, put], ['orders.stats']],
    ['when another wildcard is there', [get, put], ['*.health']],
  ])('%s', (_name, list, others) => {
    expect(collapseEndpoints(list, {others})).toEqual(list)
  })

  test('when somebody else listens there, but not for those who listen to more', () => {
    expect(collapseEndpoints([get, put], {heard: ['orders.created']})).toHaveLength(2)
    expect(collapseEndpoints([get, put], {heard: ['>', 'orders.>', '*.created', 'orders.get', 'x.y']})).toHaveLength(1)
  })

  test('when nobody can tell who listens', () => {
    expect(collapse([get, put], {heard: undefined})).toHaveLength(2)
    expect(collapse([get, put], {heard: undefined, recorded: ['orders.*']})).toHaveLength(1)
  })

  test('when the route that is there has a source each, and the other way round', () => {
    expect(collapseEndpoints([get, put], {recorded: ['orders.get', 'orders.put']})).toEqual([get, put])
    expect(collapseEndpoints([get, put], {recorded: ['orders.*'], heard: ['orders.created']})).toHaveLength(1)
  })

  test('when it would catch the inboxes of this user', () => {
    expect(
      collapseEndpoints([endpoint('me.in.a', {'1': 'v.a'}), endpoint('me.in.b', {'1': 'v.b'})], {inboxPrefix: 'me.in'}),
    ).toHaveLength(2)
  })
})

/** Where a server sends a message: the wildcards of the source filled into the destination. */
function mapped(source: string, destination: string, subject: string): string | undefined {
  const [pattern, tokens] = [source.split('.'), subject.split('.')]
  if (pattern.length !== tokens.length) return undefined
  if (!pattern.every((token, index) => token === '*' || token === tokens[index])) return undefined
  const values = tokens.filter((_, index) => pattern[index] === '*')
  return asDestination(destination).replace(/\$(\d+)/g, (_, digits: string) => values[Number(digits) - 1]!)
}

const token = fc.constantFrom('o', 'get', 'put', 'v1', 'v2', 'x', '_INBOX')
const subject = fc.array(token, {minLength: 1, maxLength: 4}).map((tokens) => tokens.join('.'))
const names = fc.uniqueArray(fc.constantFrom('get', 'put', 'del', 'x'), {minLength: 1, maxLength: 4})
/** Some that fit together, with one subject of any kind among them at times. */
const lists = fc
  .tuple(names, subject, subject, fc.boolean(), fc.option(subject), fc.constantFrom('', '.all'))
  .map(([list, first, second, incumbent, odd, end]) =>
    list.map((name, index) => {
      const source = `s.${name}${end}`
      const addresses = {
        '1.0.0': incumbent ? source : `${first}.${name}`,
        '2.0.0': odd !== null && index === 0 ? odd : `${second}.${name}${end}`,
      }
      return endpoint(source, addresses)
    }),
  )

describe('whatever the endpoints are', () => {
  test('every source goes to the same subjects, and nothing else is caught', () => {
    let collapsedSome = 0
    fc.assert(
      fc.property(lists, fc.array(subject, {maxLength: 3}), (list, others) => {
        const result = collapseEndpoints(list, {others})
        for (const {source, addresses} of list) {
          for (const [version, address] of Object.entries(addresses)) {
            const reached = result.flatMap((each) => mapped(each.source, each.addresses[version]!, source) ?? [])
            expect(reached).toEqual([address])
          }
        }
        if (result === list) return
        collapsedSome += 1
        const [{source}] = result as [ListedEndpoint]
        const own = list.flatMap((each) => Object.values(each.addresses).filter((address) => address !== each.source))
        for (const other of [...own, ...others, '_INBOX.>', '$SRV.>', '$JS.>', '$KV.>']) {
          expect(subjectsOverlap(source, other)).toBe(false)
        }
      }),
      {numRuns: 2000},
    )
    expect(collapsedSome).toBeGreaterThan(50)
  })
})
