import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {openSource, readAccount} from '../../../src/lib/apply/account-state.js'
import {ensureBucket} from '../../../src/lib/cache/bucket.js'
import {systemClock} from '../../../src/lib/clock.js'
import {parseVersion} from '../../../src/lib/entity/version.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {SystemClient} from '../../../src/lib/nats/system.js'
import {legAddress, routeKey, sourceOf} from '../../../src/lib/routing/source.js'
import {parseSplit} from '../../../src/lib/routing/weights.js'
import {startOperatorCluster, until, type OperatorCluster} from '../../support/nats-server.js'
import {openRoutes, serveVersion, testActor, type TestRoutes} from '../../support/routes.js'
import {scriptedHost} from '../../support/scripted-host.js'
import {scriptedServer} from '../../support/scripted-server.js'
import {storedTokens} from '../../support/stored-tokens.js'

let cluster: OperatorCluster
beforeAll(async () => {
  cluster = await startOperatorCluster(3)
})
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
})

const versions = ['1.0.0', '2.0.0'].map(parseVersion)
const seventyThirty = parseSplit(['70/30'])
const thirtySeventy = parseSplit(['30/70'])

let count = 0
/** An actor on a connection to the first server. */
async function open(): Promise<
  TestRoutes & {entity: ReturnType<typeof testActor>['entity']; ref: {name: string}; source: string}
> {
  const lattice = `cluster-${++count}`
  const spec = cluster.servers[0]!.spec(lattice)
  const opened = await openRoutes(spec)
  // Records in three copies outlive the server that a test takes away.
  await ensureBucket(opened.connection, `LATTICEDATA_${lattice}`, spec, {replicas: 3})
  const {entity, ref} = testActor()
  for (const version of versions) serveVersion(opened.connection, {lattice, entity, version})
  await opened.connection.flush()
  return {...opened, entity, ref, source: sourceOf(lattice, entity)}
}

describe('a change on a cluster', () => {
  test('is applied where the account is used and stored where it is not', async () => {
    await using opened = await open()
    const change = await opened.routes.split(seventyThirty, {entity: opened.ref, versions})
    expect(change.servers.names).toEqual(['S0', 'S1', 'S2'])
    expect(change.servers.total).toBe(3)
    expect(change.servers.applied).toBeGreaterThan(0)
    expect(change.servers.applied + change.servers.stored).toBe(3)
    const tokens = await storedTokens(opened.system, cluster.servers[0]!.account.publicKey)
    expect(new Set(tokens).size).toBe(1)
    expect(tokens).toHaveLength(3)
  })

  test('is partial when a server answers 200 and does not do it: the previous legs are written back, and dark versions stay dark', async () => {
    const {operator, operatorSigning, account, ...first} = cluster.servers[0]!
    const lattice = 'cluster-dark'
    await using opened = await openRoutes(first.spec(lattice))
    const {routes, store, system} = opened
    const source = await openSource({system, account: account.publicKey, clock: systemClock})
    const host = scriptedHost(opened.connection, lattice)
    const {publicKey: key} = createKey('M')
    await host.run({key, name: 'echo', version: '1.0.0'})
    await host.run({key, name: 'echo', version: '2.0.0', dark: true})
    await routes.cutOver(versions[0]!)
    const {token} = await readAccount(source)
    const subject = sourceOf(lattice, {kind: 'actor', key})

    await using peer = await openRoutes(first.spec(lattice))
    let stored = token.text
    const scripted = await scriptedServer(peer.system.connection, account.publicKey, {
      operators: [{sub: operator.publicKey, name: 'test', nats: {signing_keys: [operatorSigning.publicKey]}}],
      stored: () => stored,
      account: () => ({jwt: token.text, mappings: {[subject]: [{subject, weight: 100}]}}),
      onPush: (pushed) => {
        stored = pushed
        return {data: {account: account.publicKey, code: 200, message: 'jwt updated'}}
      },
    })
    await using again = await openRoutes(opened.spec)
    const failure: unknown = await again.routes.split(seventyThirty).catch((error: unknown) => error)

    expect(failure).toMatchObject({
      kind: 'partial',
      details: {
        servers: expect.arrayContaining([
          expect.objectContaining({name: scripted.name, outcome: 'differs'}),
          expect.objectContaining({name: 'S0', outcome: 'applied'}),
        ]) as object[],
        // The scripted server does not come round, so what is live everywhere is not known for sure.
        writtenBack: 'failed',
      },
    })
    expect(scripted.pushed).toHaveLength(2)
    const after = await readAccount(source)
    expect(after.token.mappings[subject]).toEqual(token.mappings[subject])
    expect(after.token.issuedAt).toBeGreaterThan(token.issuedAt + 1)
    expect(after.servers.find(({server}) => server.name === 'S0')?.live?.table.get(subject)).toEqual([
      {subject: legAddress(lattice, {kind: 'actor', key}, '1.0.0'), weight: 100},
    ])
    expect((await store.get(routeKey({kind: 'actor', key})))?.record.state).toBe('applying')
    expect(host.scaled).toEqual([])
  })

  test('names a server that was there at the last change and is gone', async () => {
    await using opened = await open()
    const {routes, store, ref, entity} = opened
    await routes.split(seventyThirty, {entity: ref, versions})
    await cluster.servers[2]!.stop()
    // It may have led, and the others choose a new leader first.
    const apis = ['INFO', 'STREAM.INFO.KV_LATTICEACCOUNT', `STREAM.INFO.KV_LATTICEROUTES_${opened.spec.lattice}`]
    const led = (api: string): Promise<boolean> =>
      opened.connection.request(`$JS.API.${api}`, '', {timeout: 1000}).then(
        (reply) => reply.json<{error?: unknown}>().error === undefined,
        () => false,
      )
    await until(async () => (await Promise.all(apis.map(led))).every(Boolean), 20_000)
    await using again = await openRoutes(opened.spec)
    const failure = again.routes.split(thirtySeventy, {entity: ref, versions})
    await expect(failure).rejects.toMatchObject({
      kind: 'partial',
      message: expect.stringContaining('S2 (it does not answer); it stays where it is live') as string,
    })
    expect((await store.get(routeKey(entity)))?.record).toMatchObject({state: 'live', servers: ['S0', 'S1']})

    // It comes back with the token that it had.
    await cluster.servers[2]!.restart()
    const {account} = cluster.servers[0]!
    const stored = async (): Promise<string[]> => {
      await using system = await SystemClient.open(opened.spec)
      return await storedTokens(system, account.publicKey)
    }
    await until(async () => (await stored()).length === 3, 15_000)
    expect(new Set(await stored()).size).toBe(2)
    await using later = await openRoutes(opened.spec)
    expect(await later.routes.show(ref)).toMatchObject({
      state: 'current',
      recorded: {legs: [{weight: 30}, {weight: 70}]},
    })
  }, 40_000)
})
