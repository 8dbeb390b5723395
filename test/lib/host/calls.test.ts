import {encode} from '@msgpack/msgpack'
import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'

import {createKey, type SigningKey} from '../../../src/lib/keys/nkey.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {builtinHttpserver} from '../../../src/lib/records/builtin.js'
import {actorEntity, type RpcEntity} from '../../../src/lib/rpc/address.js'
import {signClaims} from '../../../src/lib/rpc/antiforgery.js'
import {callActor, CallError} from '../../../src/lib/rpc/caller.js'
import {decodeInvocation, encodeInvocation, type Invocation} from '../../../src/lib/rpc/invocation.js'
import {decodeResponse, deadlineText, encodeResponse} from '../../../src/lib/rpc/response.js'
import {playActor, writeProbe, type SignedActor} from '../../support/actors.js'
import {plainSpec, startHost, type TestHost} from '../../support/host.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

let server: TestServer
let nc: NatsConnection
let folder: TempFolder
let probe: SignedActor
let lattice: string
let count = 0
beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  nc = await openConnection(plainSpec(server.url, 'default'))
  folder = await tempFolder()
  probe = await writeProbe(folder.path, {caps: ['acme:store']})
})
afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})
beforeEach(() => {
  lattice = `calls-${++count}`
})

async function startProbe(options: Partial<Parameters<typeof startHost>[0]> = {}): Promise<TestHost> {
  const host = await startHost({server, lattice, allowFiles: [folder.path], ...options})
  await host.client.startActor(host.id, {ref: probe.ref, count: 2})
  return host
}

function call(host: TestHost, operation: string, payload: Uint8Array | string = ''): Promise<Uint8Array> {
  const {clusterKey} = host
  return callActor(nc, {
    lattice,
    target: probe.key,
    operation,
    payload: Buffer.from(payload),
    clusterKey,
    timeoutMs: 5000,
  })
}

/** Sends a call that is signed by `key` and then changed; the error that comes back. */
async function forged(
  key: SigningKey,
  change: Partial<Invocation> = {},
  origin: RpcEntity = actorEntity(createKey('M').publicKey),
): Promise<string | undefined> {
  const vouched = {origin, target: actorEntity(probe.key), operation: 'Probe.Echo', msg: Buffer.from('x')}
  const id = crypto.randomUUID()
  const encodedClaims = signClaims(vouched, {id, clusterKey: key, issuedAt: Date.now() / 1000})
  const invocation = {...vouched, id, encodedClaims, hostId: 'N', contentLength: 1, ...change}
  const subject = `wasmbus.rpc.${lattice}.${probe.key}`
  return decodeResponse((await nc.request(subject, encodeInvocation(invocation), {timeout: 5000})).data).error
}

describe('calls that a host refuses', () => {
  test.each<[string, Partial<Invocation>, RegExp]>([
    ['a changed payload', {msg: Buffer.from('y')}, /changed after it was signed/],
    ['no signature', {encodedClaims: ''}, /no readable token/],
    ['another operation', {operation: 'Probe.Trap'}, /another target or operation/],
    ['chunks', {msg: new Uint8Array()}, /chunks/],
    ['another target', {target: actorEntity(createKey('M').publicKey)}, /meant for another entity/],
  ])('%s', async (_name, change, reason) => {
    await using host = await startProbe()
    expect(await forged(host.clusterKey)).toBeUndefined()
    expect(await forged(host.clusterKey, change)).toMatch(reason)
    expect(await forged(host.clusterKey)).toBeUndefined()
  })

  test('of a cluster it does not know, until it is told of it', async () => {
    const other = createKey('C')
    {
      await using _host = await startProbe()
      expect(await forged(other)).toMatch(/a cluster that this host does not know/)
    }
    await using _host = await startProbe({clusterIssuers: [other.publicKey]})
    expect(await forged(other)).toBeUndefined()
  })

  test('of a provider whose contract the actor does not claim', async () => {
    await using host = await startProbe()
    const provider = {publicKey: createKey('V').publicKey, linkName: 'default', contractId: 'acme:other'}
    expect(await forged(host.clusterKey, {}, provider)).toMatch(/does not claim the capability 'acme:other'/)
    expect(await forged(host.clusterKey, {}, {...provider, contractId: 'acme:store'})).toBeUndefined()
  })

  test('whose ids leave no room for an answer, as actor and as provider', async () => {
    await using host = await startProbe()
    await host.client.startProvider(host.id, {ref: builtinHttpserver.ref, link: 'default'})
    const nobody = {public_key: ''}
    const fields = {origin: nobody, target: nobody, operation: '', encoded_claims: ''}
    const room = nc.info!.max_payload - encode({...fields, id: ''}).length - 8
    const data = encode({...fields, id: 'i'.repeat(room)})
    for (const target of [probe.key, `${builtinHttpserver.key}.default`]) {
      const reply = await nc.request(`wasmbus.rpc.${lattice}.${target}`, data, {timeout: 5000})
      expect(decodeResponse(reply.data).error).toMatch(/The answer has \d+ bytes/)
    }
    expect(await forged(host.clusterKey)).toBeUndefined()
  })

  test('that are no calls', async () => {
    await using _host = await startProbe()
    const reply = await nc.request(`wasmbus.rpc.${lattice}.${probe.key}`, 'hello', {timeout: 5000})
    expect(decodeResponse(reply.data).error).toMatch(/no invocation/)
  })
})

