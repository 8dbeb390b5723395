import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {LatticeError} from '../../../src/lib/errors.js'
import {parseManifest} from '../../../src/lib/routes/text/manifest.js'
import {changesOfPlan, parsePlan} from '../../../src/lib/routes/text/plan-file.js'
import {mappingDigest} from '../../../src/lib/routing/plan.js'

const runs = 1500

/** A whole sentence, on one line, that does not carry terminal controls. */
function isSentence(error: unknown): boolean {
  return error instanceof LatticeError && error.kind === 'usage' && /^[A-Z"'].*[.?!]$/s.test(error.message)
}

const odd = fc.oneof(
  fc.jsonValue({maxDepth: 3}),
  fc.constantFrom<unknown>(
    -1,
    0,
    101,
    50.5,
    1e308,
    '',
    ' ',
    '*',
    '>',
    '$SYS.>',
    '_INBOX.>',
    '@source',
    '\u001b[2J',
    '__proto__',
  ),
  fc.string({unit: 'binary', maxLength: 20}),
)

/** The document with one value somewhere replaced, removed or added. */
function spoiled(document: () => unknown): fc.Arbitrary<unknown> {
  const places = placesOf(document())
  return fc
    .record({place: fc.constantFrom(...places), value: odd, way: fc.constantFrom('set', 'drop', 'add')})
    .map((one) => {
      const copy = structuredClone(document()) as Record<string, unknown>
      const parent = one.place.slice(0, -1).reduce<Record<string, unknown>>((at, key) => at[key] as never, copy)
      const key = one.place.at(-1)
      if (one.way === 'drop') Reflect.deleteProperty(parent, key)
      else Object.defineProperty(parent, one.way === 'set' ? key : `${key}x`, {value: one.value, enumerable: true})
      return copy
    })
}

function placesOf(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [[...path, key], ...placesOf(inner, [...path, key])])
}

const manifest = (): unknown => ({
  routes: [
    {entity: 'echo', legs: {'1.0.0': 70, '2.0.0': 30}, reason: 'a try', clusters: {west: {'2.0.0': 100}}},
    {source: 'orders.*', legs: {'1.0.0': {weight: 90, address: '@source'}, '2.0.0': {weight: 10, address: 'v2.$1'}}},
    {source: 'stock', clear: true},
  ],
})

const mappings = [
  {
    source: 'orders',
    destinations: [
      {subject: 'orders', weight: 70},
      {subject: 'v2.orders', weight: 30},
    ],
  },
]
const plan = (): unknown => ({
  format: 'lattice-route-plan/1',
  lattice: 'default',
  made: '2026-01-01T00:00:00.000Z',
  allow: ['exporter'],
  routes: [
    {
      entity: 'orders',
      kind: 'subject',
      key: 'orders',
      legs: [
        {version: '1.0.0', weight: 70},
        {version: '2.0.0', weight: 30},
      ],
      previous: null,
      addresses: {'1.0.0': 'orders', '2.0.0': 'v2.orders'},
      mappings,
      revision: 0,
      before: mappingDigest([]),
      after: mappingDigest(mappings),
      permissions: [],
      warnings: [],
    },
  ],
})

/** Read to the end, or refused with a sentence. */
async function judge(read: () => unknown): Promise<'read' | 'refused'> {
  try {
    await read()
    return 'read'
  } catch (error) {
    if (isSentence(error)) return 'refused'
    throw error
  }
}

describe('a file of routes', () => {
  test('that is right is read, and what is spoiled is read as it stands or refused with a sentence', async () => {
    expect(await parseManifest(JSON.stringify(manifest()))).toHaveLength(3)
    const counts = {read: 0, refused: 0}
    const check = async (document: unknown): Promise<void> => {
      counts[await judge(() => parseManifest(JSON.stringify(document)))]++
    }
    await fc.assert(fc.asyncProperty(fc.oneof({weight: 4, arbitrary: spoiled(manifest)}, odd), check), {numRuns: runs})
    expect(counts.refused).toBeGreaterThan(runs / 2)
  })

  test('of any text is refused with a sentence', async () => {
    const text = fc.oneof(fc.string({unit: 'binary'}), fc.stringMatching(/^routes:\n( *- [a-z]+: [^\n]{0,9}\n){1,4}$/))
    await fc.assert(
      fc.asyncProperty(text, async (one) => {
        expect(await judge(() => parseManifest(one))).toBe('refused')
      }),
      {numRuns: 500},
    )
  })

  test.each([
    ['{"routes":[{"entity":"echo","legs":{"1.0.0":70,"1.0.0":100}}]}', 'stands in it twice'],
    ['routes: [{entity: echo, legs: {1.10: 50, "1.10": 50}}]', 'map keys must be unique|duplicate'],
    ['routes: [{entity: echo, legs: {}}]', 'no legs'],
    ['routes: [{entity: echo, clear: false}]', 'routes.0'],
    ['routes: [{entity: echo, clear: true, clusters: {west: {1.0.0: 100}}}]', 'no clusters'],
    ['routes: [{entity: echo, source: orders, legs: {1.0.0: 100}}]', 'either entity or source'],
    ['routes: [{entity: echo@1.0.0, legs: {1.0.0: 100}}]', 'names a version'],
    ['routes: [{entity: echo, legs: {1.0.0: {weight: 100, address: a}}}]', 'addresses of their own'],
    ['routes: [{entity: echo, legs: {1.0.0: 70, 2.0.0: 40}}]', 'sum to 110'],
    ['routes: [{source: a, clear: true}, {source: a, clear: true}]', 'twice'],
  ])('%s is refused', async (text, reason) => {
    await expect(parseManifest(text)).rejects.toThrow(new RegExp(reason, 'i'))
  })
})

describe('a plan', () => {
  test('that is right is read, and what is spoiled is read as it stands or refused with a sentence', async () => {
    expect(changesOfPlan(parsePlan(JSON.stringify(plan())))).toMatchObject([{target: {sources: ['orders']}}])
    const counts = {read: 0, refused: 0}
    const check = async (document: unknown): Promise<void> => {
      counts[await judge(() => changesOfPlan(parsePlan(JSON.stringify(document))))]++
    }
    await fc.assert(fc.asyncProperty(fc.oneof({weight: 4, arbitrary: spoiled(plan)}, odd), check), {numRuns: runs})
    expect(counts.refused).toBeGreaterThan(runs / 2)
  })
})
