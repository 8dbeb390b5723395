import {expect, test} from 'vitest'

import {Lattice} from '../../src/lib/lattice.js'
import {specFor} from '../support/failed-connection.js'
import {greetAs, startFakeServer} from '../support/fake-server.js'

test('what connecting took is not there for the records a second time', async () => {
  await using slow = await startFakeServer((socket) => setTimeout(() => greetAs('2.11.0')(socket), 600))
  const started = performance.now()
  await using lattice = await Lattice.open(specFor(slow.url, {timeoutMs: 1000, connectTimeoutMs: 1000}))
  const cache = await lattice.cache()
  await expect(cache.list('route')).rejects.toMatchObject({kind: 'timeout'})
  expect(performance.now() - started).toBeLessThan(1500)
})
