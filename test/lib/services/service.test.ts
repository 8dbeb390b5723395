import {describe, expect, test} from 'vitest'

import {parseVersion} from '../../../src/lib/entity/version.js'
import {LatticeError} from '../../../src/lib/errors.js'
import {alignService, parseGivenSources, requireRoutable, serviceEntities} from '../../../src/lib/services/entity.js'
import type {InstanceEndpoint, ServiceInstance} from '../../../src/lib/services/info.js'
import {groupServices, implicitSplits} from '../../../src/lib/services/service.js'

let count = 0
const instance = (version: string, endpoints: readonly InstanceEndpoint[], name = 'orders'): ServiceInstance => ({
  name,
  id: `id${++count}`,
  version: parseVersion(version),
  lattice: 'default',
  endpoints,
  unread: 0,
})
const at = (subject: string, source?: string, name = 'get'): InstanceEndpoint => ({
  name,
  subject,
  queue: 'q',
  ...(source === undefined ? {} : {source}),
})
const entity = (...instances: readonly ServiceInstance[]) => serviceEntities(groupServices(instances))[0]!
const failure = (action: () => unknown): Pick<LatticeError, 'kind' | 'message' | 'suggestions'> => {
  try {
    action()
  } catch (error) {
    if (error instanceof LatticeError) return error
  }
  throw new Error('It was not refused.')
}

describe('the source of an endpoint', () => {
  test('counts for all versions, and the one that listens there is the incumbent', () => {
    const {endpoints, instances} = entity(
      instance('1.0.0', [at('orders.get')]),
      instance('2.0.0', [at('orders.v2.get', 'orders.get')]),
    )
    expect(endpoints).toEqual([
      {source: 'orders.get', addresses: {'1.0.0': 'orders.get', '2.0.0': 'orders.v2.get'}, queue: 'q'},
    ])
    expect(instances.map(({dark}) => dark)).toEqual([false, true])
  })

  test('comes from flags where metadata does not name it', () => {
    const instances = [instance('1.0.0', [at('orders.get')]), instance('2.0.0', [at('orders.v2.get')])]
    const [service] = groupServices(instances)
    const given = parseGivenSources(service!, ['orders.get'])
    expect(parseGivenSources(service!, ['get=orders.get'])).toEqual(given)
    const [routed] = serviceEntities(groupServices(instances, new Map([['orders', given]])))
    expect(routed!.endpoints).toEqual([
      {source: 'orders.get', addresses: {'1.0.0': 'orders.get', '2.0.0': 'orders.v2.get'}, queue: 'q'},
    ])
  })

  test.each([
    [['put=orders.put', 'del=x'], '\'orders\' has no endpoint "del".'],
    [['orders.get'], '\'orders\' has 2 endpoints, and "orders.get" does not say of which it is the source.'],
    [['get=$SRV.x'], '"$SRV.x" cannot be a source: it would catch \'$SRV.>\', which NATS itself needs.'],
    [['get=a', 'get=b'], "The endpoint 'get' was given more than one source."],
  ])('is refused as %j', (texts, message) => {
    const [service] = groupServices([instance('1.0.0', [at('orders.get'), at('orders.put', undefined, 'put')])])
    expect(failure(() => parseGivenSources(service!, texts))).toMatchObject({kind: 'usage', message})
  })

  test('may hold wildcards as the endpoint does', () => {
    const {endpoints} = entity(instance('2.0.0', [at('orders.v2.*.item.>', 'orders.*.item.>')]))
    expect(endpoints).toEqual([{source: 'orders.*.item.>', addresses: {'2.0.0': 'orders.v2.$1.item.>'}, queue: 'q'}])
  })

  test('tells endpoints of one name apart', () => {
    const of = (major: number) => [at(`orders.v${major}.get`, 'orders.get'), at(`items.v${major}.get`, 'items.get')]
    const {service} = entity(instance('1.0.0', of(1)), instance('2.0.0', of(2)))
    expect(service.endpoints.map(({source, faults}) => [source, faults])).toEqual([
      ['items.get', []],
      ['orders.get', []],
    ])
  })
})

