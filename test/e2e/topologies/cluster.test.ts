import {encode} from '@msgpack/msgpack'
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest'

import {Bucket, ensureBucket} from '../../../src/lib/cache/bucket.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {SystemClient} from '../../../src/lib/nats/system.js'
import {playActor} from '../../support/actors.js'
import {openWire} from '../../support/breakable-wire.js'
import type {Ended, Failure} from '../../support/cli.js'
import {startHost, type TestHost} from '../../support/host.js'
import {leadAll} from '../../support/leaders.js'
import {scriptedHost} from '../../support/scripted-host.js'
import {echoModule} from '../../support/story.js'
import {clusterOf, startTopology, type Topology} from '../../support/topology.js'
import {until} from '../../support/until.js'

const names = ['c-0', 'c-1', 'c-2']
const buckets = ['LATTICEDATA_default', 'LATTICEVERSIONS_default', 'LATTICEROUTES_default', 'LATTICEACCOUNT']
const streams = buckets.map((bucket) => `KV_${bucket}`)

let cluster: Topology
let host: TestHost
/** A test that is tried again must not meet what its first try wrote. */
let tries = 0
let owner = ''
let started = false

beforeAll(async () => {
  cluster = await startTopology(await clusterOf('c', 3))
  const connection = await cluster.connect('c-1')
  // In three copies, as everything that should outlive a server.
  for (const bucket of buckets) await ensureBucket(connection, bucket, {}, {replicas: 3})
  host = await startHost({server: cluster.server('c-1'), lattice: 'default'})
})

