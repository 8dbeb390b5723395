import {afterAll, beforeAll, expect, test} from 'vitest'
import {z} from 'zod'

import {commandTable} from '../../src/lib/cli/table.js'
import {createKey} from '../../src/lib/keys/nkey.js'
import {bytes, startCacheServer, type CacheServer, type TestLattice} from '../support/cache-lattice.js'

// Typed by hand, so that a key that is renamed or removed fails here. A key that is added is added here too.

const text = z.string().min(1)
const count = z.int().min(0)
const time = z.iso.datetime()
const yes = z.boolean()
const kind = z.enum(['claims', 'link', 'ref', 'component', 'config', 'route', 'key'])
const format = z.enum(['json', 'text', 'base64'])
const change = z.strictObject({
  path: z.array(z.union([z.string(), count])),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
})

const record = z.strictObject({
  kind,
  name: text,
  title: text.optional(),
  version: text.optional(),
  bucket: text,
  key: text,
  revision: count,
  created: time,
  size: count,
  format,
  value: z.unknown(),
  problem: text.optional(),
})
const records = z.strictObject({lattice: text, records: z.array(record).min(4)})
const history = z.strictObject({
  lattice: text,
  kind,
  name: text,
  bucket: text,
  key: text,
  keeps: count,
  revisions: z.tuple([
    z.strictObject({
      revision: count,
      created: time,
      operation: z.literal('put'),
      size: count,
      format,
      value: z.unknown(),
      changes: z.array(change).min(1),
    }),
    z.strictObject({revision: count, created: time, operation: z.literal('del'), size: z.literal(0)}),
    z.strictObject({
      revision: count,
      created: time,
      operation: z.literal('put'),
      size: count,
      format,
      value: z.unknown(),
    }),
  ]),
})
const revision = z.strictObject({lattice: text, name: text, revision: count, created: time})
const recordDiff = z.strictObject({
  kind,
  name: text,
  title: text.optional(),
  state: z.enum(['changed', 'added', 'removed']),
  changes: z.array(change).min(1),
})
const diff = z.strictObject({
  before: revision,
  after: revision,
  differs: yes,
  compared: count,
  records: z.array(recordDiff).length(1),
})
const lattices = diff.extend({
  before: z.strictObject({lattice: text}),
  after: z.strictObject({lattice: text}),
  records: z.array(recordDiff).min(4),
})
const stats = z.strictObject({
  lattice: text,
  kinds: z.array(z.strictObject({kind, keys: count, deleted: count, revisions: count, bytes: count})).min(3),
  buckets: z.tuple([
    z.strictObject({
      present: z.literal(true),
      name: text,
      storage: z.enum(['file', 'memory']),
      replicas: count,
      history: count,
      created: time,
      storedKeys: count,
      revisions: count,
      bytes: count,
      lastRevision: count,
      leader: text.optional(),
      followers: z.array(
        z.strictObject({name: text, current: yes, offline: yes, lag: count, silentMs: z.number().min(0)}),
      ),
    }),
    z.looseObject({present: z.literal(true), name: text}),
    z.strictObject({present: z.literal(false), name: text}),
    z.strictObject({present: z.literal(false), name: text}),
  ]),
})

let cache: CacheServer
let lattice: TestLattice

beforeAll(async () => {
  cache = await startCacheServer()
  lattice = await cache.lattice()
  const key = createKey('M').publicKey
  await lattice.storeClaims(key, {name: 'echo', version: '1'})
  await lattice.data.put('REFMAP_eA', bytes('{"oci_url":"y","public_key":"M"}'))
  await lattice.data.put('notes', bytes('1'))
  await lattice.data.del('notes')
  await lattice.data.put('notes', bytes('{"a":1}'))
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

test.each([
  ['cache ls', [], records],
  ['cache history', ['key', 'notes'], history],
  ['cache diff', ['key', 'notes'], diff],
  ['cache diff', ['--against-lattice', 'empty'], lattices],
  ['cache stats', [], stats],
] as const)('lattice %s %j has the keys that scripts know', async (words, argv, schema) => {
  const {default: command} = await commandTable[words]!()
  const {exitCode, json} = await lattice.run(command, ...argv, '--json')
  expect(exitCode).toBe(0)
  expect(z.prettifyError(schema.safeParse(json()).error ?? new z.ZodError([]))).toBe('')
})
