import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {Bucket} from '../../../src/lib/cache/bucket.js'
import {parseVersion} from '../../../src/lib/entity/version.js'
import {routeKey, sourceOf} from '../../../src/lib/routing/source.js'
import {parseSplit} from '../../../src/lib/routing/weights.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {openRoutes, serveVersion, testActor, type TestRoutes} from '../../support/routes.js'

let server: OperatorServer
beforeAll(async () => {
  server = await startOperatorServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

const versions = ['1.0.0', '2.0.0'].map(parseVersion)
const seventyThirty = parseSplit(['70/30'])
const thirtySeventy = parseSplit(['30/70'])

interface Victim extends TestRoutes {
  readonly ref: {readonly name: string}
  readonly key: string
  readonly bucket: Bucket
  /** The record that lattice wrote. */
  readonly record: Readonly<Record<string, unknown>>
}

let count = 0
/** An actor whose route is 70/30, and the bucket as somebody else writes it. */
async function open(): Promise<Victim> {
  const lattice = `hostile-${++count}`
  const opened = await openRoutes(server.spec(lattice))
  const {entity, ref} = testActor()
  for (const version of versions)
    serveVersion(opened.connection, {lattice, entity, version}, {dark: version === '2.0.0'})
  await opened.connection.flush()
  await opened.routes.split(seventyThirty, {entity: ref, versions})
  const bucket = Bucket.at(opened.connection, `LATTICEROUTES_${lattice}`, {})
  const key = routeKey(entity)
  const {value} = (await bucket.get(key))!
  const record = JSON.parse(Buffer.from(value).toString('utf8')) as Victim['record']
  expect(record['source']).toBe(sourceOf(lattice, entity))
  return {...opened, ref, key, bucket, record}
}

const leg = (version: string, weight: number): object => ({version, weight})
const unreadable: readonly (readonly [string, object])[] = [
  ['a weight of 300', {replaced: [leg('1.0.0', 300)]}],
  ['weights that sum to 50', {replaced: [leg('1.0.0', 50)]}],
  ['a version twice', {replaced: [leg('1.0.0', 50), leg('1.0.0', 50)]}],
  ['thousands of versions', {replaced: Array.from({length: 5000}, (_, index) => leg(`v${index}`, 1))}],
  ['legs of another type', {legs: {length: 1}}],
  ['a version that no subject can hold', {replaced: [leg('1.0 0', 100)]}],
]

describe('a repeated change', () => {
  test('is not done while a server that had it last does not answer, and misses it once', async () => {
    await using victim = await open()
    const {routes, bucket, key, ref, record} = victim
    await bucket.put(key, Buffer.from(JSON.stringify({...record, servers: ['gone', 'test']})))
    const again = (dryRun: boolean): Promise<unknown> => routes.split(seventyThirty, {entity: ref, versions, dryRun})
    const missed = {
      kind: 'partial',
      message: expect.stringContaining('is not live on 1 of 2 servers: gone (it does not answer)') as string,
    }
    await expect(again(true)).rejects.toMatchObject(missed)
    await expect(again(false)).rejects.toMatchObject(missed)
    expect(await again(false)).toMatchObject({changed: false, servers: {applied: 1, total: 1}})
  })
})

describe('a record that somebody else wrote', () => {
  test.each(unreadable)('with %s is refused and not called missing', async (_what, fields) => {
    await using victim = await open()
    const {routes, bucket, key, ref, record} = victim
    await bucket.put(key, Buffer.from(JSON.stringify({...record, ...fields})))
    const refused = {kind: 'server', suggestions: [expect.stringContaining('--repair') as string]}
    await expect(routes.undo(ref)).rejects.toMatchObject(refused)
    await expect(routes.clear(ref)).rejects.toMatchObject(refused)
    await expect(routes.show(ref)).rejects.toMatchObject(refused)
    await expect(routes.split(thirtySeventy, {entity: ref, versions})).rejects.toMatchObject(refused)
  })

  test('that cannot be read is replaced when the user says so', async () => {
    await using victim = await open()
    const {routes, bucket, key, ref, record} = victim
    const {revision} = (await bucket.get(key))!
    await bucket.put(key, Buffer.from('{'))
    expect(await routes.undo(ref, {to: revision, repair: true})).toMatchObject({legs: [{weight: 70}, {weight: 30}]})
    await bucket.put(key, Buffer.from(JSON.stringify({...record, legs: 7})))
    expect(await routes.split(thirtySeventy, {entity: ref, versions, repair: true})).toMatchObject({changed: true})
    await bucket.put(key, Buffer.from('{'))
    expect(await routes.clear(ref, {repair: true})).toMatchObject({legs: [], changed: true})
    expect((await routes.show(ref)).state).toBe('current')
  })

  test('changes only legs of its own entity: source, key, lattice and digest of a record are not used', async () => {
    await using victim = await open()
    const {routes, bucket, key, ref, record} = victim
    const elsewhere = {source: '>', lattice: 'other', replaced: [leg('2.0.0', 100)], servers: []}
    await bucket.put(key, Buffer.from(JSON.stringify({...record, ...elsewhere})))
    const {source} = await routes.undo(ref)
    expect(source).toBe(record['source'])
  })

  test('makes no version a leg that nobody runs', async () => {
    await using victim = await open()
    const {routes, bucket, key, ref, record} = victim
    for (const version of ['>', '*', '9.9.9']) {
      await bucket.put(key, Buffer.from(JSON.stringify({...record, replaced: [leg(version, 100)]})))
      await expect(routes.undo(ref)).rejects.toMatchObject({kind: 'unsafe'})
    }
  })

  test('while a change was pushed does not hide that the change is live', async () => {
    await using victim = await open()
    const {routes, bucket, key, ref, record} = victim
    await using peer = await openRoutes(victim.spec)
    const written = new Promise<void>((resolve, reject) => {
      peer.system.connection.subscribe('$SYS.REQ.CLAIMS.UPDATE', {
        max: 1,
        callback: () => void bucket.put(key, Buffer.from(JSON.stringify(record))).then(() => resolve(), reject),
      })
    })
    await peer.system.connection.flush()
    const failure: unknown = await routes.split(thirtySeventy, {entity: ref, versions}).catch((error: unknown) => error)
    await written
    expect(failure).toMatchObject({
      kind: 'partial',
      message: expect.stringContaining('is live, and this could not be recorded') as string,
    })
    expect((await routes.show(ref)).effective).toMatchObject({legs: [{weight: 30}, {weight: 70}]})
  })
})
