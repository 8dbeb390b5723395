import {fileURLToPath} from 'node:url'

import {afterAll, beforeAll, beforeEach, expect, test} from 'vitest'

import {systemClock} from '../../../src/lib/clock.js'
import {discover} from '../../../src/lib/control/discover.js'
import {refuseWeighted} from '../../../src/lib/entities/refusals.js'
import {resizeInstance} from '../../../src/lib/entities/resize.js'
import {startArtifact, type StartOptions, type StartResult} from '../../../src/lib/entities/start.js'
import {parseVersion} from '../../../src/lib/entity/version.js'
import {routeSchema} from '../../../src/lib/records/route.js'
import {echoRef, startHost, type TestHost} from '../../support/host.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'

let server: TestServer
let lattice: string
let count = 0
beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})
beforeEach(() => {
  lattice = `traffic-${++count}`
})

function start(host: TestHost, version: '1.0.0' | '2.0.0', more: Partial<StartOptions> = {}): Promise<StartResult> {
  return startArtifact(host.client, fileURLToPath(echoRef(version)), {
    host: host.id,
    count: 3,
    link: 'default',
    dark: false,
    share: false,
    dryRun: false,
    wait: true,
    timeoutMs: 5000,
    clock: systemClock,
    signal: new AbortController().signal,
    ...more,
  })
}

async function states({client, id}: TestHost): Promise<string[]> {
  const {actors} = await client.inventory(id)
  return actors.flatMap(({instances}) =>
    instances.map((one) => `${one.version!} × ${one.count} ${one.dark ? 'dark' : 'live'}`),
  )
}

test('of two first versions that start at once at most one takes traffic', async () => {
  await using one = await startHost({server, lattice})
  await using two = await startHost({server, lattice})
  const results = await Promise.allSettled([start(one, '1.0.0'), start(two, '2.0.0')])
  const live = [...(await states(one)), ...(await states(two))].filter((state) => state.endsWith('live'))
  expect(live.length).toBe(results.filter(({status}) => status === 'fulfilled').length)
  expect(live.length).toBeLessThanOrEqual(1)
  for (const result of results) {
    if (result.status === 'rejected')
      expect(result.reason).toMatchObject({kind: expect.stringMatching(/^(conflict|unsafe)$/) as unknown})
  }
})

test('a version that was stopped a moment ago does not come back through a change of its count', async () => {
  await using host = await startHost({server, lattice})
  await start(host, '1.0.0')
  await start(host, '2.0.0', {dark: true})
  const {entities, hosts} = await discover(host.client)
  const [, second] = entities[0]!.instances
  await host.client.stopActor(host.id, {key: entities[0]!.key, version: '2.0.0', count: 0})
  const late = resizeInstance(host.client, entities[0]!, second!, {count: 5, share: false, hosts})
  await expect(late).rejects.toThrow(/does not run here/)
  expect(await states(host)).toEqual(['1.0.0 × 3 live'])
})

test('one more host of the version that has the traffic is no second version', async () => {
  await using first = await startHost({server, lattice})
  await using second = await startHost({server, lattice})
  await start(first, '1.0.0')
  await start(first, '2.0.0', {dark: true})
  await expect(start(second, '2.0.0')).rejects.toThrow(/runs already as 1\.0\.0/)
  await start(second, '1.0.0')
  expect(await states(second)).toEqual(['1.0.0 × 3 live'])
})

test('a start of what runs dark says so, and with share lets it join', async () => {
  await using host = await startHost({server, lattice})
  await start(host, '2.0.0', {dark: true})
  expect(await start(host, '2.0.0')).toMatchObject({changed: false, dark: true})
  expect(await start(host, '2.0.0', {share: true})).toMatchObject({changed: true, dark: false})
  expect(await states(host)).toEqual(['2.0.0 × 3 live'])
})

test('while a route goes back to a version, that is not taken away', async () => {
  await using host = await startHost({server, lattice})
  await start(host, '1.0.0')
  await start(host, '2.0.0', {dark: true})
  const [entity] = (await discover(host.client)).entities
  const leg = (version: string) => [{version: parseVersion(version), weight: 100}]
  const expiresAt = new Date(Date.now() + 60_000).toISOString()
  const record = routeSchema.parse({
    ...{lattice, kind: 'actor', key: entity!.key, name: 'echo', source: 's', strategy: 'bluegreen', driver: 'jwt'},
    ...{state: 'live', legs: leg('2.0.0'), replaced: leg('1.0.0'), digest: '', replacedDigest: ''},
    ...{who: {account: 'A'}, when: new Date().toISOString(), expiresAt, restores: leg('1.0.0')},
  })
  const gone = entity!.instances.filter(({version}) => version === '1.0.0')
  expect(() => refuseWeighted(entity!, gone, {record, allowed: false})).toThrow(
    `'echo@1.0.0' gets 100 % of the traffic of route 'echo' again at ${expiresAt}, and`,
  )
  expect(() => refuseWeighted(entity!, gone, {record, allowed: true})).not.toThrow()
})

test.each(['1.0.0', '2.0.0'])('while a route change is unfinished, %s is not taken away', async (going) => {
  await using host = await startHost({server, lattice})
  await start(host, '1.0.0')
  await start(host, '2.0.0', {dark: true})
  const [entity] = (await discover(host.client)).entities
  const leg = (version: string) => [{version: parseVersion(version), weight: 100}]
  const record = routeSchema.parse({
    ...{lattice, kind: 'actor', key: entity!.key, name: 'echo', source: 's', strategy: 'bluegreen', driver: 'jwt'},
    ...{state: 'applying', legs: leg('2.0.0'), replaced: leg('1.0.0'), digest: '', replacedDigest: ''},
    ...{who: {account: 'A'}, when: new Date().toISOString()},
  })
  const gone = entity!.instances.filter(({version}) => version === going)
  expect(() => refuseWeighted(entity!, gone, {record, allowed: false})).toThrow(/has 100 % of the traffic/)
})
