import {once} from 'node:events'
import {createServer} from 'node:http'
import {connect} from 'node:net'

import {decode} from '@msgpack/msgpack'
import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'

import {ensureBucket} from '../../../src/lib/cache/bucket.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {builtinHttpserver} from '../../../src/lib/records/builtin.js'
import {linkHash, type LinkRecord} from '../../../src/lib/records/link.js'
import {httpAnswer, playActor} from '../../support/actors.js'
import {plainSpec, startHost, type TestHost} from '../../support/host.js'
import {freePort, startNatsServer, type TestServer} from '../../support/nats-server.js'
import {until} from '../../support/until.js'

let server: TestServer
let nc: NatsConnection
let lattice: string
let actor: string
let count = 0
beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  nc = await openConnection(plainSpec(server.url, 'default'))
})
afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
})
beforeEach(() => {
  lattice = `http-${++count}`
  actor = createKey('M').publicKey
})

function link(address: string, linked = actor): LinkRecord {
  return {
    id: '',
    actor_id: linked,
    provider_id: builtinHttpserver.key,
    link_name: 'default',
    contract_id: builtinHttpserver.contract,
    values: {address},
  }
}

async function startHttp(options: {rpcTimeoutMs?: number} = {}): Promise<TestHost> {
  const host = await startHost({server, lattice, ...options})
  await host.client.startProvider(host.id, {ref: builtinHttpserver.ref, link: 'default'})
  return host
}

/** Waits until nobody answers: on a connection that is open still, a request is answered once more. */
async function refused(url: string): Promise<void> {
  const gone = (): Promise<boolean> =>
    fetch(url, {headers: {connection: 'close'}}).then(
      () => false,
      () => true,
    )
  await until(gone, 5000)
}

/** Puts the link and waits until its port answers. */
async function listen(host: TestHost, address = '127.0.0.1:0'): Promise<string> {
  host.clear()
  await host.client.putLink(link(address))
  const {address: bound} = await host.event('link_listening')
  return `http://${String(bound)}`
}