describe('an actor that goes wrong loses its call and nothing else', () => {
  test('it says so', async () => {
    await using host = await startProbe()
    await expect(call(host, 'Probe.Fail', 'no such order')).rejects.toThrow(/no such order\.$/)
  })

  test('it traps', async () => {
    await using host = await startProbe()
    await expect(call(host, 'Probe.Trap')).rejects.toThrow(CallError)
    expect(Buffer.from(await call(host, 'Probe.Echo', 'still here')).toString()).toBe('still here')
  })

  test('it loops past its deadline, while others are answered', async () => {
    await using host = await startProbe({rpcTimeoutMs: 1500})
    const looping = call(host, 'Probe.Loop').catch((error: unknown) => error)
    expect(Buffer.from(await call(host, 'Probe.Echo', 'meanwhile')).toString()).toBe('meanwhile')
    expect(await looping).toMatchObject({reason: deadlineText})
    expect(Buffer.from(await call(host, 'Probe.Echo', 'after')).toString()).toBe('after')
  })
})

describe('calls out of an actor', () => {
  const callOut = (namespace: string, binding = 'default'): string => `${binding}\n${namespace}\nOther.Do\nhello`

  test('reach an actor by its key and by its call alias', async () => {
    await using host = await startProbe()
    const alias = `friend-${count}`
    const other = await writeProbe(folder.path, {name: 'friend', callAlias: alias})
    await host.client.startActor(host.id, {ref: other.ref, count: 1})
    for (const namespace of [other.key, alias]) {
      const answer = call(host, 'Probe.Call', `default\n${namespace}\nProbe.Echo\nhello`)
      expect(Buffer.from(await answer).toString()).toBe('hello')
    }
  })

  test('reach the provider that a link names, signed by the cluster', async () => {
    await using host = await startProbe()
    const provider = createKey('V').publicKey
    const seen: Invocation[] = []
    nc.subscribe(`wasmbus.rpc.${lattice}.${provider}.backup`, {
      queue: 'rpc',
      callback: (_error, msg) => {
        const {id, msg: bytes} = (seen[seen.length] = decodeInvocation(msg.data))
        msg.respond(encodeResponse({invocationId: id, msg: bytes, contentLength: bytes.length}))
      },
    })
    await nc.flush()
    const link = {id: '', actor_id: probe.key, provider_id: provider, contract_id: 'acme:store', values: {}}
    await host.client.putLink({...link, link_name: 'backup'})
    await host.event('linkdef_set')
    const answer = await call(host, 'Probe.Call', callOut('acme:store', 'backup'))
    expect(Buffer.from(answer).toString()).toBe('hello')
    expect(seen[0]).toMatchObject({
      origin: {publicKey: probe.key},
      target: {publicKey: provider, linkName: 'backup', contractId: 'acme:store'},
      operation: 'Other.Do',
      hostId: host.id,
    })
  })

  test('are refused without a link, without the capability, and for an alias of several', async () => {
    await using host = await startProbe()
    await expect(call(host, 'Probe.Call', callOut('acme:store'))).rejects.toThrow(/neither an actor nor a call alias/)
    const link = {id: '', actor_id: probe.key, provider_id: createKey('V').publicKey, values: {}, link_name: 'default'}
    await host.client.putLink({...link, contract_id: 'acme:other'})
    await host.event('linkdef_set')
    await expect(call(host, 'Probe.Call', callOut('acme:other'))).rejects.toThrow(/does not claim the capability/)
    for (const name of ['twin', 'brother']) {
      const {ref} = await writeProbe(folder.path, {name, callAlias: `twins-${count}`})
      await host.client.startActor(host.id, {ref, count: 1})
    }
    await expect(call(host, 'Probe.Call', callOut(`twins-${count}`))).rejects.toThrow(/belongs to several actors/)
  })

  test('carry back what went wrong on the other side', async () => {
    await using host = await startProbe()
    const key = createKey('M').publicKey
    await playActor(nc, {lattice, key}, () => ({error: 'out of stock'}))
    await expect(call(host, 'Probe.Call', callOut(key))).rejects.toThrow(/out of stock\.$/)
    await expect(call(host, 'Probe.Call', callOut(createKey('M').publicKey))).rejects.toThrow(/Nobody answers/)
  })
})

test('lines of an actor are told with its name and version', async () => {
  await using host = await startProbe()
  await call(host, 'Probe.Log', '2')
  const lines = host.reports.filter(({kind}) => kind === 'log')
  expect(lines).toEqual([0, 1].map((index) => ({kind: 'log', actor: 'probe', version: '1.0.0', line: `line ${index}`})))
})
