import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import type {HostInventory} from '../../../src/lib/control/dialect.js'
import {entitiesOf} from '../../../src/lib/control/discover.js'
import {parseAck, parseEvent, formatEvent, parseInventory, parsePing} from '../../../src/lib/control/v0.js'
import * as requests from '../../../src/lib/control/v0-requests.js'
import {parseVersion} from '../../../src/lib/entity/version.js'
import {ServerError} from '../../../src/lib/errors.js'
import {claimsSchema} from '../../../src/lib/records/claims.js'
import {foreignKeys, otpInventory, rustInventory} from '../../support/foreign-host.js'

// JSON and zod leave that key out: it would set a prototype.
const annotations = fc.dictionary(
  fc.string().filter((key) => key !== '__proto__'),
  fc.string(),
)
const count = fc.nat({max: 1000})
const optional = {version: fc.string({minLength: 1}), dark: fc.boolean()}

describe('requests', () => {
  test('our host reads what our client sends', () => {
    const through =
      <T>(format: (host: string, request: T) => object, read: (body: unknown) => T) =>
      (request: T): void => {
        expect(read(JSON.parse(JSON.stringify(format('N1', request))))).toEqual(request)
      }
    const {version, dark} = optional
    const actor = {key: fc.string(), ref: fc.string(), count, version, dark, annotations}
    fc.assert(
      fc.property(
        fc.record({ref: fc.string(), count, dark, annotations}, {requiredKeys: ['ref', 'count', 'annotations']}),
        through(requests.formatStartActor, requests.readStartActor),
      ),
    )
    fc.assert(
      fc.property(
        fc.record(actor, {requiredKeys: ['key', 'ref', 'count', 'annotations']}),
        through(requests.formatScaleActor, requests.readScaleActor),
      ),
    )
    fc.assert(
      fc.property(
        fc.record({key: fc.string(), count, version}, {requiredKeys: ['key', 'count']}),
        through(requests.formatStopActor, requests.readStopActor),
      ),
    )
    fc.assert(
      fc.property(
        fc.record({key: fc.string(), link: fc.string(), contract: fc.string(), version}, {noNullPrototype: true}),
        through(requests.formatStopProvider, requests.readStopProvider),
      ),
    )
  })

  test('they are the documented ones', () => {
    expect(requests.formatStartActor('N1', {ref: 'reg/echo:0.3.4', count: 2})).toEqual({
      actor_ref: 'reg/echo:0.3.4',
      count: 2,
      annotations: {},
      host_id: 'N1',
    })
    expect(requests.formatStopActor('N1', {key: 'M1', count: 1, version: '1.2.0'})).toEqual({
      actor_ref: 'M1',
      count: 1,
      annotations: {},
      host_id: 'N1',
      version: '1.2.0',
    })
    expect(requests.formatStartProvider('N1', {ref: 'reg/httpserver:0.19.1', link: 'default'})).toEqual({
      provider_ref: 'reg/httpserver:0.19.1',
      link_name: 'default',
      configuration: '',
      annotations: {},
      host_id: 'N1',
    })
  })

  test('a scale without a count is refused: hosts disagree what it means', () => {
    expect(() => requests.readScaleActor({actor_id: 'M1', actor_ref: 'x'})).toThrow(ServerError)
  })
})