describe('requests', () => {
  test('reach the actor as the contract says, and its answer the client', async () => {
    await using host = await startHttp()
    let seen: unknown
    await playActor(nc, {lattice, key: actor}, ({msg, operation, origin}) => {
      seen = {operation, origin: origin.publicKey, ...(decode(msg) as object)}
      const header = {'X-Two': ['a', 'b'], 'Content-Length': ['999'], Connection: ['close'], 'content-type': ['text/x']}
      return {msg: httpAnswer({statusCode: 201, header, body: 'made'})}
    })
    const url = await listen(host)
    const answer = await fetch(`${url}/a%20b/c?x=1&y=%20`, {method: 'PUT', headers: {'X-In': 'é'}, body: 'payload'})
    expect(answer.status).toBe(201)
    expect(answer.headers.get('x-two')).toBe('a, b')
    expect(answer.headers.get('content-length')).toBe('4')
    expect(answer.headers.get('connection')).toBe('keep-alive')
    expect(await answer.text()).toBe('made')
    expect(seen).toMatchObject({
      operation: 'HttpServer.HandleRequest',
      origin: builtinHttpserver.key,
      method: 'PUT',
      path: '/a%20b/c',
      queryString: 'x=1&y=%20',
      body: Buffer.from('payload'),
      header: {'x-in': ['é'], 'content-length': ['7']},
    })
  })

  test.each<[number, string, Uint8Array | undefined, string | undefined]>([
    [502, 'an actor that fails', undefined, 'It is broken.'],
    [502, 'an answer that is none', new Uint8Array([0xc1]), undefined],
    [502, 'a status that is none', httpAnswer({statusCode: 42}), undefined],
    [502, 'a header that cannot be sent', httpAnswer({header: {'x-bad': ['a\r\nSet-Cookie: b']}}), undefined],
    [504, 'an actor whose host says that it was too late', undefined, 'The call ran past its deadline.'],
  ])('%i for %s', async (status, _name, msg, error) => {
    await using host = await startHttp()
    await playActor(nc, {lattice, key: actor}, () => ({...(msg && {msg}), ...(error && {error})}))
    const answer = await fetch(await listen(host))
    expect(answer.status).toBe(status)
    expect(await answer.text()).not.toContain('broken')
    expect(answer.headers.get('set-cookie')).toBeNull()
  })

  test('503 when nobody is there, at once', async () => {
    await using host = await startHttp()
    const url = await listen(host)
    const before = performance.now()
    expect((await fetch(url)).status).toBe(503)
    expect(performance.now() - before).toBeLessThan(1000)
  })

  test('504 when the actor does not answer', async () => {
    await using host = await startHttp({rpcTimeoutMs: 200})
    await playActor(nc, {lattice, key: actor}, () => undefined)
    expect((await fetch(await listen(host))).status).toBe(504)
  })

  test('413 for a body that fits into no message, however it is sent; one that fits passes', async () => {
    await using host = await startHttp()
    await playActor(nc, {lattice, key: actor}, ({msg}) => ({msg: httpAnswer({body: String(msg.length)})}))
    const url = await listen(host)
    const send = (body: Uint8Array<ArrayBuffer>, stream = false): Promise<Response> =>
      fetch(url, {method: 'POST', ...(stream ? {body: new Blob([body]).stream(), duplex: 'half'} : {body})})
    const tooLarge = await send(new Uint8Array(1024 * 1024 + 1))
    expect(tooLarge.status).toBe(413)
    expect(await tooLarge.text()).toMatch(/too large: at most 1048576 bytes/)
    // With its token and frame, a body of the very limit does not fit either.
    expect((await send(new Uint8Array(1024 * 1024))).status).toBe(413)
    expect((await send(new Uint8Array(2 * 1024 * 1024), true)).status).toBe(413)
    expect((await send(new Uint8Array(1000 * 1024))).status).toBe(200)
  })

  test('a large body that is announced with Expect is refused before it is sent', async () => {
    await using host = await startHttp()
    const {hostname, port} = new URL(await listen(host))
    const socket = connect(Number(port), hostname)
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n')
    const [first] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    expect(first.toString()).toMatch(/^HTTP\/1.1 413 /)
  })

  test('HEAD has no body, and a connection is used again', async () => {
    await using host = await startHttp()
    await playActor(nc, {lattice, key: actor}, () => ({msg: httpAnswer({body: 'text'})}))
    const {hostname, port} = new URL(await listen(host))
    const socket = connect(Number(port), hostname)
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    socket.write('HEAD / HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => text.includes('\r\n\r\n'), 5000)
    socket.write('GET http://x/y HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => text.endsWith('text'), 5000)
    socket.destroy()
    expect(text.match(/200 OK/g)).toHaveLength(2)
    expect(text.match(/\r\n\r\ntext/g)).toHaveLength(1)
  })
})

describe('links', () => {
  test('put into the bucket by others open a port, a changed one moves it, a deleted one closes it', async () => {
    await using host = await startHttp()
    await playActor(nc, {lattice, key: actor}, () => ({msg: httpAnswer({body: 'here'})}))
    const bucket = await ensureBucket(nc, `LATTICEDATA_${lattice}`, {})
    const key = `LINKDEF_${linkHash(link(''))}`
    await bucket.put(key, Buffer.from(JSON.stringify(link('127.0.0.1:0'))))
    const {address: first} = await host.event('link_listening')
    expect(await (await fetch(`http://${String(first)}`)).text()).toBe('here')

    host.clear()
    const port = await freePort()
    await bucket.put(key, Buffer.from(JSON.stringify(link(`127.0.0.1:${port}`))))
    const {address: second} = await host.event('link_listening')
    expect(second).toBe(`127.0.0.1:${port}`)
    await refused(`http://${String(first)}`)
    expect(await (await fetch(`http://${String(second)}`)).text()).toBe('here')

    await bucket.del(key)
    await host.event('linkdef_deleted')
    await until(() => host.host.inventory.providers[0]!.links!.length === 0, 5000)
    await refused(`http://${String(second)}`)
  })

  test('that are there when the provider starts count', async () => {
    await using host = await startHost({server, lattice})
    await host.client.putLink(link('127.0.0.1:0'))
    await host.event('linkdef_set')
    await host.client.startProvider(host.id, {ref: builtinHttpserver.ref, link: 'default'})
    expect(await host.event('link_listening')).toMatchObject({actor_id: actor})
  })

  test('whose port is in use are told, and listen when it is free', async () => {
    await using host = await startHttp()
    const other = createServer()
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    const {port} = other.address() as {port: number}
    await host.client.putLink(link(`127.0.0.1:${port}`))
    expect(await host.event('link_failed')).toMatchObject({
      error: `Cannot listen on 127.0.0.1:${port}: the port is in use.`,
    })
    expect((await host.client.inventory(host.id)).providers[0]!.links).toMatchObject([{actor, error: /in use/}])
    other.close()
    expect(await host.event('link_listening')).toMatchObject({address: `127.0.0.1:${port}`})
  })

  test('without an address are told and harm nothing', async () => {
    await using host = await startHttp()
    await host.client.putLink({...link(''), values: {}})
    expect(await host.event('link_failed')).toMatchObject({error: 'The link has no address.'})
  })

  test('of two actors have a port each', async () => {
    await using host = await startHttp()
    const other = createKey('M').publicKey
    const first = await listen(host)
    host.clear()
    await host.client.putLink(link('127.0.0.1:0', other))
    const {address, actor_id} = await host.event('link_listening')
    expect(actor_id).toBe(other)
    expect(`http://${String(address)}`).not.toBe(first)
  })
})

test('a provider that stops frees its ports and answers what came in', async () => {
  await using host = await startHttp()
  let arrived = false
  let answerNow: (answer: {msg: Uint8Array}) => void = () => undefined
  const held = new Promise<{msg: Uint8Array}>((resolve) => (answerNow = resolve))
  await playActor(nc, {lattice, key: actor}, () => {
    arrived = true
    return held
  })
  const url = await listen(host)
  const running = fetch(url)
  await until(() => arrived, 5000)
  await host.client.stopProvider(host.id, {key: builtinHttpserver.key, link: 'default', contract: ''})
  await expect(fetch(url)).rejects.toThrow()
  answerNow({msg: httpAnswer({body: 'late'})})
  const answer = await running
  expect(await answer.text()).toBe('late')
  expect(answer.headers.get('connection')).toBe('close')
})
