import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {AmbiguousAckError, RefusedError} from '../../../src/lib/control/client.js'
import {discover} from '../../../src/lib/control/discover.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {NoRespondersError} from '../../../src/lib/nats/request.js'
import {builtinHttpserver} from '../../../src/lib/records/builtin.js'
import {callActor} from '../../../src/lib/rpc/caller.js'
import {writeProbe, type SignedActor} from '../../support/actors.js'
import {plainSpec, startHost, type TestHost} from '../../support/host.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

let server: TestServer
let nc: NatsConnection
let folder: TempFolder
let [one, two]: SignedActor[] = []
const key = createKey('M').publicKey
beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  nc = await openConnection(plainSpec(server.url, 'default'))
  folder = await tempFolder()
  ;[one, two] = await Promise.all(['1.0.0', '2.0.0'].map((version) => writeProbe(folder.path, {version, key})))
})
afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

function startWith(lattice: string): Promise<TestHost> {
  return startHost({server, lattice, allowFiles: [folder.path]})
}

/** Version by version: what each listens on and how many calls it takes. */
function running({host}: TestHost): string[] {
  return host.inventory.actors.flatMap(({instances}) =>
    instances.map(({version, count, dark}) => `${version ?? '?'} × ${count}${dark ? ' dark' : ''}`),
  )
}

interface RawAck {
  readonly accepted: boolean
  readonly error: string
  readonly candidates?: readonly object[]
}

/** A request as any program could send it. */
async function raw(host: TestHost, lattice: string, command: string, body: unknown): Promise<RawAck> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const reply = await nc.request(`wasmbus.ctl.${lattice}.cmd.${host.id}.${command}`, text, {timeout: 5000})
  return reply.json()
}

async function call(lattice: string, host: TestHost, version?: string): Promise<string> {
  const answer = await callActor(nc, {
    lattice,
    target: key,
    ...(version === undefined ? {} : {version}),
    operation: 'Probe.Echo',
    payload: Buffer.from('x'),
    clusterKey: host.clusterKey,
    timeoutMs: 5000,
  })
  return Buffer.from(answer).toString()
}

describe('with two versions running', () => {
  test('a stop or scale that names none is refused by the host, with the choices, before anything happens', async () => {
    const lattice = 'ambiguous'
    await using host = await startWith(lattice)
    await host.client.startActor(host.id, {ref: one!.ref, count: 5})
    await host.client.startActor(host.id, {ref: two!.ref, count: 3})
    const candidates = [
      {version: '1.0.0', count: 5},
      {version: '2.0.0', count: 3},
    ]
    const error = "'probe' runs here in 2 versions (1.0.0 × 5, 2.0.0 × 3), and the request names none."
    for (const count of [0, 1]) {
      expect(await raw(host, lattice, 'sa', {actor_ref: key, count})).toEqual({accepted: false, error, candidates})
      expect(await raw(host, lattice, 'scale', {actor_id: key, count})).toEqual({accepted: false, error, candidates})
    }
    await expect(host.client.stopActor(host.id, {key, count: 0})).rejects.toThrow(AmbiguousAckError)
    expect(running(host)).toEqual(['1.0.0 × 5', '2.0.0 × 3'])
  })

  test('one that names a version acts on it alone, and * on all', async () => {
    const lattice = 'named'
    await using host = await startWith(lattice)
    await host.client.startActor(host.id, {ref: one!.ref, count: 5})
    await host.client.startActor(host.id, {ref: two!.ref, count: 3})
    await host.client.scaleActor(host.id, {key, ref: '', count: 7, version: '2.0.0'})
    expect(running(host)).toEqual(['1.0.0 × 5', '2.0.0 × 7'])
    await host.client.stopActor(host.id, {key, count: 2, version: '1.0.0'})
    expect(running(host)).toEqual(['1.0.0 × 3', '2.0.0 × 7'])
    await host.client.scaleActor(host.id, {key, ref: '', count: 2, version: '*'})
    expect(running(host)).toEqual(['1.0.0 × 2', '2.0.0 × 2'])
    await host.client.stopActor(host.id, {key, count: 0, version: '1.0.0'})
    expect(running(host)).toEqual(['2.0.0 × 2'])
    await expect(call(lattice, host, '1.0.0')).rejects.toThrow(NoRespondersError)
    expect(await call(lattice, host)).toBe('x')
    await host.client.stopActor(host.id, {key, count: 0})
    expect(running(host)).toEqual([])
  })

  test('an artifact in a scale says its version itself, and must not contradict', async () => {
    const lattice = 'artifact'
    await using host = await startWith(lattice)
    await host.client.startActor(host.id, {ref: one!.ref, count: 5})
    await host.client.scaleActor(host.id, {key, ref: two!.ref, count: 4, dark: true})
    expect(running(host)).toEqual(['1.0.0 × 5', '2.0.0 × 4 dark'])
    await host.client.scaleActor(host.id, {key, ref: two!.ref, count: 6})
    expect(running(host)).toEqual(['1.0.0 × 5', '2.0.0 × 6 dark'])
    const contradiction = await raw(host, lattice, 'scale', {
      actor_id: key,
      actor_ref: two!.ref,
      count: 1,
      version: '1.0.0',
    })
    expect(contradiction.accepted).toBe(false)
    expect(contradiction.error).toMatch(/is version '2.0.0', not '1.0.0'/)
    expect(running(host)).toEqual(['1.0.0 × 5', '2.0.0 × 6 dark'])
  })
})

