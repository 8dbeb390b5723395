import {setTimeout as sleep} from 'node:timers/promises'

import {connect, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {ConnectionError} from '../../../src/lib/errors.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {LostConnectionError, NoPermissionError, request, requestMany} from '../../../src/lib/nats/request.js'
import type {ConnectSpec} from '../../../src/lib/nats/spec.js'
import {specFor} from '../../support/failed-connection.js'
import {greetAs, startFakeServer} from '../../support/fake-server.js'
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

describe('what is forbidden is named', () => {
  let strict: TestServer
  beforeAll(async () => {
    const users = [
      '{user: mute, password: p, permissions: {publish: {deny: "secret.>"}}}',
      '{user: deaf, password: p, permissions: {subscribe: {allow: ["mine.>", "_BOX.deaf.>"]}}}',
    ]
    strict = await startNatsServer({config: `authorization {users: [${users.join(', ')}]}`})
  })
  afterAll(() => strict[Symbol.asyncDispose]())

  const as = (user: string, more: Partial<ConnectSpec> = {}): ConnectSpec =>
    specFor(strict.url, {credentials: {kind: 'user', user, password: 'p'}, ...more})

  type Ask = (nc: NatsConnection, subject: string) => Promise<unknown>
  const ways: [string, Ask][] = [
    ['one answer', (nc, subject) => request(nc, subject, '', {timeoutMs: 3000})],
    ['many answers', (nc, subject) => requestMany(nc, subject, '', {timeoutMs: 1000})],
  ]

  test.each(ways)('a subject to publish to, for %s', async (_which, ask) => {
    const nc = await openConnection(as('mute'))
    const started = performance.now()
    const failure = await ask(nc, 'secret.box').catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(NoPermissionError)
    expect(failure).toMatchObject({
      kind: 'connection',
      message: "No permission to publish to 'secret.box'.",
      details: {subject: 'secret.box', operation: 'publish'},
    })
    expect(performance.now() - started).toBeLessThan(2000)
    await nc.close()
  })

  test.each(ways)('the inbox, for %s', async (_which, ask) => {
    const nc = await openConnection(as('deaf'))
    const failure = await ask(nc, 'anything').catch((error: unknown) => error)
    expect(failure).toMatchObject({
      kind: 'connection',
      message: "No permission to subscribe to '_INBOX.>', where answers arrive.",
      suggestions: ['--inbox-prefix PREFIX, one that this user may subscribe to'],
      details: {subject: '_INBOX.>', requested: 'anything'},
    })
    await nc.close()
    const helped = await openConnection(as('deaf', {inboxPrefix: '_BOX.deaf'}))
    helped.subscribe('mine.x', {callback: (_error, msg) => void msg.respond('yes')})
    expect(await ask(helped, 'mine.x')).toBeDefined()
    await helped.close()
  })
})

describe('a server that is gone', () => {
  test('before it answered is not called slow', async () => {
    await using mortal = await startNatsServer()
    const nc = await openConnection(specFor(mortal.url))
    nc.subscribe('slow', {callback: () => undefined})
    await nc.flush()
    const asked = request(nc, 'slow', '', {timeoutMs: 1500}).catch((error: unknown) => error)
    await mortal.kill()
    expect(await asked).toBeInstanceOf(LostConnectionError)
    expect(await asked).toMatchObject({
      kind: 'connection',
      message: "The connection was lost while waiting for the answer on 'slow'.",
    })
    await nc.close()
  })

  test('and came back has forgotten what it was asked', async () => {
    await using mortal = await startNatsServer()
    const nc = await openConnection(specFor(mortal.url))
    nc.subscribe('slow', {callback: () => undefined})
    await nc.flush()
    const asked = request(nc, 'slow', '', {timeoutMs: 3000}).catch((error: unknown) => error)
    await mortal.kill()
    await mortal.restart()
    expect(await asked).toBeInstanceOf(LostConnectionError)
    await nc.close()
  })

  test('without a word is not taken for one where nobody is', async () => {
    await using rude = await startFakeServer(greetAs('2.11.0', {muteAfter: 'PUB '}))
    const nc = await openConnection(specFor(rude.url))
    await expect(requestMany(nc, 'any', '', {timeoutMs: 300})).rejects.toMatchObject({
      kind: 'connection',
      message: "The server says nothing any more: no answer on 'any' within 300 ms, and none to a ping.",
    })
    await nc.close()
  })

  test('a slow answer is still called slow', async () => {
    const nc = await openConnection(specFor(server.url))
    nc.subscribe('slow', {callback: () => undefined})
    await expect(request(nc, 'slow', '', {timeoutMs: 200})).rejects.toMatchObject({
      kind: 'timeout',
      message: "No answer on 'slow' within 200 ms.",
    })
    expect(await requestMany(nc, 'slow', '', {timeoutMs: 200})).toEqual([])
    await nc.close()
  })
})
