import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {composeRecord} from '../../../src/lib/cache/compose.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {misplaced, readRecord, type RecordAddress} from '../../../src/lib/records/registry.js'
import type {JsonRecord} from '../../../src/lib/records/universal.js'
import {
  formatComponent,
  formatConfig,
  isPlainComponent,
  isPlainConfig,
  isRawConfig,
} from '../../../src/lib/records/v1-form.js'

// As a 1.9.2 host writes it (wasmcloud-v1 §4, §9).
const link = {
  source_id: 'http-server',
  target: 'orders',
  name: 'default',
  wit_namespace: 'wasi',
  wit_package: 'http',
  interfaces: ['incoming-handler'],
  source_config: ['http-8000'],
  target_config: [],
}
const component = {url: 'ghcr.io/wasmcloud/http-server:0.27.0', links: [link]}
const address: RecordAddress = {kind: 'component', id: 'http-server'}

describe('a component', () => {
  test('is written as v1 hosts write it, byte for byte', () => {
    expect(formatComponent(component)).toBe(JSON.stringify(component))
    expect(formatComponent({})).toBe('{"url":"","links":[]}')
  })

  test('gets the fields that every host wants, and keeps those it does not know', () => {
    const short = {target: 'orders', wit_namespace: 'wasi', wit_package: 'http', interfaces: ['a'], extra: {n: 1}}
    const text = compose(address, {links: [short], more: true})
    expect(JSON.parse(text)).toEqual({
      url: '',
      links: [{...link, interfaces: ['a'], source_config: [], extra: {n: 1}}],
      more: true,
    })
  })

  test.each<[JsonRecord, string]>([
    [{url: 1}, "The field 'url' must be a string"],
    [{links: {}}, "The field 'links' must be a list of links"],
    [{links: ['x']}, "The field 'links.0' must be an object"],
    [{links: [link, {...link, target: ''}]}, "The field 'links.1.target' is missing"],
    [{links: [{...link, wit_package: 3}]}, "The field 'links.0.wit_package' must be a string"],
    [{links: [{...link, interfaces: 'a'}]}, "The field 'links.0.interfaces' must be a list of strings"],
    [{links: [{...link, source_id: 'other'}]}, "its field 'links.0.source_id' is not its key"],
  ])('%j is refused with the field named', (record, sentence) => {
    expect(() => compose(address, record)).toThrow(sentence)
  })

  test('whose links leave another component is misplaced', () => {
    expect(misplaced(address, component)).toBeUndefined()
    expect(misplaced({kind: 'component', id: 'other'}, component)).toBe("its field 'links.0.source_id' is not its key")
  })

  test('of a host that leaves fields out is read with their defaults', async () => {
    expect(await readRecord('component', {url: 'x'})).toEqual({record: {url: 'x', links: []}})
    expect(await readRecord('component', {links: []})).toEqual({
      problem: "its field 'url' does not fit the kind component",
    })
    expect(await readRecord('component', {url: '', links: [{...link, target: 1}]})).toEqual({
      problem: "its field 'links.0.target' does not fit the kind component",
    })
  })

  test('that was written is plain, whatever it holds', () => {
    const text = fc.string({unit: 'binary', minLength: 1})
    const links = fc.array(
      fc.record({
        ...Object.fromEntries(['target', 'wit_namespace', 'wit_package'].map((name) => [name, text])),
        interfaces: fc.array(text),
      }),
    )
    fc.assert(
      fc.property(text, links, (url, made) => {
        expect(isPlainComponent(JSON.parse(compose(address, {url, links: made})))).toBe(true)
      }),
    )
  })
})

describe('a configuration', () => {
  const config: RecordAddress = {kind: 'config', name: 'http-8000'}

  test('is an object of strings', async () => {
    expect(formatConfig({address: '127.0.0.1:8000'})).toBe('{"address":"127.0.0.1:8000"}')
    expect(() => formatConfig({port: 8000})).toThrow("The field 'port' must be a string")
    expect(() => formatConfig({port: null})).toThrow("The field 'port' must be a string")
    expect(isPlainConfig({a: 'b'})).toBe(true)
    expect(await readRecord('config', {port: 1})).toEqual({problem: "its field 'port' does not fit the kind config"})
  })

  test('keeps a name such as __proto__', () => {
    const text = compose(config, JSON.parse('{"__proto__":"x","a":"b"}') as JsonRecord)
    expect(text).toBe('{"__proto__":"x","a":"b"}')
  })

  test.each([
    [{kind: 'config', name: 'a.b'}, '"a.b" is not a name of kind config'],
    [{kind: 'component', id: 'a.b'}, '"a.b" is not a name of kind component'],
  ] as const)('or component that no host could be asked about is not written: %j', (where, sentence) => {
    expect(() => compose(where, {})).toThrow(sentence)
  })

  test('of a v0 host is named after its entity and holds any bytes', () => {
    const name = `${createKey('M').publicKey}_port`
    expect([name, 'http-8000', `${'M'.repeat(20)}_x`].map(isRawConfig)).toEqual([true, false, false])
    const value = Uint8Array.of(0xff, 0)
    expect(composeRecord({kind: 'config', name}, {value, set: []})).toEqual(value)
  })
})

function compose(where: RecordAddress, record: JsonRecord): string {
  const value = new TextEncoder().encode(JSON.stringify(record))
  return new TextDecoder().decode(composeRecord(where, {value, set: []}))
}