test('a dark version is on its own subject only, until a scale lets it join', async () => {
  const lattice = 'dark'
  await using host = await startWith(lattice)
  await host.client.startActor(host.id, {ref: one!.ref, count: 1, dark: true})
  await expect(call(lattice, host)).rejects.toThrow(NoRespondersError)
  expect(await call(lattice, host, '1.0.0')).toBe('x')
  await host.client.scaleActor(host.id, {key, ref: '', count: 1, version: '1.0.0', dark: false})
  expect(running(host)).toEqual(['1.0.0 × 1'])
  expect(await call(lattice, host)).toBe('x')
  await expect(host.client.startActor(host.id, {ref: one!.ref, count: 1, dark: true})).rejects.toThrow(/is not dark/)
  await host.client.scaleActor(host.id, {key, ref: '', count: 1, version: '1.0.0', dark: true})
  await expect(call(lattice, host)).rejects.toThrow(NoRespondersError)
})

test('mappings of the server split the unversioned subject over the versioned ones', async () => {
  const lattice = 'mapped'
  const source = `wasmbus.rpc.${lattice}.${key}`
  const leg = (version: string, weight: number): string =>
    `{destination: "${source}.${Buffer.from(version).toString('base64url')}", weight: ${weight}%}`
  const mappings = `mappings {"${source}": [${leg('1.0.0', 0)}, ${leg('2.0.0', 100)}]}`
  await using mapped = await startNatsServer({jetstream: true, config: mappings})
  await using host = await startHost({server: mapped, lattice, allowFiles: [folder.path]})
  await host.client.startActor(host.id, {ref: one!.ref, count: 4})
  await host.client.startActor(host.id, {ref: two!.ref, count: 4, dark: true})
  const caller = await openConnection(plainSpec(mapped.url, lattice))
  const options = {lattice, target: key, operation: 'Probe.Calls', clusterKey: host.clusterKey, timeoutMs: 5000}
  for (let count = 0; count < 5; count++) await callActor(caller, {...options, payload: new Uint8Array()})
  await caller.close()
  const [first, second] = host.host.inventory.actors[0]!.instances
  expect([first!.workers, second!.workers! > 0]).toEqual([0, true])
})

test('what is started again counts more, and other code of the same version is refused', async () => {
  const lattice = 'again'
  await using host = await startWith(lattice)
  await host.client.startActor(host.id, {ref: one!.ref, count: 2})
  await host.client.startActor(host.id, {ref: one!.ref, count: 3})
  expect(running(host)).toEqual(['1.0.0 × 5'])
  const other = await writeProbe(folder.path, {name: 'other', version: '1.0.0', key})
  await expect(host.client.startActor(host.id, {ref: other.ref, count: 1})).rejects.toThrow(/with other code/)
  expect(running(host)).toEqual(['1.0.0 × 5'])
})

test('claims are kept by key and version, and under the key for the version last started', async () => {
  const lattice = 'claims'
  await using host = await startWith(lattice)
  await host.client.startActor(host.id, {ref: one!.ref, count: 1})
  await host.client.startActor(host.id, {ref: two!.ref, count: 1})
  const claims = await host.client.claims()
  expect(claims.filter(({sub}) => sub === key).map(({version}) => version)).toEqual(['1.0.0', '2.0.0'])
  expect(claims.every((record) => Object.values(record).every((value) => typeof value === 'string'))).toBe(true)
  const {entities} = await discover(host.client)
  expect(entities[0]).toMatchObject({name: 'probe', key, kind: 'actor'})
})

