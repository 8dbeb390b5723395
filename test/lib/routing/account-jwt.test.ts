import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {createKey} from '../../../src/lib/keys/nkey.js'
import {decodeToken, encodeToken, formatLossless, parseLossless} from '../../../src/lib/keys/token.js'
import {editToken, nextIssuedAt, readAccountToken} from '../../../src/lib/routing/account-jwt.js'

const operator = createKey('O')
const signing = createKey('O')
const account = createKey('A').publicKey
const header = {typ: 'JWT', alg: 'ed25519-nkey'}
const source = 'wasmbus.rpc.default.MABC'
const destinations = [
  {subject: `${source}.MS4wLjA`, weight: 70},
  {subject: `${source}.Mi4wLjA`, weight: 30},
]

/** Numbers that a double cannot hold, as Go's int64 limits are. */
const number = fc.oneof(
  fc.bigInt({min: -(2n ** 63n), max: 2n ** 63n - 1n}).map(String),
  fc.constantFrom('-1', '9223372036854775807', '0.1000000000000000055', '1e400', '1795247265', '-0'),
)
const text = fc.string({unit: 'grapheme', maxLength: 12})
const json: fc.Arbitrary<string> = fc.letrec<{value: string}>((tie) => ({
  value: fc.oneof(
    {maxDepth: 3},
    number,
    text.map((value) => JSON.stringify(value)),
    fc.constantFrom('true', 'false', 'null', '{}', '[]'),
    fc.array(tie('value'), {maxLength: 3}).map((list) => `[${list.join(',')}]`),
    fc.array(fc.tuple(text, tie('value')), {maxLength: 3}).map(objectText),
  ),
})).value

function objectText(entries: readonly (readonly [string, string])[]): string {
  const unique = new Map(entries)
  return `{${[...unique].map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`
}

const mappings = fc
  .array(
    fc.tuple(
      text.filter((key) => key !== source),
      fc.array(fc.tuple(text, fc.option(fc.integer({min: 0, max: 100})), fc.option(text)), {maxLength: 3}),
    ),
    {maxLength: 4},
  )
  .map((sources) =>
    objectText(
      sources.map(([key, list]) => [
        key,
        JSON.stringify(
          list.map(([subject, weight, cluster]) => ({
            subject,
            ...(weight === null ? {} : {weight}),
            ...(cluster === null ? {} : {cluster}),
            note: 'é',
          })),
        ),
      ]),
    ),
  )

/** Tokens of any content around what makes them account tokens, with the fields in any order. */
const tokens = fc
  .tuple(
    fc.array(fc.tuple(text, json), {maxLength: 5}),
    fc.array(fc.tuple(text, json), {maxLength: 5}),
    fc.option(mappings),
    fc.integer({min: 0, max: 2 ** 40}),
    text,
  )
  .map(([claims, body, table, issuedAt, name]) => {
    const nats = objectText([
      ...body.filter(([key]) => key !== 'mappings'),
      ['limits', '{"subs":-1,"data":9223372036854775807,"disk_storage":-9223372036854775808}'],
      ...(table === null ? [] : [['mappings', table] as const]),
    ])
    const payload = objectText([
      ...claims.filter(([key]) => !['jti', 'iat', 'iss', 'sub', 'nats', 'name'].includes(key)),
      ['jti', '"J"'],
      ['iat', String(issuedAt)],
      ['iss', JSON.stringify(operator.publicKey)],
      ['name', JSON.stringify(name)],
      ['sub', JSON.stringify(account)],
      ['nats', nats],
    ])
    return encodeToken(header, parseLossless(payload) as Record<string, unknown>, operator)
  })

/** The payload without what an edit of our source may change. */
function unchanged(token: string): string {
  const {payload} = decodeToken(token)
  const {iat: _iat, jti: _jti, iss: _iss, nats, ...claims} = payload
  const {mappings: table = {}, ...body} = nats as Record<string, unknown>
  const {[source]: _ours, ...others} = table as Record<string, unknown>
  return formatLossless([claims, body, others])
}

