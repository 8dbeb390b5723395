import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'

import {AmbiguousAckError, ControlClient, RefusedError} from '../../../src/lib/control/client.js'
import {discover} from '../../../src/lib/control/discover.js'
import {NotFoundError, UnsafeError} from '../../../src/lib/errors.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {foreignKeys, otpInventory, playV0Host, playV1Host, rustInventory} from '../../support/foreign-host.js'
import {plainSpec} from '../../support/host.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'

let server: TestServer
let peers: NatsConnection
let mine: NatsConnection
let lattice: string
let client: ControlClient
let count = 0
beforeAll(async () => {
  server = await startNatsServer()
  const spec = plainSpec(server.url, 'default')
  ;[peers, mine] = [await openConnection(spec), await openConnection(spec)]
})
afterAll(async () => {
  await peers.close()
  await mine.close()
  await server[Symbol.asyncDispose]()
})
beforeEach(() => {
  lattice = `client-${++count}`
  client = new ControlClient(mine, {lattice, timeoutMs: 2000})
})

const claims = [
  {
    sub: foreignKeys.actor,
    name: 'echo',
    version: '0.3.4',
    rev: '4',
    iss: 'A1',
    caps: '',
    call_alias: '',
    tags: '',
    contract_id: '',
  },
]

describe('hosts', () => {
  test('nobody is no error and takes no time', async () => {
    const before = performance.now()
    expect(await client.hosts()).toEqual([])
    expect(await client.claims()).toEqual([])
    expect(performance.now() - before).toBeLessThan(250)
  })

  test('of one dialect only are asked when it is named', async () => {
    const otp = playV0Host(peers, '0.63.2', {lattice, inventory: otpInventory})
    const v1 = playV1Host(peers, lattice)
    await peers.flush()
    const ids = async (dialect: 'v0' | 'v1') =>
      (await new ControlClient(mine, {lattice, dialect, timeoutMs: 2000}).hosts()).map(({id}) => id)
    expect(await ids('v0')).toEqual([otp.id])
    expect(await ids('v1')).toEqual([v1])
  })

  test('of both dialects are listed, sorted', async () => {
    const otp = playV0Host(peers, '0.63.2', {lattice, inventory: otpInventory})
    const v1 = playV1Host(peers, lattice)
    await peers.flush()
    const hosts = await client.hosts()
    expect(hosts.map(({id}) => id)).toEqual([otp.id, v1].sort())
    expect(hosts.find(({id}) => id === v1)).toMatchObject({dialect: 'v1', version: '1.9.2', name: 'new-hill-3'})
    expect(hosts.find(({id}) => id === otp.id)).toMatchObject({dialect: 'v0', versioned: false, uptimeSeconds: 61})
  })

  test('of the newer dialect are not operated', async () => {
    const v1 = playV1Host(peers, lattice)
    await peers.flush()
    await expect(client.startActor(v1, {ref: 'x', count: 1})).rejects.toThrow(/not supported yet/)
    await client.hosts()
    await expect(client.inventory(v1)).rejects.toThrow(UnsafeError)
    expect((await discover(client)).silent).toEqual([])
  })

  test('that do not know versions are never sent one', async () => {
    const otp = playV0Host(peers, '0.63.2', {lattice, inventory: otpInventory})
    await peers.flush()
    const version = '0.3.4'
    await expect(client.stopActor(otp.id, {key: foreignKeys.actor, count: 1, version})).rejects.toThrow(UnsafeError)
    await expect(client.startActor(otp.id, {ref: 'x', count: 1, dark: true})).rejects.toThrow(UnsafeError)
    await client.stopActor(otp.id, {key: foreignKeys.actor, count: 1})
    expect(otp.received).toEqual([
      {command: 'sa', body: {actor_ref: foreignKeys.actor, count: 1, annotations: {}, host_id: otp.id}},
    ])
  })

  test('that are unknown are not found', async () => {
    await expect(client.stopHost('NNOBODY')).rejects.toThrow(NotFoundError)
  })
})

test('what runs on OTP and Rust hosts is found with its version', async () => {
  const otp = playV0Host(peers, '0.63.2', {lattice, inventory: otpInventory, claims})
  const rust = playV0Host(peers, '0.82.0', {lattice, inventory: (id) => rustInventory(id), claims})
  await peers.flush()
  const {entities} = await discover(client)
  expect(entities.map(({name}) => name)).toEqual(['HTTP Server', 'echo'])
  const byHost = new Map(entities[1]!.instances.map(({host, version, count: copies}) => [host, {version, copies}]))
  expect(byHost.get(otp.id)).toEqual({version: '0.3.4', copies: 2})
  expect(byHost.get(rust.id)).toEqual({version: '0.3.4', copies: 7})
})

test('a host that answers a ping and hides what it runs is named, and hides nothing else', async () => {
  const bad = playV0Host(peers, '0.63.2', {lattice, inventory: () => ({error: 'claims are malformed'})})
  playV0Host(peers, '0.63.2', {lattice, inventory: otpInventory})
  await peers.flush()
  const {silent, entities} = await discover(client)
  expect(silent).toEqual([bad.id])
  expect(entities).toHaveLength(2)
})

test('a refusal carries the words of the host', async () => {
  const host = playV0Host(peers, '0.63.2', {
    lattice,
    inventory: otpInventory,
    ack: {accepted: false, error: 'no such actor'},
  })
  await peers.flush()
  const refused = client.scaleActor(host.id, {key: 'M1', ref: 'x', count: 1})
  await expect(refused).rejects.toThrow(RefusedError)
  await expect(refused).rejects.toThrow(/no such actor\.$/)
})

test('a refusal for several versions is ambiguous and names them', async () => {
  const candidates = [{version: '1.0.0', count: 5}]
  playV0Host(peers, '0.1.0', {lattice, inventory: otpInventory, ack: {accepted: false, error: 'Two run.', candidates}})
  await peers.flush()
  const [host] = await client.hosts()
  const error = await client.stopActor(host!.id, {key: 'M1', count: 0}).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(AmbiguousAckError)
  expect(error).toMatchObject({suggestions: ['--version 1.0.0'], kind: 'ambiguous'})
})

test('events that are published twice arrive once, and others are left out', async () => {
  const stop = new AbortController()
  const events = client.watchEvents(stop.signal)
  await mine.flush()
  const event = (id: string): string =>
    JSON.stringify({
      specversion: '1.0',
      id,
      type: 'com.wasmcloud.lattice.actors_started',
      source: 'N1',
      data: {count: 2},
    })
  for (const text of [event('1'), event('1'), 'no JSON', '{"id":"x","type":"other"}', event('2')]) {
    peers.publish(`wasmbus.evt.${lattice}`, text)
  }
  const seen: string[] = []
  for await (const {id} of events) {
    seen.push(id)
    if (id === '2') stop.abort()
  }
  expect(seen).toEqual(['1', '2'])
})

test('with a deadline all requests together wait no longer, and the last still get a moment', async () => {
  const host = playV0Host(peers, '0.63.2', {lattice, inventory: otpInventory})
  const hung = peers.subscribe(`wasmbus.ctl.${lattice}.get.links`, {callback: () => undefined})
  await peers.flush()
  const deadline = performance.now() + 600
  const limited = new ControlClient(mine, {lattice, timeoutMs: 10_000, deadline})
  for (const _ of [1, 2, 3, 4, 5, 6]) await expect(limited.links()).rejects.toMatchObject({kind: 'timeout'})
  hung.unsubscribe()
  expect(performance.now() - deadline).toBeLessThan(600)
  expect((await limited.inventory(host.id)).actors).toHaveLength(1)
})
