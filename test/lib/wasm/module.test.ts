import {createHash} from 'node:crypto'

import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {LatticeError, UsageError} from '../../../src/lib/errors.js'
import {ModuleError} from '../../../src/lib/wasm/module-error.js'
import {examineModule, readModuleClaims, signModule, type SignOptions} from '../../../src/lib/wasm/module.js'
import {formatSections, makeCustomSection, parseSections, type WasmSection} from '../../../src/lib/wasm/wasm.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {decodeToken, encodeToken, type JsonObject} from '../../../src/lib/keys/token.js'

const nowMs = Date.parse('2026-01-01T00:00:00Z')
const issuedAt = nowMs / 1000
const issuer = createKey('A')
const key = createKey('M').publicKey
const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]
const bare = Uint8Array.from(header)
const echoClaims = {key, issuer, name: 'echo', version: '1.0.0', issuedAt}

/** Modules as far as this code looks at them: any sections of any content, sizes in any valid form. */
const modules = fc
  .array(
    fc.record({
      id: fc.integer({min: 0, max: 13}),
      name: fc.string({maxLength: 8}).filter((name) => name !== 'jwt' && name !== 'wasmcloud_jwt'),
      content: fc.uint8Array({maxLength: 200}),
      padding: fc.integer({min: 0, max: 3}),
    }),
    {maxLength: 6},
  )
  .map((sections) =>
    Buffer.concat([
      bare,
      ...sections.map(({id, name, content, padding}) => {
        const data = id === 0 ? makeCustomSection(name, content).data : content
        return Buffer.concat([Uint8Array.of(id, ...paddedSize(data.length, padding)), data])
      }),
    ]),
  )

const claims = fc.record({
  name: fc.stringMatching(/^[A-Za-z][A-Za-z0-9 ._-]{0,20}[A-Za-z0-9]$/),
  version: fc.stringMatching(/^[0-9A-Za-z.+-]{1,20}$/),
  revision: fc.option(fc.integer({min: 0, max: 0x7fff_ffff}), {nil: undefined}),
  callAlias: fc.option(fc.stringMatching(/^[a-z]{1,10}$/), {nil: undefined}),
  caps: fc.array(fc.stringMatching(/^wasmcloud:[a-z]{1,10}$/), {maxLength: 3}),
  tags: fc.array(fc.stringMatching(/^[a-zé]{1,10}$/), {maxLength: 3}),
})

describe('signing and reading', () => {
  test('what is signed is what is read, whatever the module', () => {
    fc.assert(
      fc.property(modules, claims, (wasm, given) => {
        const read = readModuleClaims(signModule(wasm, {...given, key, issuer, issuedAt}), nowMs)
        expect(read).toMatchObject({
          ...JSON.parse(JSON.stringify(given)),
          key,
          issuer: issuer.publicKey,
          issuedAt,
        })
      }),
    )
  })

  test('signing again replaces the claims and changes nothing else', () => {
    fc.assert(
      fc.property(modules, (wasm) => {
        const once = signModule(wasm, echoClaims)
        const twice = signModule(signModule(wasm, {...echoClaims, version: '0.9.0'}), echoClaims)
        expect(twice).toEqual(once)
      }),
    )
  })

  test('the hash is that of the module without its claims', () => {
    const wasm = Buffer.concat([bare, Uint8Array.of(1, 2, 7, 7)])
    const {hash, hashHolds} = examineModule(signModule(wasm, echoClaims), nowMs)
    expect({hash, hashHolds}).toEqual({
      hash: createHash('sha256').update(wasm).digest('hex').toUpperCase(),
      hashHolds: true,
    })
  })

  test('the hash is that of the re-assembled module where a size was written in a longer form', () => {
    const padded = Buffer.concat([bare, Uint8Array.of(1, 0x82, 0x80, 0x00, 7, 7)])
    const short = Buffer.concat([bare, Uint8Array.of(1, 2, 7, 7)])
    expect(examineModule(signModule(padded, echoClaims), nowMs).hash).toBe(
      createHash('sha256').update(short).digest('hex').toUpperCase(),
    )
  })

  test('the token is written as wascap writes it', () => {
    const wasm = signModule(bare, {...echoClaims, revision: 4, callAlias: 'echo', caps: ['wasmcloud:httpserver']})
    const section = parseSections(wasm).at(-1)
    const token = decodeToken(Buffer.from(section.body!).toString())
    expect(section.name).toBe('jwt')
    expect(token).toMatchObject({
      header: {typ: 'jwt', alg: 'Ed25519'},
      payload: {
        iss: issuer.publicKey,
        sub: key,
        iat: issuedAt,
        wascap: {name: 'echo', ver: '1.0.0', rev: 4, call_alias: 'echo', caps: ['wasmcloud:httpserver'], prov: false},
        wascap_revision: 3,
      },
      signed: true,
    })
  })

  test('claims in the newer section are read too', () => {
    const {body} = parseSections(signModule(bare, echoClaims)).at(-1)
    expect(readModuleClaims(formatSections([makeCustomSection('wasmcloud_jwt', body!)]), nowMs).key).toBe(key)
  })
})

