import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {parseLossless} from '../../../src/lib/keys/token.js'
import {
  formatClaims,
  formatLink,
  formatRef,
  isPlainClaims,
  isPlainLink,
  isPlainRef,
} from '../../../src/lib/records/universal.js'
import {readRecord} from '../../../src/lib/records/registry.js'

const actor = 'MAIJUKJUS4RWH3KQPKDEFXSN35TS3SV5ENKAKLKV6K2FCRRZF6PMARO2'
const provider = 'VBXTCLK6EXHDADHJ3WIZUHYAAMR5FT2JZHXSU2Q4VVYA65E4MRQWC3NE'

describe('the universal form', () => {
  test('of claims is the one that every host reads, byte for byte', () => {
    const claims = {
      sub: actor,
      iss: 'A',
      name: 'orders',
      rev: '3',
      version: '1.2.0',
      caps: 'wasmcloud:httpserver,wasmcloud:keyvalue',
    }
    expect(formatClaims(claims)).toBe(
      `{"call_alias":"","caps":"wasmcloud:httpserver,wasmcloud:keyvalue","contract_id":"","iss":"A","name":"orders","rev":"3","sub":"${actor}","tags":"","version":"1.2.0"}`,
    )
    expect(formatClaims({...claims, config_schema: '{}'})).toMatch(/"version":"1.2.0","config_schema":"{}"}$/)
  })

  test('of a link has its hash as id', () => {
    const link = {
      actor_id: actor,
      provider_id: provider,
      link_name: 'default',
      contract_id: 'wasmcloud:keyvalue',
      values: {URL: 'redis://127.0.0.1'},
    }
    const hash = 'F9CCE3D99B8C0F3FD854C7CFCCC03E2C7B748A3A295D930671069920DB89FC70'
    expect(formatLink(link)).toBe(
      `{"id":"${hash}","actor_id":"${actor}","provider_id":"${provider}","link_name":"default","contract_id":"wasmcloud:keyvalue","values":{"URL":"redis://127.0.0.1"}}`,
    )
    expect(() => formatLink({...link, id: 'other'})).toThrow("The field 'id' is not the hash")
    expect(() => formatLink({...link, values: {URL: 1}})).toThrow("The field 'values.URL' must be a string")
    expect(() => formatLink({...link, provider_id: ''})).toThrow("The field 'provider_id' is missing")
  })

  test('of a reference keeps its version', () => {
    expect(formatRef({public_key: actor, oci_url: 'reg/echo:1'})).toBe(
      `{"oci_url":"reg/echo:1","public_key":"${actor}"}`,
    )
    expect(formatRef({public_key: actor, oci_url: 'reg/echo:1', version: '1'})).toContain('"version":"1"')
  })

  test('is what the long form of newer hosts becomes', () => {
    const long = {
      subject: actor,
      issuer: 'A',
      capabilities: ['a', 'b'],
      revision: '3',
      tags: ['x'],
      name: 'n',
      version: '1',
    }
    expect(JSON.parse(formatClaims(long))).toMatchObject({sub: actor, iss: 'A', caps: 'a,b', rev: '3', tags: 'x'})
  })

  test.each([
    [{rev: 3}, 'rev'],
    [{tags: [1]}, 'tags'],
    [{name: {}}, 'name'],
    [{extra: true}, 'extra'],
  ])('never holds what is not a string: %j', (field, name) => {
    expect(() => formatClaims({sub: actor, ...field})).toThrow(`The field '${name}' must be a string`)
  })

  test('refuses claims that name a field twice', () => {
    expect(() => formatClaims({sub: actor, iss: 'A', issuer: 'B'})).toThrow('which no host reads')
  })

  test.each([
    [{values: {URL: 'a\ud800'}}, "The field 'values.URL' holds half of a surrogate pair"],
    [{values: {'a\udfff': ''}}, "The name of the field 'values.a\ufffd' is no text"],
    [{more: {list: [parseLossless('1e999')]}}, "The field 'more.list.0' holds a number that is too large for any host"],
  ])('never holds what parsers refuse: %j', (more, sentence) => {
    const link = {actor_id: actor, provider_id: provider, link_name: 'default', contract_id: 'wasmcloud:keyvalue'}
    expect(() => formatLink({...link, ...more})).toThrow(sentence)
    const kept = {text: '\\ud800 \u{1f600}', number: parseLossless('123456789012345678901234567890')}
    expect(formatLink({...link, more: kept})).toContain('123456789012345678901234567890')
  })

  test('of any claims is stable and plain', () => {
    const fields = fc.dictionary(fc.string(), fc.string())
    fc.assert(
      fc.property(fields, (extra) => {
        const claims = Object.fromEntries([...Object.entries(extra), ['sub', actor]])
        for (const name of ['issuer', 'subject', 'capabilities', 'revision', 'capability_contract_id'])
          Reflect.deleteProperty(claims, name)
        const text = formatClaims(claims)
        const again: unknown = JSON.parse(text)
        expect(isPlainClaims(again)).toBe(true)
        expect(formatClaims(again as Record<string, unknown>)).toBe(text)
      }),
    )
  })
})

describe('reading a record', () => {
  test('takes the form of each host family', async () => {
    const otp = {call_alias: '', caps: 'x', iss: 'A', name: 'echo', rev: '4', sub: actor, tags: '', version: null}
    const rust = {
      subject: actor,
      issuer: 'A',
      capabilities: ['x'],
      name: 'echo',
      revision: '4',
      tags: [],
      version: '0.3.4',
      call_alias: null,
    }
    for (const value of [otp, rust]) {
      const read = await readRecord('claims', value)
      expect(read).toMatchObject({record: {sub: actor, iss: 'A', name: 'echo', rev: '4', caps: 'x', call_alias: ''}})
    }
  })

  test('names the field that does not fit', async () => {
    expect(await readRecord('claims', {sub: 1})).toEqual({problem: "its field 'sub' does not fit the kind claims"})
    expect(await readRecord('link', {actor_id: actor})).toMatchObject({
      problem: "its field 'provider_id' does not fit the kind link",
    })
    expect(await readRecord('ref', [])).toEqual({problem: 'it is not a record of kind ref'})
  })

  test('finds plain whatever the schema finds plain', async () => {
    const anything = fc.oneof(
      fc.anything(),
      fc.dictionary(fc.constantFrom('sub', 'oci_url', 'public_key', 'values', 'id'), fc.anything()),
    )
    await fc.assert(
      fc.asyncProperty(anything, async (value) => {
        for (const kind of ['claims', 'link', 'ref'] as const) await readRecord(kind, value)
        expect([isPlainClaims(value), isPlainLink(value), isPlainRef(value)]).toHaveLength(3)
      }),
    )
  })
})
