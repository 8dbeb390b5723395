import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {createKey} from '../../../src/lib/keys/nkey.js'
import {decodeToken, encodeToken, formatLossless, parseLossless} from '../../../src/lib/keys/token.js'

describe('tokens', () => {
  const key = createKey('O')

  test('numbers that a double cannot hold keep their text', () => {
    const text = '{"disk":9223372036854775807,"least":-9223372036854775808,"one":1.0,"zero":-0,"huge":1e400}'
    expect(formatLossless(parseLossless(text))).toBe(text)
  })

  test('any JSON survives parse and format', () => {
    fc.assert(
      fc.property(fc.json({noUnicodeString: false}), (json) => {
        const compact = JSON.stringify(JSON.parse(json))
        expect(JSON.parse(formatLossless(parseLossless(json)))).toEqual(JSON.parse(compact))
        expect(formatLossless(parseLossless(formatLossless(parseLossless(json))))).toBe(
          formatLossless(parseLossless(json)),
        )
      }),
    )
  })

  test('any signed payload survives decode and encode, byte for byte', () => {
    const payloads = fc.record({
      name: fc.string({unit: 'grapheme'}),
      limit: fc.bigInt({min: -(2n ** 63n), max: 2n ** 63n - 1n}),
      rest: fc.jsonValue(),
    })
    fc.assert(
      fc.property(payloads, ({name, limit, rest}) => {
        const json = `{"iss":"${key.publicKey}","name":${JSON.stringify(name)},"limit":${limit.toString()},"rest":${JSON.stringify(rest)}}`
        const token = encodeToken(
          {typ: 'JWT', alg: 'ed25519-nkey'},
          parseLossless(json) as Record<string, unknown>,
          key,
        )
        const decoded = decodeToken(token)
        expect(decoded.signed).toBe(true)
        expect(encodeToken(decoded.header, decoded.payload, key)).toBe(token)
        expect(formatLossless(decoded.payload)).toContain(`"limit":${limit.toString()}`)
      }),
    )
  })

  test('a changed payload is no longer signed', () => {
    const token = encodeToken({typ: 'JWT'}, {iss: key.publicKey, n: 1}, key)
    const [header, , signature] = token.split('.')
    const changed = [
      header,
      Buffer.from(JSON.stringify({iss: key.publicKey, n: 2})).toString('base64url'),
      signature,
    ].join('.')
    expect(decodeToken(changed).signed).toBe(false)
  })

  test.each(['', 'a.b', 'a.b.c', 'e30.W10.x', `${Buffer.from([0xff]).toString('base64url')}.e30.x`])(
    '%j is no token',
    (text) => {
      expect(() => decodeToken(text)).toThrow('The token is not a JWT')
    },
  )
})