describe('what is refused', () => {
  test('a byte changed anywhere outside of the claims', () => {
    fc.assert(
      fc.property(modules, fc.nat(), fc.integer({min: 1, max: 255}), (wasm, where, change) => {
        const signed = signModule(wasm, echoClaims)
        const end = signModule(wasm, echoClaims).length - parseSections(signed).at(-1).data.length - 3
        const tampered = Uint8Array.from(signed)
        const at = where % end
        tampered[at]! ^= change
        expect(() => readModuleClaims(tampered, nowMs)).toThrow(ModuleError)
      }),
      {numRuns: 1000},
    )
  })

  test('a module that ends early', () => {
    const signed = signModule(Buffer.concat([bare, Uint8Array.of(1, 2, 7, 7)]), echoClaims)
    for (let length = 0; length < signed.length; length++) {
      expect(() => readModuleClaims(signed.subarray(0, length), nowMs)).toThrow(ModuleError)
    }
  })

  test('any other bytes, in one sentence that shows none of them', () => {
    const secret = 'SUPERSECRET'
    const files = fc.oneof(
      fc.uint8Array({maxLength: 300}),
      fc.uint8Array({maxLength: 300}).map((bytes) => Buffer.concat([bare, bytes])),
      fc.string().map((text) => Buffer.from(text + secret)),
      fc.string().map((text) => formatSections([makeCustomSection('jwt', Buffer.from(text + secret))])),
    )
    fc.assert(
      fc.property(files, (bytes) => {
        const error = failureOf(() => readModuleClaims(bytes, nowMs))
        expect(error).toBeInstanceOf(ModuleError)
        expect((error as ModuleError).message).toMatch(/^The module is refused: [^.]*\.$/)
        expect((error as ModuleError).message).not.toContain(secret)
      }),
      {numRuns: 1000},
    )
  })

  test.each<[string, Uint8Array, string]>([
    ['text', Buffer.from('#!/bin/sh'), 'not-wasm'],
    ['nothing', new Uint8Array(), 'not-wasm'],
    ['a component', Uint8Array.from([...header.slice(0, 4), 0x0d, 0, 1, 0]), 'component'],
    ['a version that is not known', Uint8Array.from([...header.slice(0, 4), 2, 0, 0, 0]), 'not-wasm'],
    ['an unknown section', Uint8Array.from([...header, 99, 0]), 'malformed'],
    ['a section longer than the file', Uint8Array.from([...header, 1, 5, 0]), 'malformed'],
    ['a size of more than 32 bits', Uint8Array.from([...header, 1, 0xff, 0xff, 0xff, 0xff, 0x1f]), 'malformed'],
    ['a custom section without a whole name', Uint8Array.from([...header, 0, 2, 9, 65]), 'malformed'],
    ['a name that is not UTF-8', Uint8Array.from([...header, 0, 2, 1, 0xff]), 'malformed'],
    ['no claims', bare, 'unsigned'],
    ['claims twice', withClaims(tokenOf({}), tokenOf({})), 'claims'],
    ['a token that is none', withClaims('a.b'), 'claims'],
    ['another kind of signature', withClaims(encodeToken({typ: 'jwt', alg: 'none'}, payloadOf({}), issuer)), 'claims'],
    ['claims without wascap', withClaims(tokenOf({wascap: undefined})), 'claims'],
    ['claims of a provider', withClaims(tokenOf({sub: createKey('V').publicKey})), 'claims'],
    [
      'a subject with a wrong checksum',
      withClaims(tokenOf({sub: `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`})),
      'claims',
    ],
    ['a version with white space', withClaims(tokenOf({wascap: {...wascapOf(), ver: '1 0'}})), 'claims'],
    ['an issuer that did not sign', withClaims(tokenOf({iss: createKey('A').publicKey})), 'signature'],
    ['an issuer that is no account', withClaims(tokenOf({iss: createKey('O').publicKey})), 'signature'],
    ['a hash of other code', withClaims(tokenOf({wascap: {...wascapOf(), hash: 'AA'}})), 'hash'],
    ['no hash, in the old form', withClaims(tokenOf({wascap: {name: 'echo'}, wascap_revision: 2})), 'hash'],
    ['expired claims', withClaims(tokenOf({exp: issuedAt})), 'expired'],
    ['early claims', withClaims(tokenOf({nbf: issuedAt + 1})), 'early'],
  ])('%s', (_, wasm, reason) => {
    expect(() => readModuleClaims(wasm, nowMs)).toThrow(expect.objectContaining({reason, kind: 'unsafe'}))
  })

  test('claims that are valid now, with an end and a start, are not', () => {
    const wasm = withClaims(tokenOf({exp: issuedAt + 1, nbf: issuedAt}))
    expect(readModuleClaims(wasm, nowMs)).toMatchObject({expires: issuedAt + 1, notBefore: issuedAt})
  })

  test('every problem is listed, and the rest of the claims can be read', () => {
    const {claims: read, problems} = examineModule(withClaims(tokenOf({exp: 1, sub: 'x'})), nowMs)
    expect(read).toMatchObject({key: 'x', name: 'echo'})
    expect(problems.map(({reason}) => reason)).toEqual(['claims', 'expired'])
  })
})

