import {decode, encode} from '@msgpack/msgpack'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {ServerError} from '../../../src/lib/errors.js'
import {decodeInvocation, encodeInvocation, type Invocation} from '../../../src/lib/rpc/invocation.js'
import {decodeResponse, encodeResponse, type InvocationResponse} from '../../../src/lib/rpc/response.js'

const entity = fc.record({publicKey: fc.string(), linkName: fc.string(), contractId: fc.string()})
const invocations: fc.Arbitrary<Invocation> = fc.record({
  origin: entity,
  target: entity,
  operation: fc.string(),
  msg: fc.uint8Array(),
  id: fc.uuid(),
  encodedClaims: fc.string(),
  hostId: fc.string(),
  contentLength: fc.nat({max: Number.MAX_SAFE_INTEGER}),
})
const responses: fc.Arbitrary<InvocationResponse> = fc.record(
  {
    invocationId: fc.string(),
    msg: fc.uint8Array(),
    contentLength: fc.nat({max: Number.MAX_SAFE_INTEGER}),
    error: fc.string(),
    instanceId: fc.string(),
  },
  {requiredKeys: ['invocationId', 'msg', 'contentLength']},
)

describe('the codec of calls', () => {
  test('what is encoded decodes to the same', () => {
    fc.assert(
      fc.property(invocations, (call) => {
        expect(decodeInvocation(encodeInvocation(call))).toEqual(call)
      }),
    )
    fc.assert(
      fc.property(responses, (answer) => {
        expect(decodeResponse(encodeResponse(answer))).toEqual(answer)
      }),
    )
  })

  test('fields have their documented names and types', () => {
    const msg = new Uint8Array([1, 2])
    const end = {publicKey: 'M1', linkName: '', contractId: ''}
    const wire = decode(
      encodeInvocation({
        origin: end,
        target: end,
        operation: 'Do',
        msg,
        id: 'i',
        encodedClaims: 'c',
        hostId: 'N1',
        contentLength: 2,
      }),
    )
    expect(wire).toEqual({
      origin: {public_key: 'M1', link_name: '', contract_id: ''},
      target: {public_key: 'M1', link_name: '', contract_id: ''},
      operation: 'Do',
      msg,
      id: 'i',
      encoded_claims: 'c',
      host_id: 'N1',
      content_length: 2,
    })
  })

  test('answers of OTP and Rust hosts are read', () => {
    const otp = {msg: new Uint8Array([7]), invocation_id: 'i', error: null, content_length: 1, instance_id: 'x'}
    const rust = {msg: new Uint8Array(), invocation_id: 'i', error: 'no', content_length: 0, traceContext: {a: 'b'}}
    expect(decodeResponse(encode(otp))).toEqual({
      invocationId: 'i',
      msg: new Uint8Array([7]),
      contentLength: 1,
      instanceId: 'x',
    })
    expect(decodeResponse(encode(rust)).error).toBe('no')
  })

  test('bytes that are no call are refused with the field that is wrong', () => {
    expect(() => decodeInvocation(new Uint8Array([0xc1]))).toThrow(ServerError)
    expect(() => decodeInvocation(encode({operation: 'x'}))).toThrow(/'origin'/)
    expect(() => decodeResponse(encode('text'))).toThrow(/its form is wrong/)
  })
})
