import fc from 'fast-check'
import {expect, test} from 'vitest'

import {parseMappings, renderMappings, UnwritableSubjectError} from '../../../src/lib/conf/mappings-text.js'
import {LatticeError} from '../../../src/lib/errors.js'

const token = fc
  .string({unit: 'grapheme', minLength: 1, maxLength: 8})
  .map((text) => text.replace(/[\s.*>\0\p{Cc}]/gu, 'x'))
const subject = fc.array(
  fc.oneof(token, fc.constantFrom('*', '$1', '{{wildcard(1)}}', '"', "'", '#', '//', '$x', '{', '}')),
  {
    minLength: 1,
    maxLength: 4,
  },
)
const destination = fc.record(
  {subject: subject.map((tokens) => tokens.join('.')), weight: fc.integer({min: 0, max: 100}), cluster: token},
  {requiredKeys: ['subject', 'weight']},
)
const mappings = fc
  .array(
    fc.tuple(
      subject.map((tokens) => tokens.join('.')),
      fc.array(destination, {maxLength: 3}),
    ),
    {maxLength: 6},
  )
  .map((entries) => new Map(entries))

test('what is written is read again as it was, whatever the subjects', () => {
  fc.assert(
    fc.property(mappings, (table) => {
      try {
        expect(parseMappings(renderMappings(table), 'm.conf')).toEqual(table)
      } catch (error) {
        if (!(error instanceof UnwritableSubjectError)) throw error
      }
    }),
    {numRuns: 300},
  )
})

test('the same mappings give the same text, whatever their order', () => {
  const entries: [string, {subject: string; weight: number; cluster?: string}[]][] = [
    ['b', [{subject: 'b.1', weight: 100}]],
    ['a', [{subject: 'a.1', weight: 10, cluster: 'eu'}]],
  ]
  const text = renderMappings(new Map(entries))
  expect(renderMappings(new Map([...entries].reverse()))).toBe(text)
  expect(text).toBe(
    [
      '# Written by lattice: all mappings of one account; a second block elsewhere would replace them.',
      '# `lattice route` changes its own entries and keeps all others; comments and layout are not kept.',
      'mappings {',
      '  "a": [',
      '    {destination: "a.1", weight: 10, cluster: "eu"}',
      '  ]',
      '  "b": [',
      '    {destination: "b.1", weight: 100}',
      '  ]',
      '}',
      '',
    ].join('\n'),
  )
})

test('no mappings are an empty block, and an empty file says the same', () => {
  expect(parseMappings(renderMappings(new Map()), 'm.conf')).toEqual(new Map())
  expect(parseMappings('# later\n', 'm.conf')).toEqual(new Map())
})

test('all the ways to write a destination mean what the server makes of them', () => {
  const text = `maps = {
    a: b.1   # a comment
    'c.*': "d.$1"
    e {dest: f, weight: 20%}
    g: [ {destination: h, weight: 0}, {Destination = i; WEIGHT = "30%"; cluster: ''} ],
  }`
  expect(parseMappings(text, 'm.conf')).toEqual(
    new Map([
      ['a', [{subject: 'b.1', weight: 100}]],
      ['c.*', [{subject: 'd.$1', weight: 100}]],
      ['e', [{subject: 'f', weight: 20}]],
      [
        'g',
        [
          {subject: 'h', weight: 0},
          {subject: 'i', weight: 30},
        ],
      ],
    ]),
  )
})

test.each([
  ['mappings {}\nmappings {}', '2:1', 'one mappings block'],
  ['port: 4222', '1:1', 'one mappings block'],
  ["include 'x'", '1:1', 'an include cannot be kept'],
  ['mappings { a: $B }', '1:15', "'$B' cannot be kept"],
  ['mappings { a: b, a: c }', '1:12', 'mapped again'],
  ['mappings { a: {dest: b} }', '1:15', 'no weight'],
  ['mappings { a: {dest: b, weight: 101} }', '1:33', 'whole number from 0 to 100'],
  ['mappings { a: {dest: b, weight: 1.5} }', '1:33', 'whole number from 0 to 100'],
  ['mappings { a: {subject: b, weight: 1} }', '1:25', "no 'subject'"],
  ['mappings { a: {weight: 1} }', '1:15', 'without subject'],
  ['mappings: [a]', '1:11', 'not a map'],
  ['mappings {', '1:10', 'never closed'],
])('%s is refused with its place', (text, place, reason) => {
  const read = (): unknown => parseMappings(text, 'm.conf')
  expect(read).toThrow(reason)
  expect(read).toThrow(`m.conf:${place}: `)
})

test('any text is read or refused with a sentence', () => {
  const piece = fc.constantFrom(
    'mappings',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    ':',
    '=',
    ',',
    ';',
    '\n',
    ' ',
    '#',
    '//',
    '(',
    ')',
    '\\',
    '$',
    'a',
    '1',
    '.',
    '%',
    'é',
    '\0',
    'weight',
    'dest',
  )
  const text = fc.oneof(
    fc.string({unit: 'binary'}),
    fc.array(piece, {maxLength: 40}).map((pieces) => pieces.join('')),
  )
  fc.assert(
    fc.property(text, (any) => {
      try {
        expect(parseMappings(any, 'm.conf')).toBeInstanceOf(Map)
      } catch (error) {
        expect(error).toBeInstanceOf(LatticeError)
      }
    }),
    {numRuns: 200},
  )
  const deep = '['.repeat(100_000)
  expect(() => parseMappings(`mappings: ${deep}`, 'm.conf')).toThrow('more than 200 deep')
})
