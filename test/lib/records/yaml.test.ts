import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {UsageError} from '../../../src/lib/errors.js'
import {formatLossless, parseLossless} from '../../../src/lib/keys/token.js'
import {formatYaml, parseYaml} from '../../../src/lib/records/yaml.js'

async function asJson(text: string): Promise<string> {
  return formatLossless(await parseYaml(text))
}

describe('parseYaml', () => {
  test.each([
    ['{"a": [1, "b", null]}', '{"a":[1,"b",null]}'],
    ['a: 1\nb:\n  - x\n  - true\n  - ~\n', '{"a":1,"b":["x",true,null]}'],
    ['# only a comment\n', 'null'],
    ['', 'null'],
    ['text of some words', '"text of some words"'],
    ['on: off\nyes: 2024-01-01\n', '{"on":"off","yes":"2024-01-01"}'],
    ['version: 1.2.0\nrev: "3"\n', '{"version":"1.2.0","rev":"3"}'],
    ['script: |\n  one\n  two\n', '{"script":"one\\ntwo\\n"}'],
    ['base: &b {x: 1}\ncopy: *b\n', '{"base":{"x":1},"copy":{"x":1}}'],
    ['__proto__: {x: 1}\n', '{"__proto__":{"x":1}}'],
    ['1.10: a\ntrue: b\n', '{"1.10":"a","true":"b"}'],
  ])('reads %j', async (yaml, json) => {
    expect(await asJson(yaml)).toBe(json)
  })

  test.each([
    ['12345678901234567890', '12345678901234567890'],
    ['1.10', '1.10'],
    ['1e400', '1e400'],
    ['-0', '-0'],
    ['+7', '7'],
    ['007', '7'],
    ['.5', '0.5'],
    ['-.12345678901234567890', '-0.12345678901234567890'],
    ['4.', '4'],
    ['0xffffffffffffffffff', '4722366482869645213695'],
    ['0o17', '15'],
  ])('keeps the digits of %s', async (yaml, json) => {
    expect(await asJson(`n: ${yaml}\n`)).toBe(`{"n":${json}}`)
  })

  test.each([
    ['a: "b', 'line 1, column 6', 'missing char'],
    ['a: 1\na: 2\n', 'line 2, column 1', 'duplicate key'],
    ['a: 1\n---\nb: 2\n', 'line 2', 'multiple docs'],
    ['a:\n\t- 1\n', 'line 2', 'tab as indent'],
    ['a: *nobody\n', '', 'an alias stands for nothing'],
    ['a: !!binary aGk=\n', '', 'a value that JSON does not have'],
    ['a: !mine x\n', 'line 1, column 4', 'tag resolve failed'],
    ['a: &a [*a]\n', '', 'nested too deep'],
    ['n: .inf\n', '', 'a number that JSON does not have'],
    ['? [1, 2]\n: x\n', '', 'a key is not a text'],
    [`${'- '.repeat(300)}x\n`, '', 'nested too deep'],
  ])('refuses %j and says where', async (yaml, place, reason) => {
    const error = (await parseYaml(yaml).catch((failure: unknown) => failure)) as UsageError
    expect(error).toBeInstanceOf(UsageError)
    expect(error.message).toContain(place)
    expect(error.message).toContain(reason)
  })

  test('repeats nothing of a text that cannot be read', async () => {
    const error = (await parseYaml('password: hunter2 hunter3: {').catch((failure: unknown) => failure)) as UsageError
    expect(JSON.stringify({message: error.message, details: error.details})).not.toContain('hunter')
  })

  test('ends soon on aliases that stand for billions of values', async () => {
    const lines = Array.from({length: 30}, (_, index) => `a${index + 1}: &a${index + 1} [*a${index}, *a${index}]`)
    await expect(parseYaml(['a0: &a0 x', ...lines].join('\n'))).rejects.toThrow(UsageError)
  })

  test('refuses brackets that go too deep', async () => {
    await expect(parseYaml('['.repeat(20_000))).rejects.toThrow(UsageError)
  })
})

describe('formatYaml', () => {
  const number = fc
    .tuple(fc.bigInt(), fc.option(fc.stringMatching(/^\d{1,30}$/)), fc.option(fc.integer({min: -400, max: 400})))
    .map(([whole, part, power]) => `${whole}${part === null ? '' : `.${part}`}${power === null ? '' : `e${power}`}`)
    .map(parseLossless)
  const text = fc.oneof(
    fc.string({unit: 'binary'}),
    fc.constantFrom(
      'true',
      '1.10',
      '~',
      'null',
      '<<',
      '',
      ' ',
      '- a',
      '# x',
      'a: b',
      '|',
      '\ud800',
      '\u0000',
      'a\n\n b \n',
    ),
  )
  const {value} = fc.letrec((tie) => ({
    value: fc.oneof(
      {depthSize: 'small'},
      text,
      number,
      fc.constantFrom<unknown>(true, false, null),
      fc.array(tie('value'), {maxLength: 4}),
      fc
        .array(fc.tuple(fc.oneof(text, fc.constant('__proto__')), tie('value')), {maxLength: 4})
        .map((entries) => Object.fromEntries(entries)),
    ),
  }))

  test('writes what parseYaml reads back to the very same value, also through a file', async () => {
    await fc.assert(
      fc.asyncProperty(value, async (before) => {
        const stored = new TextDecoder().decode(new TextEncoder().encode(await formatYaml(before)))
        expect(formatLossless(await parseYaml(stored))).toBe(formatLossless(before))
      }),
    )
  })

  test('is for people', async () => {
    const record = {name: 'echo', values: {port: '8080', text: 'a\nb\n'}, n: parseLossless('12345678901234567890')}
    expect(await formatYaml(record)).toBe(
      'name: echo\nvalues:\n  port: "8080"\n  text: |\n    a\n    b\nn: 12345678901234567890\n',
    )
  })

  test('puts a comment above the place that it is about', async () => {
    const notes = [
      {path: ['values', 'URL'], lines: ['theirs: redis://b', 'before: redis://a']},
      {path: ['list', 1], lines: ['second']},
      {path: ['nowhere', 3], lines: ['lost']},
    ]
    const written = await formatYaml({values: {TTL: '1', URL: 'redis://c'}, list: ['a', 'b']}, notes)
    expect(written).toBe(
      'values:\n  TTL: "1"\n  # theirs: redis://b\n  # before: redis://a\n  URL: redis://c\nlist:\n  - a\n  # second\n  - b\n',
    )
  })
})
