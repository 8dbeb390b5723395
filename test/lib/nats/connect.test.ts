import {describe, expect, test} from 'vitest'

import {openConnection} from '../../../src/lib/nats/connect.js'
import {requestMany} from '../../../src/lib/nats/request.js'
import {failureOf, specFor} from '../../support/failed-connection.js'
import {greetAs, startFakeServer} from '../../support/fake-server.js'
import {freePort, startNatsServer} from '../../support/nats-server.js'

const short = {timeoutMs: 500, connectTimeoutMs: 500}

describe('a connection that cannot be had says why', () => {
  test('nobody listens', async () => {
    const url = `nats://127.0.0.1:${await freePort()}`
    expect(await failureOf(specFor(url))).toMatchObject({
      reason: 'refused',
      message: `Cannot connect to '${url}': nobody listens there.`,
      error: {suggestions: ['lattice up', 'lattice context ls']},
    })
  })

  test('the name does not resolve', async () => {
    expect(await failureOf(specFor('nats://no-such-host.invalid', {context: 'staging'}))).toMatchObject({
      reason: 'name-unknown',
      message:
        "Cannot connect to 'nats://no-such-host.invalid' (context 'staging'): the name 'no-such-host.invalid' does not resolve.",
      error: {
        suggestions: ['lattice context ls', 'lattice context show staging'],
        details: {servers: ['nats://no-such-host.invalid'], context: 'staging'},
      },
    })
  })

  test('a server that never speaks ends within the connect timeout', async () => {
    await using silent = await startFakeServer()
    const failed = await failureOf(specFor(silent.url, short))
    expect(failed).toMatchObject({
      reason: 'no-answer',
      message: `Cannot connect to '${silent.url}': no answer within 500 ms.`,
    })
    expect(failed.tookMs).toBeLessThan(1000)
  })

  test('however many servers never speak, the connect timeout is that of all', async () => {
    await using silent = await startFakeServer()
    const urls = Array.from({length: 40}, () => silent.url)
    const failed = await failureOf(specFor(urls, short))
    expect(failed.reason).toBe('no-answer')
    // One after the other they would take twenty seconds.
    expect(failed.tookMs).toBeLessThan(4000)
  })

  test('a server that greets and never answers ends within it too', async () => {
    await using mute = await startFakeServer(greetAs('2.11.0', {muteAfter: 'CONNECT'}))
    const failed = await failureOf(specFor(mute.url, short))
    expect(failed.reason).toBe('no-answer')
    expect(failed.tookMs).toBeLessThan(1000)
  })

  test('a server that closes at once, or is none of NATS, is told from the others', async () => {
    await using closing = await startFakeServer((socket) => socket.end())
    await using web = await startFakeServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await using mail = await startFakeServer((socket) => socket.write('220 mail ESMTP\r\n'))
    expect((await failureOf(specFor(closing.url))).message).toContain('closed the connection without a word.')
    await using vague = await startFakeServer(greetAs('new'))
    for (const {url} of [web, mail, vague]) {
      expect(await failureOf(specFor(url))).toMatchObject({
        reason: 'not-nats',
        message: `Cannot connect to '${url}': what listens there is no NATS server.`,
      })
    }
  })

  test('addresses of websockets are refused by name', async () => {
    expect(await failureOf(specFor('wss://127.0.0.1:443'))).toMatchObject({
      reason: 'websocket',
      message:
        "Cannot connect to 'wss://127.0.0.1:443': it is the address of a websocket, and lattice speaks NATS over TCP and TLS.",
    })
  })

  test('missing and wrong credentials are told apart', async () => {
    await using server = await startNatsServer({config: 'authorization { user: u, password: p }'})
    expect((await failureOf(specFor(server.url))).message).toContain('wants credentials and none were given.')
    const wrong = {credentials: {kind: 'user', user: 'u', password: 'secret-word'} as const}
    const failed = await failureOf(specFor(server.url, wrong))
    expect(failed.message).toContain("does not know the user 'u' with this password.")
    expect(`${JSON.stringify(failed.error)} ${String(failed.error.stack)}`).not.toContain('secret-word')
    const right = await openConnection(specFor(server.url, {credentials: {kind: 'user', user: 'u', password: 'p'}}))
    await right.close()
  })

  test('a missing creds file is named', async () => {
    const credentials = {kind: 'creds', file: '/nowhere/x.creds'} as const
    const {message} = await failureOf(specFor('nats://127.0.0.1:1', {credentials}))
    expect(message).toBe("The creds file '/nowhere/x.creds' does not exist.")
  })
})

