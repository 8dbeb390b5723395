import {once} from 'node:events'
import {createServer, type RequestListener} from 'node:http'
import type {AddressInfo} from 'node:net'

import {expect, test} from 'vitest'

import {openConnection} from '../../../src/lib/nats/connect.js'
import {parseMonitorUrl} from '../../../src/lib/nats/monitor-url.js'
import {openMonitors} from '../../../src/lib/nats/monitors.js'
import {freePort, startNatsServer} from '../../support/nats-server.js'

const accounts = `accounts {A {users [{user: a, password: a}]
  mappings {"orders.get": [{destination: "v1.get", weight: 70%}, {destination: "v2.get", weight: 30%}]}}}`

test('monitoring ports tell what the system account would, one reply a server', async () => {
  const ports = await Promise.all([freePort(), freePort()])
  await using first = await startNatsServer({serverName: 'S0', config: `http: "127.0.0.1:${ports[0]}"\n${accounts}`})
  await using second = await startNatsServer({
    serverName: 'S1',
    config: `http: "127.0.0.1:${ports[1]}"\nhttp_base_path: "/nats"\n${accounts}`,
  })
  const nc = await openConnection({
    servers: [first.url],
    lattice: 'default',
    protected: false,
    timeoutMs: 5000,
    connectTimeoutMs: 5000,
    credentials: {kind: 'user', user: 'a', password: 'a'},
  })
  try {
    nc.subscribe('v1.get', {queue: 'q', callback: () => undefined})
    nc.publish('v1.get')
    await nc.flush()
    const urls = [`http://127.0.0.1:${ports[0]}`, `http://127.0.0.1:${ports[1]}/nats/`].map(parseMonitorUrl)
    const monitors = await openMonitors([...urls, urls[0]!], {timeoutMs: 5000})
    expect(await monitors.servers()).toMatchObject([{name: 'S0'}, {name: 'S1'}])
    const replies = await monitors.ask('ACCOUNTZ', {account: 'A'})
    expect(replies).toMatchObject(
      ['S0', 'S1'].map((name) => ({
        server: {name},
        data: {account_detail: {mappings: {'orders.get': [{weight: 30}, {subject: 'v1.get', weight: 100}]}}},
      })),
    )
    expect(await monitors.ask('ACCOUNTZ', {account: 'ZZ'})).toMatchObject([
      {error: {code: 400, description: 'Account ZZ does not exist'}},
      {error: {description: 'Account ZZ does not exist'}},
    ])
    const [subscriptions] = await monitors.ask('SUBSZ', {account: 'A', subscriptions: true, test: 'v1.get', limit: 50})
    expect(subscriptions).toMatchObject({
      data: {limit: 50, subscriptions_list: [{subject: 'v1.get', qgroup: 'q', msgs: 1}]},
    })
    const [connections] = await monitors.ask('CONNZ', {account: 'A', subscriptions_detail: true, subscriptions: true})
    expect(connections).toMatchObject({data: {connections: [{subscriptions_list_detail: [{subject: 'v1.get'}]}]}})
    await second.stop()
    expect(await monitors.ask('VARZ')).toMatchObject([{server: {name: 'S0'}, data: {server_name: 'S0'}}])
  } finally {
    await nc.close()
  }
})

interface Web extends AsyncDisposable {
  readonly url: URL
}

async function serve(listener: RequestListener): Promise<Web> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  return {
    url: parseMonitorUrl(`http://user:secret@127.0.0.1:${port}`),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

test('what is no monitoring port is named with its reason, and without its password', async () => {
  const listeners: readonly (readonly [RequestListener, RegExp])[] = [
    [
      (_request, response) => response.writeHead(302, {location: 'http://127.0.0.1:1/varz'}).end(),
      /sends us elsewhere/,
    ],
    [(_request, response) => response.end('<html>'), /it answers "<html>"/],
    [(_request, response) => response.end('{"server_id": 7}'), /it answers/],
    [() => undefined, /no answer within 300 ms/],
    [
      (_request, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(1 << 20))) continue
          if (!response.destroyed) response.once('drain', more)
        }
        more()
      },
      /does not end|no answer within/,
    ],
    [(request) => request.socket.destroy(), /Cannot ask/],
  ]
  for (const [listener, reason] of listeners) {
    await using web = await serve(listener)
    const failure = openMonitors([web.url], {timeoutMs: 300})
    await expect(failure).rejects.toMatchObject({kind: 'connection', message: expect.stringMatching(reason) as string})
    await expect(failure).rejects.toMatchObject({message: expect.not.stringContaining('secret') as string})
  }
  const port = await freePort()
  await expect(openMonitors([parseMonitorUrl(`http://127.0.0.1:${port}`)], {timeoutMs: 300})).rejects.toMatchObject({
    message: `Cannot ask the monitoring port 'http://127.0.0.1:${port}': nothing listens there.`,
  })
})

test.each(['', 'nats://h:4222', 'h:8222', 'file:///etc/passwd', 'http://h/?x=1', 'http://h/#x', 'http://a:secret@'])(
  '%j is not the address of a monitoring port',
  (text) => {
    expect(() => parseMonitorUrl(text)).toThrow(/is not the address of a server's monitoring port/)
    expect(() => parseMonitorUrl(text)).not.toThrow(/secret/)
  },
)
