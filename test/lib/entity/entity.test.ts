import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {formatRef, parseLatticeName, parseRef, withVersion, type Entity} from '../../../src/lib/entity/entity.js'
import {resolveEntity} from '../../../src/lib/entity/resolve.js'
import {parseVersion} from '../../../src/lib/entity/version.js'

describe('references', () => {
  test.each([
    ['echo', {name: 'echo'}],
    ['echo@1.2.0', {name: 'echo', version: '1.2.0'}],
    ['http/east', {name: 'http', link: 'east'}],
    ['http/east@2', {name: 'http', link: 'east', version: '2'}],
    ['HTTP Server', {name: 'HTTP Server'}],
  ])('%s parses and formats back', (text, ref) => {
    expect(parseRef(text)).toEqual(ref)
    expect(formatRef(parseRef(text))).toBe(text)
  })

  test.each([
    '',
    '@1',
    'echo@',
    'echo@@1',
    'echo@1@2',
    'a*b',
    'a.>.b',
    'a>',
    ' echo',
    'echo/',
    'echo/a.b',
    'e\u0007',
    'e\u202e',
  ])('%j is refused with a sentence', (text) => {
    expect(() => parseRef(text)).toThrow(/^.*[.]$/)
  })

  test('parsing never fails otherwise than with a sentence', () => {
    fc.assert(
      fc.property(fc.string({unit: 'binary'}), (text) => {
        try {
          expect(parseRef(formatRef(parseRef(text)))).toEqual(parseRef(text))
        } catch (error) {
          expect(error).toHaveProperty('kind', 'usage')
        }
      }),
    )
  })

  test('a version given twice is refused', () => {
    expect(() => withVersion(parseRef('echo@1'), parseVersion('2'))).toThrow('given twice')
    expect(withVersion(parseRef('echo'), parseVersion('2'))).toEqual({name: 'echo', version: '2'})
  })

  test.each(['a.b', '', 'a b', '*', 'x'.repeat(65)])('%j is no lattice name', (text) => {
    expect(() => parseLatticeName(text)).toThrow('is not a lattice name')
  })

  test('the suggested lattice name goes to the flag that it came from', () => {
    const failure = (...args: Parameters<typeof parseLatticeName>): unknown => {
      try {
        return parseLatticeName(...args)
      } catch (error) {
        return error
      }
    }
    expect(failure('a.b')).toMatchObject({suggestions: ['--lattice a-b']})
    expect(failure('../x y', 'name')).toMatchObject({suggestions: ['--name x-y']})
  })
})

describe('resolution', () => {
  const actor = (key: string, name: string): Entity => ({kind: 'actor', key, name, instances: []})
  const provider = (link: string): Entity => ({kind: 'provider', key: 'VHTTPSERVER', name: 'http', link, instances: []})

  test.each([
    ['echo', 'found'],
    ['MECHOECHO', 'found'],
    ['MECHO', 'missing'],
    ['MECHOECH', 'found'],
    ['MECHOEC', 'missing'],
    ['twin', 'ambiguous'],
    ['http', 'found'],
    ['http/east', 'found'],
    ['http/west', 'missing'],
  ])('%s is %s', (text, kind) => {
    const known = [
      actor('MECHOECHO', 'echo'),
      actor('MT1', 'twin'),
      actor('MT2', 'twin'),
      provider('default'),
      provider('east'),
    ]
    expect(resolveEntity(parseRef(text), known).kind).toBe(kind)
  })

  test('an exact name wins over a key prefix', () => {
    const known = [actor('MECHOECHOXX', 'other'), actor('MX', 'MECHOECHO')]
    expect(resolveEntity({name: 'MECHOECHO'}, known)).toMatchObject({entity: {key: 'MX'}})
  })

  test('a mistyped name offers the nearest ones', () => {
    expect(resolveEntity({name: 'ecoh'}, [actor('M1', 'echo'), actor('M2', 'billing')])).toEqual({
      kind: 'missing',
      nearest: ['echo'],
    })
  })
})