describe('a server that is too old', () => {
  test.each(['2.9.10', '2.9.25', '1.4.1', '0.9.6'])('%s is refused, with what is needed', async (version) => {
    await using old = await startFakeServer(greetAs(version))
    expect(await failureOf(specFor(old.url))).toMatchObject({
      reason: 'server-too-old',
      message: `The server '127.0.0.1:${old.port}' runs nats-server ${version}, and lattice needs 2.10.0 or newer.`,
    })
  })

  test.each(['2.10.0', '2.10.0-beta.1', '2.12.0-dev', '3.0.0', 'v2.10.29'])('%s is not', async (version) => {
    await using fine = await startFakeServer(greetAs(version))
    const nc = await openConnection(specFor(fine.url))
    expect(nc.info?.version).toBe(version)
    await nc.close()
  })

  const binary = process.env['LATTICE_TEST_OLD_NATS_SERVER']
  test.skipIf(binary === undefined)('a real one, when LATTICE_TEST_OLD_NATS_SERVER names its program', async () => {
    await using server = await startNatsServer({binary: binary!})
    expect((await failureOf(specFor(server.url))).message).toMatch(
      /runs nats-server 2\.\d\.\d+, and lattice needs 2\.10\.0 or newer\.$/,
    )
  })
})

describe('of several servers', () => {
  test('any one that answers will do, whatever is the matter with the others', async () => {
    await using server = await startNatsServer()
    await using silent = await startFakeServer()
    await using closing = await startFakeServer((socket) => socket.destroy())
    const dead = [silent.url, 'nats://no-such-host.invalid', closing.url, `nats://127.0.0.1:${await freePort()}`]
    const started = performance.now()
    const nc = await openConnection(specFor([...dead, server.url]))
    expect(performance.now() - started).toBeLessThan(1500)
    expect(nc.info?.server_name).toBe('test')
    // All are known for the day when this one is lost.
    expect(nc.getServers()).toHaveLength(5)
    await nc.close()
  })

  test('none that answers costs the time of one, and each says its reason', async () => {
    await using one = await startFakeServer()
    await using two = await startFakeServer()
    const free = `nats://127.0.0.1:${await freePort()}`
    const failed = await failureOf(specFor([one.url, free, two.url], {timeoutMs: 1000, connectTimeoutMs: 1000}))
    expect(failed.tookMs).toBeLessThan(1500)
    for (const part of [
      `'${one.url}' (no answer within 1000 ms)`,
      `'${free}' (nobody listens there)`,
      `'${two.url}' (no answer within 1000 ms)`,
    ]) {
      expect(failed.message).toContain(part)
    }
    expect(failed.message).toMatch(/^Cannot connect to any server: .*\.$/)
    expect(failed.error.details['reasons']).toContainEqual({server: free, reason: 'refused'})
  })

  test('one reason for all is said once', async () => {
    const [one, two] = [`nats://127.0.0.1:${await freePort()}`, `nats://127.0.0.1:${await freePort()}`]
    expect((await failureOf(specFor([one, two]))).message).toMatch(
      /^Cannot connect to any of '\S+', '\S+': nobody listens there\.$/,
    )
  })

  test('a server that is silent is asked a few times at most', async () => {
    await using silent = await startFakeServer()
    await failureOf(specFor(silent.url, {timeoutMs: 3000, connectTimeoutMs: 3000}))
    expect(silent.taken()).toBeLessThanOrEqual(3)
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