describe('inventories', () => {
  const ours: HostInventory = {
    host: {
      id: 'N1',
      name: 'calm-lake-1',
      labels: {'lattice.versioned-rpc': '1'},
      versioned: true,
      version: '0.1.0',
      uptimeSeconds: 9,
    },
    actors: [
      {
        key: 'M1',
        name: 'echo',
        instances: ['1.0.0', '2.0.0'].map((version, index) => ({
          version: parseVersion(version),
          imageRef: `file:///echo-${version}.wasm`,
          count: 5,
          workers: 2,
          dark: index === 1,
          annotations: {a: 'b'},
          instanceId: version,
        })),
      },
    ],
    providers: [
      {
        key: 'V1',
        link: 'default',
        contract: 'wasmcloud:httpserver',
        name: 'HTTP Server',
        version: parseVersion('0.1.0'),
        imageRef: 'builtin:httpserver',
        dark: false,
        annotations: {},
        instanceId: 'p',
        links: [
          {actor: 'M1', address: '127.0.0.1:8080'},
          {actor: 'M2', error: 'the port is in use'},
        ],
      },
    ],
  }

  test('what our host sends is read back whole', () => {
    expect(parseInventory(JSON.parse(JSON.stringify(requests.formatInventory(ours, 'C1'))))).toEqual(ours)
  })

  test('old readers find their fields in it, and in the heartbeat', () => {
    expect(requests.formatInventory(ours, 'C1')).toMatchObject({
      host_id: 'N1',
      issuer: 'C1',
      actors: [{id: 'M1', image_ref: 'file:///echo-1.0.0.wasm', instances: [{revision: 0}, {revision: 0}]}],
      providers: [{id: 'V1', link_name: 'default', contract_id: 'wasmcloud:httpserver'}],
    })
    expect(requests.formatHeartbeat(ours)).toMatchObject({
      actors: {M1: 10},
      actor_versions: {M1: {'1.0.0': 5, '2.0.0': 5}},
      providers: [{public_key: 'V1', link_name: 'default', contract_id: 'wasmcloud:httpserver', version: '0.1.0'}],
    })
  })

  test('those of OTP and Rust hosts are read', () => {
    const otp = parseInventory(otpInventory('N2'))
    expect(otp.actors[0]!.instances.map(({count, dark, imageRef}) => ({count, dark, imageRef}))).toEqual([
      {count: 1, dark: false, imageRef: 'reg/echo:0.3.4'},
      {count: 1, dark: false, imageRef: 'reg/echo:0.3.4'},
    ])
    expect(parseInventory(rustInventory('N3')).actors[0]!.instances[0]).toMatchObject({count: 7})
    expect(parseInventory({host_id: 'N4', actors: [], providers: []}).host).toMatchObject({id: 'N4', versioned: false})
  })

  test('what is none is refused with the field that is wrong', () => {
    expect(() => parseInventory({actors: []})).toThrow(/'host_id'/)
    expect(() => parsePing('hello')).toThrow(/its form is wrong/)
    expect(() => parseAck({accepted: 'yes'})).toThrow(/'accepted'/)
  })
})

test('an event is read back, and what is no event of a lattice is none', () => {
  const event = {id: '1', name: 'actors_started', source: 'N1', time: '2024-01-01T00:00:00.000Z', data: {count: 2}}
  expect(parseEvent(formatEvent(event))).toEqual(event)
  expect(parseEvent({id: '1', type: 'other.thing'})).toBeUndefined()
  expect(parseEvent([])).toBeUndefined()
})

describe('versions on hosts that do not tell them', () => {
  const claimed = (version: string): ReturnType<typeof claimsSchema.parse> =>
    claimsSchema.parse({sub: foreignKeys.actor, name: 'echo', version, call_alias: 'mirror'})
  const found = (images: readonly string[], claims: readonly string[]): (string | undefined)[] => {
    const inventories = images.map((image, index) => parseInventory(rustInventory(`N${index}`, image)))
    return entitiesOf(inventories, claims.map(claimed))[0]!.instances.map(({version}) => version)
  }

  test.each<[string, string[], string[], (string | undefined)[]]>([
    ['one image and one set of claims: that version', ['reg/echo:x'], ['0.3.4'], ['0.3.4']],
    ['no claims: unknown', ['reg/echo:0.3.4'], [], [undefined]],
    ['claims without a version: unknown', ['reg/echo:0.3.4'], [''], [undefined]],
    ['two images: the one with the tag', ['reg/echo:0.3.4', 'reg/echo:0.4.0'], ['0.4.0'], ['0.4.0', undefined]],
    ['a port is no tag', ['reg:5000/echo', 'reg/echo:1'], ['5000/echo', '1'], ['1', undefined]],
  ])('%s', (_name, images, claims, versions) => {
    expect(found(images, claims)).toEqual(versions)
  })

  test('name and alias come from claims; copies of one host are one instance', () => {
    const [echo, http] = entitiesOf([parseInventory(otpInventory('N1'))], [claimed('0.3.4')])
    expect(http).toMatchObject({
      kind: 'actor',
      name: 'echo',
      callAlias: 'mirror',
      instances: [{count: 2, version: '0.3.4'}],
    })
    expect(echo).toMatchObject({kind: 'provider', name: 'HTTP Server', link: 'default', instances: [{host: 'N1'}]})
  })
})
