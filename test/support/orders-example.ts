import {expect} from 'vitest'

import Call from '../../src/commands/call.js'
import EntityInspect from '../../src/commands/entity/inspect.js'
import RouteAb from '../../src/commands/route/ab.js'
import type {ExampleServer} from './example-service.js'

/** What the example of every language does: it is one service in two versions, and its traffic is split. */
export async function expectOrders(
  {start, lattice, answers}: ExampleServer,
  program: readonly string[],
): Promise<void> {
  await Promise.all([start(program, '1.0.0'), start(program, '2.0.0')])
  expect((await lattice(EntityInspect, 'orders', '--json')).json()).toMatchObject({
    endpoints: [{source: 'orders.*', addresses: {'1.0.0': 'orders.v1.$1', '2.0.0': 'orders.v2.$1'}}],
    service: {notes: []},
  })
  const call = (operation: string, payload: string): ReturnType<typeof lattice> =>
    lattice(Call, 'orders@2.0.0', operation, payload, '--json')
  expect((await call('put', '{"id":7,"item":"hat"}')).json()).toMatchObject({result: {stored: 1, version: '2.0.0'}})
  expect((await call('get', '{"id":7}')).json()).toMatchObject({result: {order: {id: 7, item: 'hat'}}})
  expect((await call('get', '{"id":8}')).json()).toMatchObject({result: {order: null}})
  for (const payload of ['no JSON', '7']) {
    expect((await call('get', payload)).json()).toMatchObject({
      error: {message: "The service on 'orders.v2.get' answered with error 400: the request is no JSON object."},
    })
  }
  expect(await lattice(RouteAb, 'orders@1.0.0=60', 'orders@2.0.0=40')).toMatchObject({exitCode: 0})
  const counts = await answers('orders.get', 1000)
  expect(counts['1.0.0']! + counts['2.0.0']!).toBe(1000)
  // Four standard deviations.
  expect(Math.abs(counts['2.0.0']! - 400)).toBeLessThan(62)
}
