import {decode, encode} from '@msgpack/msgpack'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {discover} from '../../../src/lib/control/discover.js'
import {runningVersions} from '../../../src/lib/entity/entity.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {builtinHttpserver} from '../../../src/lib/records/builtin.js'
import {callActor} from '../../../src/lib/rpc/caller.js'
import {echoRef, plainSpec, startHost, type TestHost} from '../../support/host.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {until} from '../../support/until.js'

let server: TestServer
beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

const request = encode({method: 'GET', path: '/', queryString: '', header: {}, body: new Uint8Array()})

/** The version that an echo actor answers with. */
async function askEcho(host: TestHost, lattice: string, target: string, version?: string): Promise<string> {
  const nc = await openConnection(plainSpec(server.url, lattice))
  try {
    const payload = await callActor(nc, {
      lattice,
      target,
      ...(version === undefined ? {} : {version}),
      operation: 'HttpServer.HandleRequest',
      payload: request,
      clusterKey: host.clusterKey,
      timeoutMs: 5000,
    })
    return Buffer.from((decode(payload) as {body: Uint8Array}).body).toString('utf8')
  } finally {
    await nc.close()
  }
}

describe('a host', () => {
  test('runs two versions of one key side by side, each on an address of its own', async () => {
    await using host = await startHost({server, lattice: 'two'})
    await host.client.startActor(host.id, {ref: echoRef('1.0.0'), count: 5})
    await host.client.startActor(host.id, {ref: echoRef('2.0.0'), count: 3, dark: true})

    const {entities} = await discover(host.client)
    expect(entities).toHaveLength(1)
    const [echo] = entities
    expect(echo).toMatchObject({name: 'echo', kind: 'actor'})
    expect(runningVersions(echo!)).toEqual(['1.0.0', '2.0.0'])
    expect(echo!.instances.map(({count, dark}) => ({count, dark}))).toEqual([
      {count: 5, dark: false},
      {count: 3, dark: true},
    ])
    expect(await askEcho(host, 'two', echo!.key, '2.0.0')).toContain('2.0.0')
    for (let call = 0; call < 10; call++) expect(await askEcho(host, 'two', echo!.key)).toContain('1.0.0')
  })

  test('serves a linked actor over HTTP', async () => {
    await using host = await startHost({server, lattice: 'http'})
    await host.client.startActor(host.id, {ref: echoRef('1.0.0'), count: 5})
    await host.client.startProvider(host.id, {ref: builtinHttpserver.ref, link: 'default'})
    const [actor] = host.host.inventory.actors
    await host.client.putLink({
      id: '',
      actor_id: actor!.key,
      provider_id: builtinHttpserver.key,
      link_name: 'default',
      contract_id: builtinHttpserver.contract,
      values: {address: '127.0.0.1:0'},
    })
    const {address} = await host.event('link_listening')
    const answer = await fetch(`http://${String(address)}/hello?x=1`, {method: 'POST', body: 'body'})
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain('1.0.0')
    expect(host.host.inventory.providers[0]!.links).toEqual([{actor: actor!.key, address}])
    await until(() => true, 10)
  })
})