describe('a split is refused', () => {
  const refused = (versions: readonly string[], ...instances: readonly ServiceInstance[]) => {
    const all = serviceEntities(groupServices(instances))
    return failure(() => requireRoutable(all[0]!, versions, {all, heard: []}))
  }

  test('where versions share subject and queue group, with their ratio and what to change', () => {
    const old = Array.from({length: 9}, () => instance('1.0.0', [at('orders.get')]))
    const instances = [...old, instance('2.0.0', [at('orders.get')])]
    expect(implicitSplits(groupServices(instances)[0]!)).toEqual([
      {
        endpoint: 'get',
        subject: 'orders.get',
        queue: 'q',
        versions: [
          {version: '1.0.0', share: 9},
          {version: '2.0.0', share: 1},
        ],
      },
    ])
    expect(refused(['1.0.0', '2.0.0'], ...instances)).toMatchObject({
      kind: 'unsafe',
      message:
        "Versions 1.0.0 and 2.0.0 of 'orders' share 'orders.get' and its queue group 'q': an implicit split by subscriptions, 9:1.",
      suggestions: [
        'Give version 2.0.0 a subject of its own, and name the one that callers use:',
        "service.addEndpoint('get', {subject: 'orders.v2.get',",
        "  metadata: {'lattice.source': 'orders.get'}, handler})",
      ],
    })
  })

  test('where they share it without a queue group', () => {
    const {queue: _, ...tap} = at('orders.get')
    expect(refused(['2.0.0'], instance('1.0.0', [tap]), instance('2.0.0', [tap])).message).toBe(
      "Versions 1.0.0 and 2.0.0 of 'orders' all answer every request on 'orders.get', having no queue group.",
    )
  })

  test('where nobody runs a version, by its name', () => {
    const [one, two] = [1, 2].map((major) => instance(`${major}.0.0`, [at(`orders.v${major}.get`, 'orders.get')]))
    expect(refused(['1.0.0', '3.0.0'], one!, two!)).toMatchObject({
      kind: 'unsafe',
      message: "Nobody runs 'orders@3.0.0'.",
      suggestions: ['lattice entity inspect orders'],
    })
  })

  test('where no source is known', () => {
    expect(refused(['2.0.0'], instance('1.0.0', [at('orders.v1.get')]), instance('2.0.0', [at('x')]))).toMatchObject({
      kind: 'usage',
      message: "No endpoint of 'orders' names the subject that its callers use.",
      suggestions: [
        '--source get=SUBJECT',
        "or in the service: metadata: {'lattice.source': 'SUBJECT'} at its endpoint 'get'",
      ],
    })
  })

  test.each([
    [
      'versions contradict each other',
      [instance('1.0.0', [at('a', 's.get')]), instance('2.0.0', [at('b', 's.fetch')])],
      "Endpoint 'get': Its versions name several sources: s.fetch, s.get.",
    ],
    [
      'instances of a version contradict each other',
      [instance('1.0.0', [at('a', 's.get')]), instance('1.0.0', [at('b', 's.get')])],
      "Endpoint 'get': Instances of version 1.0.0 listen on different subjects or queue groups, one on 'b'.",
    ],
    [
      'the subject does not have the wildcards of the source',
      [instance('1.0.0', [at('a.b', 's.*')])],
      "Endpoint 'get': Version 1.0.0 on 'a.b' cannot stand behind 's.*': it has $1 nowhere, and needs each * once.",
    ],
    [
      'the source is not for mapping',
      [instance('1.0.0', [at('a', '_INBOX.x')])],
      "Endpoint 'get': Version 1.0.0 on 'a' cannot stand behind '_INBOX.x': it would catch '_INBOX.>', which NATS itself needs.",
    ],
    [
      'one version hears another',
      [instance('1.0.0', [at('s.>', 's.>')]), instance('2.0.0', [at('s.v2.>')])],
      "Endpoint 'get': Version 1.0.0 on 's.>' and version 2.0.0 on 's.v2.>' hear each other's requests.",
    ],
    [
      'two endpoints have one source',
      [instance('1.0.0', [at('a', 's.get'), at('b', 's.get', 'put')])],
      "Endpoint 'get': Its source 's.get' overlaps that of endpoint 'put'.",
    ],
  ])('where %s', (_name, instances, reason) => {
    const error = refused(['1.0.0'], ...instances)
    expect(error).toMatchObject({kind: 'unsafe', message: "The endpoints of 'orders' cannot be routed as they are."})
    expect(error.suggestions).toContain(reason)
  })
})