afterAll(async () => {
  await host[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
})

/** A test that is tried again finds dead what its first try killed. */
beforeEach(async () => {
  const dead = names.filter((name) => cluster.server(name).pid === -1)
  if (dead.length === 0) return
  await Promise.all(dead.map((name) => cluster.server(name).restart()))
  await leadAll(cluster.server('c-1').spec(), 'c-1', streams)
})

const httpRequest = JSON.stringify({method: 'GET', path: '/', queryString: '', header: {}, body: ''})

describe('from every server of a cluster', () => {
  test('the records that were written at another can be read', async () => {
    const {ok} = cluster.cli
    owner = `shop ${++tries}`
    const put = ['cache', 'put', 'key', 'owner', JSON.stringify(owner), '--context', 'c-0']
    expect(await ok(...put)).toMatchObject({changed: true})
    const entries = await Promise.all(names.map((name) => ok('cache', 'get', 'key', 'owner', '--context', name)))
    expect(entries.map(({value}) => value)).toEqual([owner, owner, owner])
  })

  test('the hosts at another can be used, and a route is live on all of them', async () => {
    const {ok} = cluster.cli
    if (!started) {
      await ok('start', echoModule('1.0.0'), '--context', 'c-0')
      await ok('start', echoModule('2.0.0'), '--dark', '--context', 'c-2')
      started = true
    }
    expect(await ok('host', 'ls', '--context', 'c-2')).toMatchObject({hosts: [{id: host.id}]})

    if (tries++ > 1) await ok('route', 'ab', '100/0', '--context', 'c-2')
    const route = await ok<{servers: {applied: number; stored: number}}>('route', 'ab', '0/100', '--context', 'c-2')
    expect(route).toMatchObject({servers: {total: 3, names}})
    expect(route.servers.applied + route.servers.stored).toBe(3)
    const call = ['call', 'echo', 'HttpServer.HandleRequest', httpRequest]
    expect(JSON.stringify(await ok(...call, '--context', 'c-0'))).toContain('2.0.0')
    expect(await ok('route', 'ls', '--context', 'c-0')).toMatchObject({routes: [{state: 'current'}]})
  })
})

/** A command, and the text in its traffic at which the server dies. */
type Doomed = readonly [text: string, ...argv: readonly string[]]

/** Runs commands through one server, which dies, and others with it, when all have come to their text; how each ended. */
async function failover(
  commands: readonly Doomed[],
  lose: 'request' | 'answer',
  ...[through = 'c-0', ...others]: readonly string[]
): Promise<Ended[]> {
  const death = Promise.withResolvers<undefined>()
  let alive = commands.length
  const end = (): Promise<void> => {
    const deaths = --alive === 0 ? [through, ...others].map((name) => cluster.server(name).kill()) : []
    if (deaths.length > 0) void Promise.allSettled(deaths).finally(() => death.resolve(undefined))
    return death.promise
  }
  return Promise.all(
    commands.map(async ([text, ...argv]) => {
      await using wire = await openWire(cluster.server(through).port)
      wire.breakAt(text, lose, end)
      const ended = await cluster.cli.run(...argv, '--json', '--context', through, '--server', wire.url)
      expect(wire.broken).toBe(true)
      return ended
    }),
  )
}

async function writesOf(key: string): Promise<number[]> {
  const bucket = Bucket.at(await cluster.connect('c-2'), 'LATTICEDATA_default', {})
  return (await bucket.history(key)).map(({revision}) => revision)
}

describe('when the one server whose address is known dies', () => {
  beforeEach(async () => {
    await leadAll(cluster.server('c-1').spec(), 'c-1', streams)
  })

  afterEach(async () => {
    await cluster.server('c-0').restart()
  })

  test.each(['request', 'answer'] as const)('and the %s with it, commands end as if nothing were', async (lose) => {
    const key = `written-${lose}-${++tries}`
    const commands: readonly Doomed[] = [
      ['$JS.API.STREAM.MSG.GET.', 'cache', 'get', 'key', 'owner'],
      ['$JS.API.CONSUMER.CREATE.', 'cache', 'ls', '--kind', 'key'],
      ['PUB $KV.', 'cache', 'put', 'key', key, '1', '--create'],
      ['.ping.hosts', 'host', 'ls'],
      ['.inv ', 'entity', 'ls'],
    ]
    const ended = await failover(commands, lose)
    expect(ended.map(({exitCode, stderr}) => [exitCode, stderr])).toEqual(commands.map(() => [0, '']))
    const [get, list, put, hosts, entities] = ended.map(({json}) => json())
    expect(get).toMatchObject({value: owner})
    expect(list).toMatchObject({records: expect.arrayContaining([expect.objectContaining({key: 'owner'})]) as object})
    expect(hosts).toMatchObject({hosts: [{id: host.id}]})
    expect(entities).toMatchObject({entities: [{name: 'echo'}]})
    expect(await writesOf(key)).toEqual([(put as {revision: number}).revision])
    // Less than the time for which each would have waited.
    expect(Math.max(...ended.map(({tookMs}) => tookMs))).toBeLessThan(5000)
  })

  test('a call is answered by who works on it at that moment', async () => {
    const connection = await cluster.connect('c-1')
    const {publicKey: key} = createKey('M')
    const lattice = `slow${++tries}`
    await scriptedHost(connection, lattice).run({key, name: 'slow', version: '1.0.0', dark: true})
    await playActor(connection, {lattice, key}, async () => {
      await cluster.server('c-0').kill()
      await using system = await SystemClient.open(cluster.server('c-1').spec())
      // Back at another server, the caller waits where the answer will come.
      await until(async () => JSON.stringify(await system.ask('CONNZ')).includes('"name":"lattice"'), 5000)
      return {msg: encode('done')}
    })
    const called = await cluster.cli.ok('call', 'slow', 'Slow.Work', '--lattice', lattice, '--context', 'c-0')
    expect(called).toMatchObject({result: 'done'})
  })

  test('a change of a route is live on the others, and the command names the one that is missing', async () => {
    const system = ['--sys-creds', cluster.server('c-0').sysCredsFile]
    const weight = 50 + ++tries
    const change = ['route', 'ab', `${weight}/${100 - weight}`, '--timeout', '2s', ...system]
    const [ended] = await failover([['CLAIMS.UPDATE', ...change]], 'request')
    expect(ended).toMatchObject({exitCode: 8})
    expect((ended!.json() as Failure).error).toMatchObject({
      message: expect.stringContaining('not live on 1 of 3 servers: c-0 (it does not answer)') as string,
    })
    const {effective} = await cluster.cli.ok<{effective: object}>('route', 'show', 'echo', '--context', 'c-1')
    expect(effective).toMatchObject({legs: [{weight}, {weight: 100 - weight}]})
  })
})

test('when it led a bucket as well, a write ends once the others have chosen a leader', async () => {
  const connection = await cluster.connect('c-1')
  const info = await connection.request('$JS.API.STREAM.INFO.KV_LATTICEDATA_default')
  const {leader} = info.json<{cluster: {leader: string}}>().cluster
  const key = `leader-${++tries}`
  const put = ['cache', 'put', 'key', key, '1', '--create', '--timeout', '30s']
  const [ended] = await failover([['PUB $KV.', ...put]], 'answer', leader)
  expect(ended).toMatchObject({exitCode: 0, stderr: ''})
  expect(await writesOf(key)).toEqual([(ended!.json() as {revision: number}).revision])
})

// Last: nothing comes back.
test('when the others die as well, the command says that the connection was lost', async () => {
  const [ended] = await failover([['.ping.hosts', 'host', 'ls']], 'request', ...names)
  expect(ended).toMatchObject({exitCode: 11})
  expect(ended!.tookMs).toBeLessThan(5500)
})
