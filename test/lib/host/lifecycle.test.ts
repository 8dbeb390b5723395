import {readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {ConnectionError} from '../../../src/lib/errors.js'
import type {Host} from '../../../src/lib/host/host.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {NoRespondersError} from '../../../src/lib/nats/request.js'
import {builtinHttpserver} from '../../../src/lib/records/builtin.js'
import {callActor, type ActorCall} from '../../../src/lib/rpc/caller.js'
import {writeProbe} from '../../support/actors.js'
import {plainSpec, startHost, testClusterKey, type TestHost} from '../../support/host.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'
import {until} from '../../support/until.js'

let server: TestServer
let nc: NatsConnection
let folder: TempFolder
/** A test that is tried again must not find what its first try kept. */
let tries = 0
beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  nc = await openConnection(plainSpec(server.url, 'default'))
  folder = await tempFolder()
})
afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

function echoCall(lattice: string, target: string): ActorCall {
  const payload = Buffer.from('x')
  return {lattice, target, operation: 'Probe.Echo', payload, clusterKey: testClusterKey, timeoutMs: 5000}
}

const {ref: http, key: httpKey, contract} = builtinHttpserver

describe('a drain', () => {
  test('loses no call that came in, while another host takes over', async () => {
    const lattice = 'drain'
    const probe = await writeProbe(folder.path)
    await using first = await startHost({server, lattice, allowFiles: [folder.path]})
    await using second = await startHost({server, lattice, allowFiles: [folder.path]})
    for (const host of [first, second]) await host.client.startActor(host.id, {ref: probe.ref, count: 4})
    const call = echoCall(lattice, probe.key)
    let sent = 0
    let answered = 0
    let running = true
    const send = async (): Promise<void> => {
      while (running) {
        sent += 1
        if (Buffer.from(await callActor(nc, call)).toString() === 'x') answered += 1
      }
    }
    const senders = Array.from({length: 8}, send)
    await until(() => answered > 100, 10_000)
    await first.client.stopHost(first.id)
    await first.host.run({signal: new AbortController().signal})
    const after = answered
    await until(() => answered > after + 100, 10_000)
    running = false
    await Promise.all(senders)
    expect(answered).toBe(sent)
    expect(first.reports.at(-1)).toEqual({kind: 'stopped', host: first.id})
    expect((await second.client.hosts()).map(({id}) => id)).toEqual([second.id])
  })

  test('waits for a call that runs, and then nobody listens', async () => {
    const lattice = 'slow'
    const probe = await writeProbe(folder.path)
    await using host = await startHost({server, lattice, allowFiles: [folder.path], rpcTimeoutMs: 500})
    await host.client.startActor(host.id, {ref: probe.ref, count: 4})
    const call = echoCall(lattice, probe.key)
    const looping = callActor(nc, {...call, operation: 'Probe.Loop'}).catch((error: unknown) => error)
    await until(() => host.host.inventory.actors[0]!.instances[0]!.workers === 1, 5000)
    const stop = new AbortController()
    const ended = host.host.run({signal: stop.signal})
    stop.abort('SIGTERM')
    await ended
    expect(await looping).toMatchObject({message: expect.stringContaining('deadline') as string})
    await expect(callActor(nc, call)).rejects.toThrow(NoRespondersError)
    const names = host.reports.flatMap((report) => (report.kind === 'event' ? [report.name] : []))
    expect(names.slice(-2)).toEqual(['actors_stopped', 'host_stopped'])
    expect(host.reports.find(({kind}) => kind === 'draining')).toEqual({kind: 'draining', reason: 'SIGTERM'})
  })
})