describe('a split over versions of different endpoints', () => {
  const own = (major: number, ...names: readonly string[]) =>
    names.map((name) => at(`orders.v${major}.${name}`, `orders.${name}`, name))
  const instances = [instance('1.0.0', own(1, 'get', 'put')), instance('2.0.0', own(2, 'del', 'get', 'put'))]
  const all = serviceEntities(groupServices(instances))

  test('says which calls fail because a wildcard routes them along', () => {
    const {entity: routed, warnings} = requireRoutable(all[0]!, ['1.0.0', '2.0.0'], {all, heard: []})
    expect(routed.endpoints!.map(({source}) => source)).toEqual(['orders.*'])
    expect(warnings).toEqual([
      "Endpoint 'del' is routed along by 'orders.*': the share of version 1.0.0, which does not have it, fails.",
    ])
  })

  test('leaves those alone that some version lacks where each has a source', () => {
    const options = {all, heard: ['orders.created']}
    const {entity: routed, warnings} = requireRoutable(all[0]!, ['1.0.0', '2.0.0'], options)
    expect(routed.endpoints!.map(({source}) => source)).toEqual(['orders.get', 'orders.put'])
    expect(warnings).toEqual(["Endpoint 'del' stays as it is: version 1.0.0 does not have it."])
  })

  test('keeps its wildcard from endpoints that are called where they listen', () => {
    const health = instance('2.0.0', [...own(2, 'get', 'put'), at('orders.health', undefined, 'health')])
    const services = serviceEntities(groupServices([instance('1.0.0', own(1, 'get', 'put')), health]))
    const {entity: routed, warnings} = requireRoutable(services[0]!, ['2.0.0'], {all: services, heard: []})
    expect(routed.endpoints!.map(({source}) => source)).toEqual(['orders.get', 'orders.put'])
    expect(warnings).toEqual(["Endpoint 'health' names no source and stays as it is."])
  })

  test('keeps the form of the route that is recorded', () => {
    const recorded = ['orders.del', 'orders.get', 'orders.put']
    expect(alignService(all[0]!, {all, heard: [], recorded}).endpoints).toHaveLength(3)
    expect(alignService(all[0]!, {all, heard: []}).endpoints).toHaveLength(1)
    expect(requireRoutable(all[0]!, ['2.0.0'], {all, heard: [], recorded}).entity.endpoints).toHaveLength(3)
  })

  test('has all of them in one wildcard where one version gets everything', () => {
    const {entity: routed, warnings} = requireRoutable(all[0]!, ['2.0.0'], {all, heard: []})
    expect(routed.endpoints).toEqual([{source: 'orders.*', addresses: {'2.0.0': 'orders.v2.$1'}, queue: 'q'}])
    expect(warnings).toEqual([])
  })

  test('keeps its wildcard from the endpoints of other services', () => {
    const mixed = serviceEntities(groupServices([...instances, instance('1.0.0', [at('orders.stats')], 'stats')]))
    const {entity: routed} = requireRoutable(mixed[0]!, ['2.0.0'], {all: mixed, heard: []})
    expect(routed.endpoints).toHaveLength(3)
  })
})
