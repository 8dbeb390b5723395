import {describe, expect, test} from 'vitest'

import type {Entity} from '../../../src/lib/entity/entity.js'
import {parseVersion} from '../../../src/lib/entity/version.js'
import {inferCutover, inferSplit, type Known} from '../../../src/lib/routes/infer.js'
import {parseSplit} from '../../../src/lib/routing/weights.js'

const seventyThirty = parseSplit(['70/30'])

function entity(name: string, versions: readonly string[], kind: Entity['kind'] = 'actor'): Entity {
  return {
    kind,
    key: `${kind === 'actor' ? 'M' : 'V'}${name.toUpperCase().padEnd(55, 'A')}`,
    name,
    ...(kind === 'provider' ? {link: 'default', contract: 'c'} : {}),
    instances: versions.map((version) => ({version: parseVersion(version), host: 'NA', count: 1, dark: false})),
  }
}

const known = (...entities: Entity[]): Known => ({lattice: 'default', entities})
const http = entity('http', ['0.1.0'], 'provider')

describe('a split without names', () => {
  test('is of the only entity with two versions, the oldest first', () => {
    const wanted = inferSplit(seventyThirty, {}, known(http, entity('echo', ['10.0.0', '9.0.0'])))
    expect(wanted.entity.name).toBe('echo')
    expect(wanted.legs).toEqual([
      {version: '9.0.0', weight: 70},
      {version: '10.0.0', weight: 30},
    ])
    expect(wanted.explicit).toBe('lattice route ab echo@9.0.0=70 echo@10.0.0=30')
  })

  test('says nothing was inferred where everything was named', () => {
    const versions = ['2.0.0', '1.0.0'].map(parseVersion)
    const wanted = inferSplit(
      seventyThirty,
      {entity: {name: 'echo'}, versions},
      known(entity('echo', ['1.0.0', '2.0.0'])),
    )
    expect(wanted.explicit).toBeUndefined()
    expect(wanted.legs).toEqual([
      {version: '1.0.0', weight: 30},
      {version: '2.0.0', weight: 70},
    ])
  })

  test('is ambiguous when two entities have two versions', () => {
    const two = known(entity('echo', ['1.0.0', '2.0.0']), entity('ping', ['1.0.0', '2.0.0']))
    expect(() => inferSplit(seventyThirty, {}, two)).toThrow(
      expect.objectContaining({
        kind: 'ambiguous',
        message: "2 entities run in lattice 'default' and none was named.",
        suggestions: ['lattice route ab echo@1.0.0=70 echo@2.0.0=30', 'lattice route ab ping@1.0.0=70 ping@2.0.0=30'],
      }) as Error,
    )
  })

  test('is refused with three versions, with the commands to paste', () => {
    expect(() => inferSplit(seventyThirty, {}, known(http, entity('echo', ['1.0.0', '2.0.0', '3.0.0'])))).toThrow(
      expect.objectContaining({
        kind: 'ambiguous',
        message: "'echo' runs in 3 versions (1.0.0, 2.0.0, 3.0.0), and 2 weights do not say which of them are meant.",
        suggestions: ['lattice route ab echo@1.0.0=70 echo@2.0.0=30', 'lattice route ab echo@2.0.0=70 echo@3.0.0=30'],
      }) as Error,
    )
  })

  test('is refused with one version', () => {
    expect(() => inferSplit(seventyThirty, {}, known(http, entity('echo', ['1.0.0'])))).toThrow(
      expect.objectContaining({
        kind: 'notFound',
        message: "Nothing in lattice 'default' runs in two versions, so there is nothing to split.",
      }) as Error,
    )
    expect(() => inferSplit(seventyThirty, {entity: {name: 'echo'}}, known(http, entity('echo', ['1.0.0'])))).toThrow(
      "'echo' runs in version 1.0.0 only, so there is nothing to split.",
    )
  })

  test('is refused where nothing runs', () => {
    expect(() => inferSplit(seventyThirty, {}, known())).toThrow(expect.objectContaining({kind: 'notFound'}) as Error)
  })

  test('does not guess which of two versions is older when they are not semver', () => {
    expect(() => inferSplit(seventyThirty, {}, known(entity('echo', ['blue', 'green'])))).toThrow(
      expect.objectContaining({
        kind: 'ambiguous',
        suggestions: ['lattice route ab echo@blue=70 echo@green=30', 'lattice route ab echo@green=70 echo@blue=30'],
      }) as Error,
    )
  })

  test('of an unknown entity offers the nearest names', () => {
    expect(() =>
      inferSplit(seventyThirty, {entity: {name: 'ehco'}}, known(entity('echo', ['1.0.0', '2.0.0']))),
    ).toThrow(expect.objectContaining({kind: 'notFound', suggestions: ['echo']}) as Error)
  })

  test('wants as many weights as versions', () => {
    const versions = ['1.0.0'].map(parseVersion)
    expect(() => inferSplit(seventyThirty, {versions}, known())).toThrow('2 weights do not fit 1 versions.')
    expect(() => inferSplit(parseSplit(['a@1=100']), {versions}, known())).toThrow('Legs name their entity')
  })
})

describe('a cutover without a name', () => {
  test.each([
    ['the only entity with several versions', known(http, entity('echo', ['1.0.0', '2.0.0'])), 'echo'],
    [
      'the one of several that runs the version',
      known(entity('echo', ['1.0.0', '2.0.0']), entity('ping', ['3.0.0', '4.0.0'])),
      'echo',
    ],
    ['the only one that runs the version', known(http, entity('echo', ['2.0.0'])), 'echo'],
  ])('is of %s', (_, lattice, name) => {
    const wanted = inferCutover(parseVersion('2.0.0'), undefined, lattice)
    expect(wanted).toMatchObject({
      entity: {name},
      legs: [{version: '2.0.0', weight: 100}],
      explicit: `lattice route bluegreen ${name} --to 2.0.0`,
    })
  })

  test('is ambiguous when several run the version', () => {
    const two = known(entity('echo', ['1.0.0', '2.0.0']), entity('ping', ['1.0.0', '2.0.0']))
    expect(() => inferCutover(parseVersion('2.0.0'), undefined, two)).toThrow(
      expect.objectContaining({kind: 'ambiguous'}) as Error,
    )
  })
})