describe('editing an account token', () => {
  test('any token keeps every other byte of meaning', () => {
    fc.assert(
      fc.property(tokens, fc.boolean(), (before, remove) => {
        const token = readAccountToken(before)
        const {issuedAt} = nextIssuedAt(token.issuedAt, 0)
        const after = editToken(
          token,
          {change: [{source, destinations: remove ? undefined : destinations}], issuedAt},
          signing,
        )
        expect(unchanged(after)).toBe(unchanged(before))
        const edited = readAccountToken(after)
        expect(edited).toMatchObject({account, issuer: signing.publicKey, issuedAt: token.issuedAt + 1, signed: true})
        expect(edited.mappings[source]).toEqual(remove ? undefined : destinations)
        expect(decodeToken(after).payload['jti']).not.toBe('J')
      }),
      {numRuns: 300},
    )
  })

  test('taking a mapping in and out again leaves the mappings as they were', () => {
    fc.assert(
      fc.property(tokens, (text) => {
        const before = readAccountToken(text)
        const issuedAt = before.issuedAt + 1
        const split = readAccountToken(editToken(before, {change: [{source, destinations}], issuedAt}, signing))
        const after = readAccountToken(
          editToken(split, {change: [{source, destinations: undefined}], issuedAt}, signing),
        )
        expect(after.mappings).toEqual(before.mappings)
      }),
    )
  })

  test('replaces in place, so that a token can be compared with its predecessor', () => {
    const payload = {
      nats: {mappings: {a: [], [source]: [], b: []}, type: 'account'},
      sub: account,
      iat: 5,
      iss: operator.publicKey,
    }
    const token = readAccountToken(encodeToken(header, payload, operator))
    const after = decodeToken(editToken(token, {change: [{source, destinations}], issuedAt: 6}, signing)).payload
    expect(Object.keys(after)).toEqual(['nats', 'sub', 'iat', 'iss', 'jti'])
    expect(Object.keys((after['nats'] as {mappings: object}).mappings)).toEqual(['a', source, 'b'])
  })

  test('mappings that other tools wrote as null are none', () => {
    const payload = {sub: account, iss: operator.publicKey, iat: 1, nats: {mappings: null, type: 'account'}}
    const token = readAccountToken(encodeToken(header, payload, operator))
    const after = readAccountToken(editToken(token, {change: [{source, destinations}], issuedAt: 2}, signing))
    expect(after.mappings).toEqual({[source]: destinations})
  })

  test('a destination of weight 0 is left out, because a server would read it as 100', () => {
    const token = readAccountToken(
      encodeToken(header, {sub: account, iss: operator.publicKey, iat: 1, nats: {}}, operator),
    )
    const zero = [destinations[0]!, {...destinations[1]!, weight: 0}]
    const after = readAccountToken(editToken(token, {change: [{source, destinations: zero}], issuedAt: 2}, signing))
    expect(after.mappings[source]).toEqual([destinations[0]])
  })

  test.each([
    ['x.y', 'it does not have three parts'],
    [
      encodeToken(header, {sub: 'UABC', iss: operator.publicKey, nats: {}}, operator),
      'subject, issuer or body are missing',
    ],
    [
      encodeToken(header, {sub: account, iss: operator.publicKey, nats: {mappings: {a: [{weight: 3}]}}}, operator),
      "nats.mappings['a']",
    ],
  ])('what is no account token is refused', (token, reason) => {
    expect(() => readAccountToken(token)).toThrow(reason)
  })

  test('a token whose signature was tampered with is told', () => {
    const token = encodeToken(header, {sub: account, iss: operator.publicKey, iat: 1, nats: {}}, operator)
    const [head, , signature] = token.split('.')
    const payload = Buffer.from(JSON.stringify({sub: account, iss: operator.publicKey, iat: 2, nats: {}})).toString(
      'base64url',
    )
    expect(readAccountToken(token).signed).toBe(true)
    expect(readAccountToken(`${head!}.${payload}.${signature!}`).signed).toBe(false)
  })
})

describe('iat', () => {
  test('is the clock, but always above the present token’s', () => {
    expect(nextIssuedAt(100, 200_000)).toEqual({issuedAt: 200, waitMs: 0})
    expect(nextIssuedAt(200, 200_999)).toEqual({issuedAt: 201, waitMs: 0})
    expect(nextIssuedAt(229, 200_000)).toEqual({issuedAt: 230, waitMs: 0})
  })

  test('runs at most 30 s ahead of the clock; then there is a wait', () => {
    expect(nextIssuedAt(230, 200_000)).toEqual({issuedAt: 231, waitMs: 1000})
    expect(nextIssuedAt(230, 200_000, Infinity)).toEqual({issuedAt: 231, waitMs: 0})
    fc.assert(
      fc.property(fc.integer({min: 0, max: 1e6}), fc.integer({min: 0, max: 1e9}), (present, now) => {
        const {issuedAt, waitMs} = nextIssuedAt(present, now)
        expect(issuedAt).toBeGreaterThan(present)
        expect(issuedAt * 1000).toBeLessThanOrEqual(now + waitMs + 30_000)
      }),
    )
  })
})
