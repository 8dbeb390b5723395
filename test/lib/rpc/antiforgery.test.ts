import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {createKey} from '../../../src/lib/keys/nkey.js'
import {decodeToken, encodeToken, parseLossless} from '../../../src/lib/keys/token.js'
import {actorEntity, entityUrl, rpcSubject} from '../../../src/lib/rpc/address.js'
import {invocationHash, refusalOf, signClaims, type Vouched} from '../../../src/lib/rpc/antiforgery.js'
import type {Invocation} from '../../../src/lib/rpc/invocation.js'

const actor = 'MAIJUKJUS4RWH3KQPKDEFXSN35TS3SV5ENKAKLKV6K2FCRRZF6PMARO2'
const provider = 'VBXTCLK6EXHDADHJ3WIZUHYAAMR5FT2JZHXSU2Q4VVYA65E4MRQWC3NE'
const keyValue = {publicKey: provider, linkName: 'default', contractId: 'wasmcloud:keyvalue'}
const vouched: Vouched = {
  origin: actorEntity(actor),
  target: keyValue,
  operation: 'KeyValue.Get',
  msg: Buffer.from('hello'),
}
const clusterKey = createKey('C')
const now = 1_700_000_000
const id = '5c3f5f10-3c5b-4d65-9c9a-0d3a3a3a3a3a'

function call(changes: Partial<Invocation> = {}): Invocation {
  const encodedClaims = signClaims(vouched, {id, clusterKey, issuedAt: now})
  return {...vouched, id, encodedClaims, hostId: createKey('N').publicKey, contentLength: 5, ...changes}
}

const policy = {clusterIssuers: new Set([clusterKey.publicKey]), targetKey: provider, now}

describe('the wire facts of the reference', () => {
  test('the hash of its test vector', () => {
    expect(invocationHash(vouched)).toBe('F4239EB1B0C7138BEFA38BC3480249F6FC6E45C453E3690EF895F698AA20083D')
  })

  test('URLs and subjects', () => {
    expect(entityUrl(actorEntity(actor))).toBe(`wasmbus://${actor}`)
    expect(entityUrl({...keyValue, contractId: 'Acme:Key Value', linkName: 'Main'})).toBe(
      `wasmbus://acme/key_value/main/${provider}`,
    )
    expect(rpcSubject('default', actorEntity(actor), '1.2.0')).toBe(`wasmbus.rpc.default.${actor}.MS4yLjA`)
    expect(rpcSubject('default', keyValue, '1.2.0')).toBe(`wasmbus.rpc.default.${provider}.default.MS4yLjA`)
  })

  test('the token has the documented fields', () => {
    const {header, payload, signed} = decodeToken(call().encodedClaims)
    expect(signed).toBe(true)
    expect(header).toEqual({typ: 'jwt', alg: 'Ed25519'})
    expect(payload).toMatchObject({
      iat: now,
      iss: clusterKey.publicKey,
      sub: id,
      wascap: {
        origin_url: `wasmbus://${actor}`,
        target_url: `wasmbus://wasmcloud/keyvalue/default/${provider}/KeyValue.Get`,
        hash: invocationHash(vouched),
      },
      wascap_revision: 3,
    })
  })
})

describe('which calls are refused', () => {
  test('a signed call is not', () => {
    expect(refusalOf(call(), policy)).toBeUndefined()
  })

  test.each<[string, Partial<Invocation>, RegExp]>([
    ['a changed payload', {msg: Buffer.from('HELLO')}, /changed after it was signed/],
    ['a payload of another size', {msg: Buffer.from('hello!')}, /chunks/],
    ['a payload that was taken away', {msg: new Uint8Array()}, /chunks/],
    ['another operation', {operation: 'KeyValue.Set'}, /another target or operation/],
    ['another origin', {origin: actorEntity(createKey('M').publicKey)}, /another origin/],
    ['another target', {target: actorEntity(actor)}, /meant for another/],
    ['another link name', {target: {...keyValue, linkName: 'backup'}}, /another target/],
    ['another call', {id: 'other'}, /belongs to another call/],
    ['no token', {encodedClaims: ''}, /no readable token/],
    ['a token with a cut signature', {encodedClaims: call().encodedClaims.slice(0, -8)}, /no valid signature/],
  ])('%s is', (_name, changes, reason) => {
    expect(refusalOf(call(changes), policy)).toMatch(reason)
  })

  test('a cluster that is not known', () => {
    expect(refusalOf(call(), {...policy, clusterIssuers: new Set()})).toMatch(/does not know/)
  })

  test('tokens outside of their time, with some seconds of grace', () => {
    const timed = (times: object): Invocation => {
      const {header, payload} = decodeToken(call().encodedClaims)
      return call({encodedClaims: encodeToken(header, {...payload, ...times}, clusterKey)})
    }
    expect(refusalOf(timed({exp: now - 3}), policy)).toBeUndefined()
    expect(refusalOf(timed({exp: now - 30}), policy)).toMatch(/expired/)
    expect(refusalOf(timed({nbf: now + 3}), policy)).toBeUndefined()
    expect(refusalOf(timed({nbf: now + 30}), policy)).toMatch(/not valid yet/)
    expect(refusalOf(timed(parseLossless(`{"exp": ${now - 30}.0}`) as object), policy)).toMatch(/expired/)
    expect(refusalOf(timed(parseLossless(`{"exp": ${now + 30}.0, "nbf": null}`) as object), policy)).toBeUndefined()
    expect(refusalOf(timed({exp: 'never'}), policy)).toMatch(/expired/)
  })

  test('any single changed byte of any payload', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({minLength: 1, maxLength: 64}),
        fc.nat(),
        fc.integer({min: 1, max: 255}),
        (msg, at, by) => {
          const claims = signClaims({...vouched, msg}, {id, clusterKey, issuedAt: now})
          const signed = call({msg, contentLength: msg.length, encodedClaims: claims})
          const changed = Uint8Array.from(msg)
          changed[at % msg.length]! ^= by
          expect(refusalOf(signed, policy)).toBeUndefined()
          expect(refusalOf({...signed, msg: changed}, policy)).toBeDefined()
        },
      ),
      {numRuns: 50},
    )
  })
})

test('a call goes where the routes of its target send from, and nowhere else', () => {
  const source = `wasmbus.rpc.l.${provider}.default`
  expect(rpcSubject('l', actorEntity(actor))).toBe(`wasmbus.rpc.l.${actor}`)
  expect(rpcSubject('l', keyValue)).toBe(source)
  expect(rpcSubject('l', keyValue, '1.2.0')).toBe(`${source}.MS4yLjA`)
  expect(() => rpcSubject('l', {publicKey: provider, linkName: '>'})).toThrow(/makes no subject/)
  expect(() => rpcSubject('l', {publicKey: 'M.other', linkName: ''})).toThrow(/makes no subject/)
})
