import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {formatLossless, parseLossless} from '../../../src/lib/keys/token.js'
import {changesWithoutSecrets, diffValues, equalValues, type Change} from '../../../src/lib/records/diff.js'

/** Small values of few names, so that two of them have something in common, and numbers that no double holds. */
const json = fc
  .letrec((tie) => ({
    value: fc.oneof(
      {maxDepth: 4},
      fc.constantFrom('null', 'true', '0', '-0', '1', '1.0', '1e400', '12345678901234567890', '12345678901234567891'),
      fc.constantFrom('a', 'b', '').map((text) => JSON.stringify(text)),
      fc.array(tie('value') as fc.Arbitrary<string>, {maxLength: 5}).map((items) => `[${items.join()}]`),
      fc
        .uniqueArray(fc.constantFrom('a', 'b', '__proto__', 'constructor', 'rawJSON', ''))
        .chain((names) =>
          fc.tuple(
            ...names.map((name) =>
              (tie('value') as fc.Arbitrary<string>).map((text) => `${JSON.stringify(name)}:${text}`),
            ),
          ),
        )
        .map((fields) => `{${fields.join()}}`),
    ),
  }))
  .value.map((text) => text)

describe('the differences of values', () => {
  test('turn the one into the other', () => {
    fc.assert(
      fc.property(json, json, (before, after) => {
        const changes = diffValues(parseLossless(before), parseLossless(after))
        const result = apply(parseLossless(before), changes)
        expect(equalValues(result, parseLossless(after))).toBe(true)
      }),
      {numRuns: 3000},
    )
  })

  test('are none between a value and itself, and some between any others', () => {
    fc.assert(
      fc.property(json, json, (one, other) => {
        expect(diffValues(parseLossless(one), parseLossless(one))).toEqual([])
        const same = sorted(parseLossless(one)) === sorted(parseLossless(other))
        expect(diffValues(parseLossless(one), parseLossless(other)).length === 0).toBe(same)
      }),
      {numRuns: 2000},
    )
  })

  test.each<[string, string, string]>([
    ['{"a":1,"b":2}', '{"b":2,"a":1}', '[]'],
    ['{"a":1}', '{"a":2}', '[{"path":["a"],"before":1,"after":2}]'],
    ['{"b":1,"a":1}', '{}', '[{"path":["a"],"before":1},{"path":["b"],"before":1}]'],
    [
      '{"n":12345678901234567890}',
      '{"n":12345678901234567891}',
      '[{"path":["n"],"before":12345678901234567890,"after":12345678901234567891}]',
    ],
    ['{"n":1.0}', '{"n":1}', '[{"path":["n"],"before":1.0,"after":1}]'],
    ['{"__proto__":{"x":1}}', '{}', '[{"path":["__proto__"],"before":{"x":1}}]'],
    ['{}', '{"__proto__":null}', '[{"path":["__proto__"],"after":null}]'],
    ['{"rawJSON":"1"}', '{"rawJSON":"2"}', '[{"path":["rawJSON"],"before":"1","after":"2"}]'],
    ['["a","b"]', '["x","a","b"]', '[{"path":[0],"after":"x"}]'],
    ['["a","b","c"]', '["a","c"]', '[{"path":[1],"before":"b"}]'],
    ['[{"t":1},{"t":2}]', '[{"t":1},{"t":3}]', '[{"path":[1,"t"],"before":2,"after":3}]'],
    ['[1]', '{"0":1}', '[{"path":[],"before":[1],"after":{"0":1}}]'],
    ['null', '0', '[{"path":[],"before":null,"after":0}]'],
  ])('%s → %s', (before, after, changes) => {
    expect(formatLossless(diffValues(parseLossless(before), parseLossless(after)))).toBe(changes)
  })

  test('with no value on one side are one change', () => {
    expect(diffValues(undefined, {a: 1})).toEqual([{path: [], after: {a: 1}}])
    expect(diffValues('x', undefined)).toEqual([{path: [], before: 'x'}])
    expect(diffValues(undefined, undefined)).toEqual([])
  })

  test('are shown without secrets, and a new secret is still a change', () => {
    const before = {values: {PASSWORD: 'one', URL: 'redis://u:one@h', plain: 'x'}, token: {deep: ['one']}}
    const after = {values: {PASSWORD: 'two', URL: 'redis://u:two@h', plain: 'y'}, token: {deep: ['two']}}
    const shown = changesWithoutSecrets(diffValues(before, after))
    expect(JSON.stringify(shown)).not.toMatch(/one|two/)
    expect(shown).toEqual([
      {path: ['token', 'deep', 0], before: 'set', after: 'set'},
      {path: ['values', 'PASSWORD'], before: 'set', after: 'set'},
      {path: ['values', 'URL'], before: 'redis://set@h', after: 'redis://set@h'},
      {path: ['values', 'plain'], before: 'x', after: 'y'},
    ])
    expect(changesWithoutSecrets(diffValues('one', 'two'), true)).toEqual([{path: [], before: 'set', after: 'set'}])
    const added = changesWithoutSecrets(diffValues({}, {config: {seed: 'one', n: 1}}))
    expect(added).toEqual([{path: ['config'], after: {seed: 'set', n: 1}}])
  })

  test('of huge numbers below a secret name do not show', () => {
    const [before, after] = ['1e400', '1e401'].map((n) => parseLossless(`{"pin":{"token":${n}},"__proto__":${n}}`))
    expect(formatLossless(changesWithoutSecrets(diffValues(before, after)))).toBe(
      '[{"path":["__proto__"],"before":1e400,"after":1e401},{"path":["pin","token"],"before":"set","after":"set"}]',
    )
  })
})

/** What a reader of the changes would do. */
function apply(value: unknown, changes: readonly Change[]): unknown {
  const isRemoval = (change: Change): boolean => change.after === undefined
  const removals = changes.filter(isRemoval).reverse()
  return [...removals, ...changes.filter((change) => !isRemoval(change))].reduce<unknown>(applyOne, value)
}

function applyOne(value: unknown, {path: [part, ...rest], before, after}: Change): unknown {
  if (part === undefined) return after
  const inner = {path: rest, before, after}
  if (Array.isArray(value)) {
    const copy = [...(value as unknown[])]
    const [gone, fresh] = [rest.length === 0 && after === undefined, rest.length === 0 && before === undefined]
    copy.splice(part as number, fresh ? 0 : 1, ...(gone ? [] : [applyOne(copy[part as number], inner)]))
    return copy
  }
  const entries = Object.entries(value as object).filter(([name]) => name !== part)
  const old: unknown = Object.hasOwn(value as object, part) ? (value as Record<string, unknown>)[part] : undefined
  const changed = applyOne(old, inner)
  return Object.fromEntries(changed === undefined ? entries : [...entries, [String(part), changed]])
}

/** The value's text with its fields in order. */
function sorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).join()}]`
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) === null) return formatLossless(value)
  const names = Object.keys(value).sort()
  return `{${names.map((name) => `${JSON.stringify(name)}:${sorted((value as Record<string, unknown>)[name])}`).join()}}`
}
