import fc from 'fast-check'
import {expect, test} from 'vitest'

import {formatNames, linesOf} from '../../../src/lib/completion/names.js'
import type {HostPing} from '../../../src/lib/control/dialect.js'
import {parseRef, type Entity} from '../../../src/lib/entity/entity.js'
import {resolveEntity} from '../../../src/lib/entity/resolve.js'
import {parseVersion} from '../../../src/lib/entity/version.js'
import {keyFromText} from '../../../src/lib/keys/nkey.js'

function actor(name: string, versions: readonly string[], id = name): Entity {
  return {
    kind: 'actor',
    key: keyFromText('M', id).publicKey,
    name,
    instances: versions.map((version) => ({version: parseVersion(version), host: 'N1', count: 1, dark: false})),
  }
}

function host(id: string, name: string): HostPing {
  return {id, name, version: '0', labels: {}, uptimeSeconds: 1, lattice: 'default', dialect: 'v0', versioned: true}
}

function names(entities: readonly Entity[], kind: string, hosts: readonly HostPing[] = []): string[] {
  const lines = linesOf({discovery: {entities, hosts, silent: []}, lattices: ['default']})
  return lines.flatMap(([of, name]) => (of === kind ? [name] : []))
}

test('an entity is offered by name, with its versions, lowest first', () => {
  const echo = actor('echo', ['10.0.0', '9.0.0'])
  expect(names([echo], 'actor')).toEqual(['echo'])
  expect(names([echo], 'ref')).toEqual(['echo@9.0.0', 'echo@10.0.0'])
  expect(names([echo], 'version')).toEqual(['9.0.0', '10.0.0'])
})

test('a provider is offered with its link name where that is not the default', () => {
  const key = keyFromText('V', 'redis').publicKey
  const redis = (link: string): Entity => ({kind: 'provider', key, name: 'redis', link, contract: 'c', instances: []})
  expect(names([redis('default'), redis('cache')], 'provider')).toEqual(['redis', 'redis/cache'])
})

test('a name that a command would not take is offered as its key', () => {
  const [one, two] = [actor('twin', [], 'one'), actor('twin', [], 'two')]
  expect(names([one, two], 'actor')).toEqual([one.key, two.key])
  for (const name of ['a@b', '-flag', 'a\u001b[31mb', 'a\tb', 'a\nb', ' a', 'a/b c', '']) {
    const entity = actor(name, ['1.0.0'], 'x')
    expect(names([entity], 'actor')).toEqual([entity.key])
    expect(names([entity], 'ref')).toEqual([`${entity.key}@1.0.0`])
  }
})

test('whatever names there are, each that is offered means its entity, on a line of its own', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({unit: 'binary', maxLength: 12}), {maxLength: 6}), (given) => {
      const entities = given.map((name, at) => actor(name, ['1.0.0'], String(at)))
      const lines = linesOf({discovery: {entities, hosts: [], silent: []}, lattices: []})
      const offered = lines.filter(([kind]) => kind === 'actor' || kind === 'ref')
      expect(offered).toHaveLength(2 * given.length)
      for (const [, name, note] of offered) {
        expect(name).toMatch(/^[^\p{C}-][^\p{C}]*$/u)
        expect(note).toMatch(/^[^\p{C}]*$/u)
        expect(resolveEntity(parseRef(name), entities).kind).toBe('found')
      }
      expect(formatNames('key', 5, lines).split('\n')).toHaveLength(3 + lines.length + 1)
    }),
  )
})

test('a host is offered by id, and by name where no other has it', () => {
  const hosts = [host('NA', 'one'), host('NB', 'two'), host('NC', 'two'), host('ND', ''), host('NE', '\u202eevil')]
  expect(names([], 'host', hosts)).toEqual(['NA', 'NB', 'NC', 'ND', 'NE', 'one'])
})

test('of each kind a thousand are kept', () => {
  const entities = Array.from({length: 1200}, (_, at) => actor(`actor-${at}`, ['1.0.0']))
  expect(names(entities, 'actor')).toHaveLength(1000)
  expect(names(entities, 'ref')).toHaveLength(1000)
})

test('the file says what it is, what it was asked for and when', () => {
  expect(formatNames('context=one', 1700000000, [['actor', 'echo', 'actor on 1 host']])).toBe(
    'lattice names 1\ncontext=one\n1700000000\nactor\techo\tactor on 1 host\n',
  )
})
