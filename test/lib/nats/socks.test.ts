import {afterEach, expect, test} from 'vitest'

import {openConnection} from '../../../src/lib/nats/connect.js'
import {createAuthority} from '../../support/certificates.js'
import {failureOf, specFor} from '../../support/failed-connection.js'
import {freePort, startNatsServer, type TestServer, type TestServerOptions} from '../../support/nats-server.js'
import {startSocksProxy, type SocksProxy, type SocksProxyOptions} from '../../support/socks-proxy.js'
import {tempFolder} from '../../support/temp.js'

const stack: AsyncDisposable[] = []
afterEach(async () => {
  for (const each of stack.splice(0).reverse()) await each[Symbol.asyncDispose]()
})

const names = {'nats.inside': '127.0.0.1'}

async function startProxy(options: SocksProxyOptions = {}): Promise<SocksProxy> {
  const proxy = await startSocksProxy({names, ...options})
  stack.push(proxy)
  return proxy
}

async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startNatsServer(options)
  stack.push(server)
  return server
}

test('a proxy resolves the name, and the connection works both ways', async () => {
  const [server, proxy] = [await startServer(), await startProxy()]
  const nc = await openConnection(
    specFor(`nats.inside:${server.port}`, {socksProxy: `socks5://127.0.0.1:${proxy.port}`}),
  )
  nc.subscribe('echo', {callback: (_error, msg) => void msg.respond(msg.data)})
  const large = 'x'.repeat(500_000)
  expect((await nc.request('echo', large)).string()).toBe(large)
  expect(proxy.asked).toEqual([`nats.inside:${server.port}`])
  await nc.close()
})

test.each([false, true])(
  'TLS checks the name of the server, not that of the relay (handshake first: %s)',
  async (first) => {
    await using folder = await tempFolder()
    const authority = await createAuthority(folder.path)
    const {cert, key} = await authority.server({names: ['nats.inside']})
    const proxy = await startProxy()
    const server = await startServer({
      config: `tls {cert_file: "${cert}", key_file: "${key}", handshake_first: ${first}}`,
    })
    const spec = specFor(`tls://nats.inside:${server.port}`, {
      tls: {ca: authority.ca, handshakeFirst: first},
      socksProxy: `127.0.0.1:${proxy.port}`,
    })
    const nc = await openConnection(spec)
    await nc.flush()
    await nc.close()
    const wrong = {...spec, servers: [`tls://127.0.0.1:${server.port}`]}
    expect((await failureOf(wrong)).message).toContain("is for 'nats.inside', not for '127.0.0.1'")
  },
)

test('user and password go to the proxy, and a wrong one never into a sentence', async () => {
  const [server, proxy] = [await startServer(), await startProxy({user: 'me', password: 'open%sesame'})]
  const through = (who: string): ReturnType<typeof specFor> =>
    specFor(server.url, {socksProxy: `socks5://${who}127.0.0.1:${proxy.port}`})
  await (await openConnection(through('me:open%25sesame@'))).close()
  await (await openConnection(through('me:open%sesame@'))).close()
  const wrong = await failureOf(through('me:wrong-word@'))
  expect(wrong).toMatchObject({
    reason: 'proxy',
    message: `Cannot connect to '${server.url}': the SOCKS proxy '127.0.0.1:${proxy.port}' refused the password of 'me'.`,
  })
  expect(`${JSON.stringify(wrong)} ${String(wrong.error.stack)} ${String(wrong.error.cause)}`).not.toContain(
    'wrong-word',
  )
  expect((await failureOf(through(''))).message).toContain('wants a user and a password.')
})

test('a proxy that cannot be used says why', async () => {
  const [server, proxy, strict] = [await startServer(), await startProxy(), await startProxy({reject: 2})]
  const silent = await freePort()
  const sentence = async (url: string, socksProxy: string): Promise<string> => {
    const failed = await failureOf(specFor(url, {socksProxy}))
    expect(failed.tookMs).toBeLessThan(2500)
    return failed.message
  }
  expect(await sentence(server.url, `127.0.0.1:${silent}`)).toContain(`'127.0.0.1:${silent}' does not listen.`)
  expect(await sentence(server.url, 'no-such-proxy.invalid')).toContain(
    "'no-such-proxy.invalid:1080' has a name that does not resolve.",
  )
  expect(await sentence(server.url, `127.0.0.1:${server.port}`)).toContain('does not speak SOCKS 5.')
  expect(await sentence(server.url, `127.0.0.1:${strict.port}`)).toContain(
    'did not reach the server: its rules do not allow it.',
  )
  expect(await sentence(`nats://127.0.0.1:${silent}`, `127.0.0.1:${proxy.port}`)).toContain(
    'did not reach the server: nobody listens there.',
  )
  expect(await sentence('nats://no-such-host.invalid', `127.0.0.1:${proxy.port}`)).toContain(
    'did not reach the server: no way leads there, or its name does not resolve.',
  )
  expect(await sentence(server.url, 'http://127.0.0.1:1')).toBe('The address of the SOCKS proxy is not one.')
})

test('a connection that the proxy cuts comes back through the proxy, and the servers of the cluster are left alone', async () => {
  const [server, proxy] = [
    await startServer({config: 'cluster {name: c, listen: "127.0.0.1:-1", advertise: "127.0.0.1:1"}'}),
    await startProxy(),
  ]
  const nc = await openConnection(specFor(server.url, {socksProxy: `127.0.0.1:${proxy.port}`}))
  const back = Promise.withResolvers<undefined>()
  void (async () => {
    for await (const {type} of nc.status()) if (type === 'reconnect') back.resolve(undefined)
  })()
  proxy.cut()
  await back.promise
  await nc.flush()
  expect(proxy.asked).toEqual([`127.0.0.1:${server.port}`, `127.0.0.1:${server.port}`])
  expect(nc.getServers()).toHaveLength(1)
  await nc.close()
})
