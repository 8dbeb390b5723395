import {createServer} from 'node:net'

import {describe, expect, test} from 'vitest'

import {openConnection} from '../../../src/lib/nats/connect.js'
import {requestMany} from '../../../src/lib/nats/request.js'
import type {ConnectSpec} from '../../../src/lib/nats/spec.js'
import {startNatsServer} from '../../support/nats-server.js'

function specFor(server: string, more: Partial<ConnectSpec> = {}): ConnectSpec {
  return {servers: [server], lattice: 'default', protected: false, timeoutMs: 2000, connectTimeoutMs: 500, ...more}
}

async function unusedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const {port} = server.address() as {port: number}
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('a connection that cannot be had says why', () => {
  test('nobody listens', async () => {
    const opening = openConnection(specFor(`nats://127.0.0.1:${await unusedPort()}`))
    await expect(opening).rejects.toMatchObject({
      kind: 'connection',
      message: expect.stringContaining('nobody listens there') as unknown,
    })
  })

  test('the name does not resolve', async () => {
    await expect(openConnection(specFor('nats://no-such-host.invalid'))).rejects.toThrow("the name 'no-such-host.invalid' does not resolve")
  })

  test('a server that never speaks ends within the connect timeout', async () => {
    const silent = createServer()
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const {port} = silent.address() as {port: number}
    const started = performance.now()
    await expect(openConnection(specFor(`nats://127.0.0.1:${port}`))).rejects.toThrow('no answer within 500 ms')
    expect(performance.now() - started).toBeLessThan(1500)
    silent.close()
  })

  test('missing and wrong credentials are told apart', async () => {
    await using server = await startNatsServer({config: 'authorization { user: u, password: p }'})
    await expect(openConnection(specFor(server.url))).rejects.toThrow('wants credentials and none were given')
    const wrong = {credentials: {kind: 'user', user: 'u', password: 'secret-word'} as const}
    const failure = await openConnection(specFor(server.url, wrong)).catch((error: unknown) => error as Error)
    expect(failure).toHaveProperty('message', expect.stringContaining("does not know the user 'u' with this password"))
    expect(JSON.stringify(failure)).not.toContain('secret-word')
    const right = await openConnection(specFor(server.url, {credentials: {kind: 'user', user: 'u', password: 'p'}}))
    await right.close()
  })

  test('a missing creds file is named', async () => {
    const opening = openConnection(
      specFor('nats://127.0.0.1:1', {credentials: {kind: 'creds', file: '/nowhere/x.creds'}}),
    )
    await expect(opening).rejects.toThrow("The creds file '/nowhere/x.creds' does not exist.")
  })
})

test('gathering stops at the expected number, and at once when nobody is there', async () => {
  await using server = await startNatsServer()
  const nc = await openConnection(specFor(server.url))
  for (const answer of ['a', 'b', 'c']) nc.subscribe('ask', {callback: (_error, msg) => void msg.respond(answer)})
  const all = await requestMany(nc, 'ask', '', {timeoutMs: 2000, expect: 3})
  expect(all.map((msg) => msg.string()).sort()).toEqual(['a', 'b', 'c'])
  const stalled = await requestMany(nc, 'ask', '', {timeoutMs: 2000, stallMs: 50})
  expect(stalled).toHaveLength(3)
  const started = performance.now()
  expect(await requestMany(nc, 'nobody', '', {timeoutMs: 2000})).toEqual([])
  expect(performance.now() - started).toBeLessThan(1000)
  await nc.close()
})
