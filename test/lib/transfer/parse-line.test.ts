import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {BucketMessage} from '../../../src/lib/cache/message.js'
import {jsonLines, type EntryHead} from '../../../src/lib/transfer/format.js'
import {parseAnyLine, parseWrittenLine, type ParsedEntry} from '../../../src/lib/transfer/parse-line.js'
import {rawValue, readValue} from '../../../src/lib/transfer/value.js'
import {yamlDocuments} from '../../../src/lib/transfer/yaml-notation.js'
import {parseYamlText} from '../../../src/lib/transfer/yaml-bundle.js'
import {deliveredMessage} from '../../support/delivered.js'

const keys = fc.stringMatching(/^[-/_=A-Za-z0-9]{1,20}(\.[-/_=A-Za-z0-9]{1,9}){0,2}$/)
const json = fc.jsonValue({maxDepth: 4}).map((value) => JSON.stringify(value))
const values = fc.oneof(
  fc.uint8Array({maxLength: 300}),
  fc.string({unit: 'binary', maxLength: 200}).map((text) => new TextEncoder().encode(text)),
  json.map((text) => new TextEncoder().encode(text)),
  json.map((text) => new TextEncoder().encode(` ${text}\n`)),
  fc
    .constantFrom(
      '12345678901234567890',
      '1e400',
      '-0',
      '1.0',
      '{"__proto__":{"a":1}}',
      '{"a":1,"a":2}',
      '{"2":1,"1":2}',
    )
    .map((text) => new TextEncoder().encode(text)),
  fc
    .constantFrom('true', 'null', '', '"', '\ufeff{}', '\u2028', '\u0007', '[[[', '{"a":"\\ud800"}')
    .map((text) => new TextEncoder().encode(text)),
)
const heads = fc.record({
  kind: fc.constantFrom('key', 'ref', 'config', 'claims'),
  name: fc.option(
    fc.string({unit: 'binary', maxLength: 30}).filter((name) => name.isWellFormed()),
    {nil: undefined},
  ),
  bucket: fc.option(fc.constantFrom('LATTICEVERSIONS_x', 'other-bucket'), {nil: undefined}),
  key: keys,
  revision: fc.integer({min: 1, max: 2 ** 50}),
  createdMs: fc.integer({min: 0, max: 4_000_000_000_000}),
}) as fc.Arbitrary<EntryHead>

function messageOf(value: Uint8Array): BucketMessage {
  const message = new BucketMessage('B')
  message.read(deliveredMessage({subject: '$KV.B.k', value}))
  return message
}

/** What a line gives back, read as from a file that was checked, and as from a pipe. */
function readLine(line: string): (ParsedEntry | undefined)[] {
  const buffer = Buffer.from(`xx${line}`, 'utf8')
  const span = {buffer, start: 2, end: buffer.length - 1, line: 7}
  const any = parseAnyLine(span)
  return [parseWrittenLine(span, true), parseWrittenLine(span, false), any.type === 'entry' ? any.entry : undefined]
}

describe('a line of an export', () => {
  test('gives back the exact bytes, key, kind and bucket', () => {
    fc.assert(
      fc.property(heads, values, fc.boolean(), (head, value, raw) => {
        const message = messageOf(value)
        const line = jsonLines.entry(head, raw ? rawValue(message) : readValue(message))
        expect(line.indexOf('\n')).toBe(line.length - 1)
        const [checked, unchecked, any] = readLine(line)
        for (const entry of [checked ?? any, unchecked ?? any]) {
          expect(entry).toMatchObject({line: 7, kind: head.kind, key: head.key})
          expect(entry?.bucket).toBe(head.bucket)
          expect(Buffer.compare(entry?.bytes ?? Buffer.of(0), value)).toBe(0)
        }
        expect(any).toMatchObject({kind: head.kind, key: head.key})
      }),
      {numRuns: 500},
    )
  })

  test('is read without parsing it, as long as it is as it was written', () => {
    const head = {kind: 'key', key: 'a.b', revision: 3, createdMs: 0} as const
    for (const text of ['{"a":[1,2]}', 'plain text', '7', '"text"', '']) {
      const line = jsonLines.entry(head, readValue(messageOf(new TextEncoder().encode(text))))
      expect(
        readLine(line)
          .slice(0, 2)
          .every((entry) => entry !== undefined),
      ).toBe(true)
    }
  })

  test.each([
    '{"kind":"key","key":"a","revision":1,"created":"x","value":{"a":1},"more":2}',
    '{"kind":"key","key":"a","revision":1,"created":"x","value":{"a":1}}}',
    '{"kind":"key","key":"a","revision":1,"created":"x","value":}',
    '{"kind":"key","key":"a","revision":1,"created":"x","text":"a"b"}',
    '{"kind":"key","key":"a","revision":1,"created":"x","text":"\u0001"}',
    '{"kind":"key","key":"a","revision":1,"created":"x","base64":"****"}',
    '{"kind":"key","key":"a","revision":1,"created":"x","base64":"A"}',
    '{"kind":"keys","key":"a","revision":1,"created":"x","value":1}',
    '{"kind":"key","revision":1,"created":"x","value":1}',
    '{"kind":"key","key":7,"revision":1,"created":"x","value":1}',
    '{"kind":"key","key":"a","value":1,"text":"b"}',
    '{"kind":"key","key":"a"}',
    '{"export":{"format":2,"lattice":"x"}}',
    '[]',
    'null',
    'x',
  ])('from a pipe is not believed: %s', (line) => {
    const [, unchecked, any] = readLine(`${line}\n`)
    expect(unchecked).toBeUndefined()
    expect(any === undefined || line.includes('"more"')).toBe(true)
  })

  test('may have been written by something else', () => {
    const [, , entry] = readLine('{ "value": {"b": 1.0, "a": 12345678901234567890}, "key": "k", "kind": "key" }\n')
    expect(entry).toMatchObject({kind: 'key', key: 'k'})
    expect(new TextDecoder().decode(entry?.bytes)).toBe('{"b":1.0,"a":12345678901234567890}')
  })
})

test('a YAML document gives back the exact bytes, key, kind and bucket', async () => {
  await fc.assert(
    fc.asyncProperty(heads, values, async (head, value) => {
      const text = yamlDocuments.entry(head, readValue(messageOf(value)))
      expect(text.startsWith('---\n')).toBe(true)
      expect(text.indexOf('\n---')).toBe(-1)
      const parsed = await parseYamlText({text, line: 1})
      if (parsed?.type !== 'entry') throw new Error(`${JSON.stringify(parsed)} of ${text}`)
      expect(parsed.entry).toMatchObject({kind: head.kind, key: head.key})
      expect(parsed.entry.bucket).toBe(head.bucket)
      expect(Buffer.compare(parsed.entry.bytes, value)).toBe(0)
    }),
    {numRuns: 300},
  )
})