describe('a state file', () => {
  const startWith = (lattice: string, stateFile: string): Promise<TestHost> =>
    startHost({server, lattice, stateFile, allowFiles: [folder.path]})

  test('brings back what ran, as it ran', async () => {
    const lattice = `kept${++tries}`
    const stateFile = join(folder.path, `${lattice}.json`)
    const key = createKey('M').publicKey
    const [one, two] = await Promise.all(['1.0.0', '2.0.0'].map((version) => writeProbe(folder.path, {version, key})))
    let before
    {
      await using host = await startWith(lattice, stateFile)
      await host.client.startActor(host.id, {ref: one!.ref, count: 5, annotations: {zone: 'a'}})
      await host.client.startActor(host.id, {ref: two!.ref, count: 2, dark: true})
      await host.client.scaleActor(host.id, {key, ref: '', count: 7, version: '1.0.0'})
      await host.client.startProvider(host.id, {ref: http, link: 'edge'})
      before = host.host.inventory
    }
    await using host = await startWith(lattice, stateFile)
    const same = ({actors, providers}: Host['inventory']): unknown => [
      actors.map(({instances}) => instances.map((instance) => ({...instance, instanceId: '', workers: 0}))),
      providers.map((provider) => ({...provider, instanceId: ''})),
    ]
    expect(same(host.host.inventory)).toEqual(same(before))
    await host.client.stopActor(host.id, {key, count: 0, version: '1.0.0'})
    await host.client.stopProvider(host.id, {key: httpKey, link: 'edge', contract})
    const kept = JSON.parse(await readFile(stateFile, 'utf8')) as {actors: {version: string}[]; providers: []}
    expect([kept.actors.map(({version}) => version), kept.providers]).toEqual([['2.0.0'], []])
  })

  test('keeps what cannot be started at the moment, until somebody stops it', async () => {
    const lattice = `missing${++tries}`
    const stateFile = join(folder.path, `${lattice}.json`)
    const gone = await writeProbe(folder.path, {name: 'gone'})
    const stays = await writeProbe(folder.path, {name: 'stays'})
    {
      await using host = await startWith(lattice, stateFile)
      for (const {ref} of [gone, stays]) await host.client.startActor(host.id, {ref, count: 1})
    }
    await rm(fileURLToPath(gone.ref))
    await using host = await startWith(lattice, stateFile)
    expect(host.host.inventory.actors.map(({key}) => key)).toEqual([stays.key])
    expect(await host.event('actors_start_failed')).toMatchObject({image_ref: gone.ref})
    expect(host.reports).toContainEqual({
      kind: 'warning',
      message: expect.stringContaining('There is no file') as string,
    })
    await host.client.scaleActor(host.id, {key: stays.key, ref: '', count: 2})
    expect(await readFile(stateFile, 'utf8')).toContain(gone.key)
    await host.client.stopActor(host.id, {key: gone.key, count: 0})
    expect(await readFile(stateFile, 'utf8')).not.toContain(gone.key)
  })

  test('does not start another version that took the place of the file', async () => {
    const stateFile = join(folder.path, 'replaced.json')
    const key = createKey('M').publicKey
    const {ref} = await writeProbe(folder.path, {name: 'replaced', key})
    {
      await using host = await startWith('replaced', stateFile)
      await host.client.startActor(host.id, {ref, count: 1})
    }
    const next = await writeProbe(folder.path, {name: 'replaced', version: '2.0.0', key})
    await writeFile(fileURLToPath(ref), await readFile(fileURLToPath(next.ref)))
    await using host = await startWith('replaced', stateFile)
    expect(host.host.inventory.actors).toEqual([])
    expect((await host.event('actors_start_failed'))['error']).toMatch(
      /held version '1\.0\.0'.*holds 'replaced@2\.0\.0' now/,
    )
  })

  test('that is none is put aside, and the host starts', async () => {
    const stateFile = join(folder.path, 'broken.json')
    await writeFile(stateFile, '{"format": 7}')
    await using host = await startWith('broken', stateFile)
    expect(host.reports).toContainEqual({kind: 'warning', message: expect.stringContaining('holds no state') as string})
    expect(await readFile(`${stateFile}.unreadable`, 'utf8')).toBe('{"format": 7}')
  })
})

describe('a server that goes away', () => {
  test.each([['and keeps its store'], ['and loses its store']])('%s: the host serves again', async (how) => {
    const lattice = 'away'
    await using other = await startNatsServer({jetstream: true})
    const probe = await writeProbe(folder.path)
    await using host = await startHost({server: other, lattice, allowFiles: [folder.path]})
    await host.client.startActor(host.id, {ref: probe.ref, count: 2})
    await host.client.startProvider(host.id, {ref: http, link: 'default'})
    await other.kill()
    await until(() => host.reports.some((report) => report.kind === 'connection' && report.state === 'lost'), 10_000)
    if (how === 'and loses its store') await rm(join(other.dir, 'jetstream'), {recursive: true})
    await other.restart()
    await until(
      () => host.reports.some((report) => report.kind === 'connection' && report.state === 'restored'),
      10_000,
    )

    const again = await openConnection(plainSpec(other.url, lattice))
    const call = echoCall(lattice, probe.key)
    expect(Buffer.from(await callActor(again, call)).toString()).toBe('x')
    await until(async () => (await host.client.claims()).length === 2, 10_000)
    const link = {id: '', actor_id: probe.key, provider_id: httpKey, link_name: 'default', contract_id: contract}
    await host.client.putLink({...link, values: {address: '127.0.0.1:0'}})
    const {address} = await host.event('link_listening')
    // The probe claims no HTTP: that it says so shows that the call went all the way.
    expect((await fetch(`http://${String(address)}`)).status).toBe(502)
    await again.close()
  })

  test('and stays away does not keep a host from stopping', async () => {
    await using other = await startNatsServer({jetstream: true})
    const host = await startHost({server: other, lattice: 'gone'})
    await other.kill()
    await until(() => host.reports.some((report) => report.kind === 'connection'), 10_000)
    await host[Symbol.asyncDispose]()
    expect(host.reports.at(-1)).toEqual({kind: 'stopped', host: host.id})
  })
})

test('without JetStream there is no host', async () => {
  await using plain = await startNatsServer()
  await expect(startHost({server: plain, lattice: 'plain'})).rejects.toThrow(ConnectionError)
})

test('a heartbeat tells counts as old readers know them, and those of each version', async () => {
  const lattice = 'heart'
  const probe = await writeProbe(folder.path)
  let beat: Record<string, unknown> = {}
  nc.subscribe(`wasmbus.evt.${lattice}`, {
    callback: (_error, msg) => {
      const event: {type: string; data: Record<string, unknown>} = msg.json()
      if (event.type === 'com.wasmcloud.lattice.host_heartbeat') beat = event.data
    },
  })
  await nc.flush()
  await using host = await startHost({server, lattice, allowFiles: [folder.path], heartbeatMs: 50})
  await host.client.startActor(host.id, {ref: probe.ref, count: 3})
  await until(() => JSON.stringify(beat).includes(probe.key), 5000)
  expect(beat).toMatchObject({
    actors: {[probe.key]: 3},
    actor_versions: {[probe.key]: {'1.0.0': 3}},
    labels: {'lattice.versioned-rpc': '1'},
  })
})