describe('claims that cannot be meant', () => {
  test.each<[string, Partial<SignOptions>]>([
    ['an empty name', {name: ''}],
    ['a name with an @', {name: 'echo@1'}],
    ['a name with a /', {name: 'a/b'}],
    ['a name with a control character', {name: 'a\u001b[31m'}],
    ['an empty version', {version: ''}],
    ['a version with white space', {version: '1 0'}],
    ['a revision below zero', {revision: -1}],
    ['a revision that hosts cannot hold', {revision: 2 ** 31}],
    ['a capability with a comma', {caps: ['a,b']}],
    ['a tag with a space', {tags: ['a b']}],
    ['a call alias with a /', {callAlias: 'a/b'}],
    ['a module key of another kind', {key: createKey('V').publicKey}],
    ['an issuer key of another kind', {issuer: createKey('U')}],
  ])('%s', (_, wrong) => {
    expect(failureOf(() => signModule(bare, {...echoClaims, ...wrong}))).toBeInstanceOf(UsageError)
  })
})

function wascapOf(): JsonObject {
  return {name: 'echo', ver: '1.0.0', hash: createHash('sha256').update(bare).digest('hex').toUpperCase()}
}

function payloadOf(changes: JsonObject): JsonObject {
  return {jti: 'x', iat: issuedAt, iss: issuer.publicKey, sub: key, wascap: wascapOf(), wascap_revision: 3, ...changes}
}

function tokenOf(changes: JsonObject): string {
  return encodeToken({typ: 'jwt', alg: 'Ed25519'}, payloadOf(changes), issuer)
}

function withClaims(...tokens: readonly string[]): Uint8Array {
  return formatSections(tokens.map((token): WasmSection => makeCustomSection('jwt', Buffer.from(token))))
}

function paddedSize(size: number, padding: number): number[] {
  const bytes = [size & 0x7f]
  for (let rest = size >> 7; rest > 0; rest >>= 7) bytes.push(rest & 0x7f)
  for (let index = 0; index < padding && bytes.length < 5; index++) bytes.push(0)
  return bytes.map((byte, index) => (index < bytes.length - 1 ? byte | 0x80 : byte))
}

function failureOf(act: () => unknown): unknown {
  try {
    return act()
  } catch (error) {
    return error instanceof LatticeError ? error : String(error)
  }
}