describe('requests that cannot be meant', () => {
  test.each<[string, string, unknown, RegExp]>([
    ['no JSON', 'la', 'hello', /not JSON/],
    ['no object', 'la', '[]', /not a JSON object/],
    ['no reference', 'la', {count: 1}, /'actor_ref'/],
    ['a count below one', 'la', {actor_ref: 'file:///x.wasm', count: 0}, /At least one/],
    ['a fractional count', 'la', {actor_ref: 'file:///x.wasm', count: 1.5}, /'count'/],
    ['an image', 'la', {actor_ref: 'reg/echo:1.0.0', count: 1}, /is no file/],
    ['what does not run', 'sa', {actor_ref: key, count: 0}, /does not run here/],
    ['a scale of nothing', 'scale', {actor_id: key, count: 1}, /nothing says what to start/],
    ['a live update', 'upd', {actor_id: key, new_actor_ref: 'x'}, /replaces no running code/],
    ['another provider', 'lp', {provider_ref: 'reg/kv:1', link_name: 'default'}, /only provider of this host/],
    [
      'a link name that breaks subjects',
      'lp',
      {provider_ref: builtinHttpserver.ref, link_name: 'a.b'},
      /not a link name/,
    ],
    [
      'a provider that does not run',
      'sp',
      {provider_ref: builtinHttpserver.key, link_name: 'default'},
      /does not run here/,
    ],
    ['an unknown command', 'dance', {}, /does not know the command 'dance'/],
    ['another host', 'stop', {host_id: 'NOTHER'}, /is for host 'NOTHER'/],
  ])('%s', async (_name, command, body, reason) => {
    await using host = await startWith('refused')
    const {accepted, error} = await raw(host, 'refused', command, body)
    expect(accepted).toBe(false)
    expect(error).toMatch(reason)
    expect(running(host)).toEqual([])
  })

  test('a link with keys that are none', async () => {
    await using host = await startWith('refused')
    const link = {
      id: '',
      actor_id: 'M1',
      provider_id: builtinHttpserver.key,
      link_name: 'default',
      contract_id: 'x',
      values: {},
    }
    await expect(host.client.putLink(link)).rejects.toThrow(RefusedError)
    expect(await host.client.links()).toEqual([])
  })
})

test('a provider is one for each link name, and stops by name and version', async () => {
  await using host = await startWith('providers')
  const {ref, key: provider, contract} = builtinHttpserver
  await host.client.startProvider(host.id, {ref, link: 'default'})
  await host.client.startProvider(host.id, {ref, link: 'second', dark: true})
  await expect(host.client.startProvider(host.id, {ref, link: 'second'})).rejects.toThrow(/runs here already/)
  const inventory = await host.client.inventory(host.id)
  expect(inventory.providers.map(({link, dark, version}) => ({link, dark, version}))).toEqual([
    {link: 'default', dark: false, version: builtinHttpserver.version},
    {link: 'second', dark: true, version: builtinHttpserver.version},
  ])
  const stop = {key: provider, link: 'second', contract}
  await expect(host.client.stopProvider(host.id, {...stop, version: '9.9.9'})).rejects.toThrow(/but in 0\.1\.0/)
  await host.client.stopProvider(host.id, {...stop, version: builtinHttpserver.version})
  expect(host.host.inventory.providers.map(({link}) => link)).toEqual(['default'])
})

test('side channels of a provider: health, and a shutdown that is meant for it', async () => {
  const lattice = 'channels'
  await using host = await startWith(lattice)
  const {ref, key: provider, version} = builtinHttpserver
  await host.client.startProvider(host.id, {ref, link: 'default'})
  const subject = `wasmbus.rpc.${lattice}.${provider}.default`
  const versioned = `${subject}.${Buffer.from(version).toString('base64url')}`
  for (const channel of [subject, versioned]) {
    expect((await nc.request(`${channel}.health`, '', {timeout: 5000})).data.length).toBeGreaterThan(0)
  }
  nc.publish(`${subject}.shutdown`, JSON.stringify({host_id: 'NOTHER'}))
  nc.publish(`${subject}.shutdown`, JSON.stringify({host_id: host.id, version: '9.9.9'}))
  await nc.request(`${subject}.health`, '', {timeout: 5000})
  expect(host.host.inventory.providers).toHaveLength(1)
  const reply = await nc.request(`${versioned}.shutdown`, JSON.stringify({host_id: host.id}), {timeout: 5000})
  expect(reply.string()).toBe('shutting down')
  await host.event('provider_stopped')
  expect(host.host.inventory.providers).toHaveLength(0)
})
