import {setTimeout as sleep} from 'node:timers/promises'

import {connect} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import {ConnectionError} from '../../../src/lib/errors.js'
import {requestMany} from '../../../src/lib/nats/request.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'

let server: TestServer
beforeAll(async () => {
  server = await startNatsServer()
})
afterAll(() => server[Symbol.asyncDispose]())

test('gathering over a closed connection fails at once, and nothing is thrown later', async () => {
  const nc = await connect({servers: server.url})
  await nc.close()
  await expect(requestMany(nc, 'any', '', {timeoutMs: 50})).rejects.toThrow(ConnectionError)
  // An error of a timer that was left behind would fail the run.
  await sleep(100)
})

test('where nobody listens nothing is gathered, without a wait', async () => {
  const nc = await connect({servers: server.url})
  const started = performance.now()
  expect(await requestMany(nc, 'nobody', '', {timeoutMs: 5000})).toEqual([])
  expect(performance.now() - started).toBeLessThan(2000)
  await nc.close()
})
