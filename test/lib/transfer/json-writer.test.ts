import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {addressAt, addressName} from '../../../src/lib/cache/key.js'
import {BucketMessage} from '../../../src/lib/cache/message.js'
import {jsonLines, type EntryHead} from '../../../src/lib/transfer/format.js'
import {JsonWriter} from '../../../src/lib/transfer/json-writer.js'
import {Output} from '../../../src/lib/transfer/output.js'
import {isPlainJson} from '../../../src/lib/transfer/plain-json.js'
import {plainKind} from '../../../src/lib/transfer/plain-key.js'
import {rawValue, readValue} from '../../../src/lib/transfer/value.js'
import {deliveredMessage} from '../../support/delivered.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const plainText = fc.stringMatching(/^[ !#-[\]-~]{0,12}$/)
const anyText = fc.string({unit: 'binary', maxLength: 12})
const plainObject = fc.letrec((tie) => ({
  object: fc.dictionary(plainText, fc.oneof({maxDepth: 4}, plainText, fc.nat(), tie('object')), {maxKeys: 4}),
})).object
/** What is nearly JSON, or is JSON of another kind. */
const nearly = fc.oneof(
  fc.stringMatching(/^\{["a:,{}01 \\]{0,14}\}$/),
  fc.json(),
  fc
    .tuple(plainObject, fc.nat(), fc.constantFrom('"', '{', '}', ',', ':', '0', '\\', '\n', 'ü'))
    .map(([value, at, more]) => {
      const text = JSON.stringify(value)
      return `${text.slice(0, at % text.length)}${more}${text.slice(at % text.length)}`
    }),
)
const value = fc.oneof(
  plainObject.map((object) => bytes(JSON.stringify(object))),
  nearly.map(bytes),
  fc.uint8Array({maxLength: 20}),
)

const base64url = (text: string): string => Buffer.from(text).toString('base64url')
const key = fc.oneof(
  fc.oneof(plainText, anyText).map((url) => `REFMAP_${base64url(url)}`),
  fc.stringMatching(/^REFMAP_[A-Za-z0-9_-]{0,9}$/),
  fc.stringMatching(/^CLAIMS_[MV][A-Z2-7]{55}$/),
  fc.stringMatching(/^(CLAIMS|COMPONENT|LINKDEF|CL|R)_[A-Z0-9]{0,64}$/),
  fc.stringMatching(/^LINKDEF_[0-9A-F]{64}$/),
  fc.stringMatching(/^[a-z0-9=/.]{1,10}$/),
)

const place = fc.record({
  revision: fc.integer({min: 1, max: 2 ** 50}),
  createdMs: fc.oneof(
    fc.integer({min: 0, max: 4_000_000_000_000}),
    fc.constantFrom(1_700_000_000_000, 1_700_000_000_999),
  ),
})

/** What the writer makes of records, and how many it wrote from bytes to bytes. */
async function written(messages: readonly BucketMessage[], raw: boolean): Promise<{text: string; plain: number}> {
  const chunks: Buffer[] = []
  const nothing = (): Promise<void> => Promise.resolve()
  const writeNow = (chunk: Buffer): void => void chunks.push(Buffer.from(chunk))
  const output = new Output({writeNow, finish: nothing, abandon: nothing})
  const writer = new JsonWriter(output, {raw})
  let plain = 0
  for (const message of messages) {
    const typed = /^[CLR]/.test(message.key)
    const kind = plainKind(message.subject, message.keyStart)
    const done = typed ? kind !== undefined && writer.writePlain(message, kind) : writer.writeRawKey(message)
    if (!done) writer.write(message, headOf(message))
    else if (typed) plain++
  }
  await output.finish(() => '')
  return {text: Buffer.concat(chunks).toString(), plain}
}

function messageOf(
  key: string,
  content: Uint8Array,
  place: {revision?: number; createdMs?: number} = {},
): BucketMessage {
  const message = new BucketMessage('LATTICEDATA_x')
  message.read(deliveredMessage({subject: `$KV.LATTICEDATA_x.${key}`, value: content, ...place}))
  return message
}

function expectedLine(message: BucketMessage, raw: boolean): string {
  return jsonLines.entry(headOf(message), raw ? rawValue(message) : readValue(message))
}

function headOf({key, revision, createdMs}: BucketMessage): EntryHead {
  const address = addressAt({bucket: 'LATTICEDATA_x', key}, 'x')
  const name = addressName(address)
  return {kind: address.kind, name: name === key ? undefined : name, key, revision, createdMs}
}

describe('a line that is written from bytes to bytes', () => {
  test.each([false, true])('is the line that texts would give, raw: %s', async (raw) => {
    const record = fc.tuple(key, value, place).map(([name, content, at]) => messageOf(name, content, at))
    let plain = 0
    await fc.assert(
      fc.asyncProperty(fc.array(record, {maxLength: 40, size: 'max'}), async (messages) => {
        const result = await written(messages, raw)
        expect(result.text).toBe(messages.map((message) => expectedLine(message, raw)).join(''))
        plain += result.plain
      }),
      {numRuns: 60},
    )
    expect(plain).toBeGreaterThan(100)
  })

  test('has the name of a reference only where the key is how it is encoded', async () => {
    const tokens = 'YQ YR YWI YWJ YWJj YWJjZA YWJjZB YWJjZGU YWJjZGV Y YWJjZ _w Ig XA CQ w7w YSI YWIi YWIK YWJj$ -_-_'
    const messages = tokens.split(' ').map((token) => messageOf(`REFMAP_${token}`, bytes('{}')))
    const {text, plain} = await written(messages, false)
    expect(text).toBe(messages.map((message) => expectedLine(message, false)).join(''))
    expect(plain).toBe(5)
  })
})

describe('plain JSON', () => {
  test('is what has nothing but texts, whole numbers and objects of them', () => {
    fc.assert(
      fc.property(plainObject, (object) => {
        const text = bytes(`x${JSON.stringify(object)}x`)
        expect(isPlainJson(text, 1, text.length - 1)).toBe(true)
      }),
    )
    const nested = (depth: number): Uint8Array => bytes('{"a":'.repeat(depth) + '1' + '}'.repeat(depth))
    expect(isPlainJson(nested(8), 0, nested(8).length)).toBe(true)
    expect(isPlainJson(nested(9), 0, nested(9).length)).toBe(false)
  })

  test('is never anything that a parser would refuse', () => {
    let plain = 0
    fc.assert(
      fc.property(nearly, (text) => {
        const all = bytes(text)
        if (!isPlainJson(all, 0, all.length)) return
        plain++
        expect(() => JSON.parse(text) as unknown).not.toThrow()
        expect(text).toMatch(/^[ -~]*$/)
      }),
      {numRuns: 3000},
    )
    expect(plain).toBeGreaterThan(50)
  })

  test.each([
    '',
    '{',
    '}',
    '{}}',
    '{}{}',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{,}',
    '{"a":01}',
    '{"a":-1}',
    '{"a":1.5}',
    '{"a":"b"',
  ])('is not %j', (text) => {
    expect(isPlainJson(bytes(`${text}"}`), 0, text.length)).toBe(false)
  })
})
