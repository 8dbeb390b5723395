import type {BucketMessage} from '../cache/message.js'
import {formatTime, lineHead, type EntryHead} from './format.js'
import type {Output} from './output.js'
import {isPlainJson} from './plain-json.js'
import {putPlainName, type PlainKind} from './plain-key.js'
import {readValue} from './value.js'

/** How much more than key and value a line of a raw key may take. */
const mostAround = 160
const rawKeyStart = Buffer.from('{"kind":"key","key":"')
const starts: Readonly<Record<PlainKind, Buffer>> = {
  claims: Buffer.from('{"kind":"claims","name":"'),
  link: Buffer.from('{"kind":"link","name":"'),
  ref: Buffer.from('{"kind":"ref","name":"'),
}
const keyStart = Buffer.from('","key":"')
const revisionStart = Buffer.from('","revision":')
const createdStart = Buffer.from(',"created":"')
const valueStart = Buffer.from('"value":')
const base64Start = Buffer.from('"base64":"')
const base64End = Buffer.from('"}\n')
const lineEnd = Buffer.from('}\n')
const quote = 0x22
const comma = 0x2c

/** Writes lines as `jsonLines` has them, from bytes to bytes: a value is copied and not made into text and back. */
export class JsonWriter {
  readonly #output: Output
  readonly #raw: boolean

  constructor(output: Output, {raw}: {readonly raw: boolean}) {
    this.#output = output
    this.#raw = raw
  }

  /** Writes a record. */
  write(message: BucketMessage, head: EntryHead): void {
    this.#output.add(lineHead(head))
    this.#writeValue(message)
  }

  /** Writes a record of kind `key` in the bucket of the data; false, and nothing, for a key that has to be escaped. */
  writeRawKey(message: BucketMessage): boolean {
    const output = this.#output
    const buffer = output.reserve(message.keySize + mostAround)
    const start = output.position
    const at = message.copyKey(buffer, put(rawKeyStart, buffer, start))
    if (at < 0) return false
    output.advance(putPlace(message, buffer, at) - start)
    this.#writeValue(message)
    return true
  }

  /** Writes a typed record of the bucket of the data; false, and nothing, for a key or a name that has to be escaped. */
  writePlain(message: BucketMessage, kind: PlainKind): boolean {
    const output = this.#output
    const buffer = output.reserve(2 * message.keySize + mostAround)
    const start = output.position
    const source = {bytes: message.subject, start: message.keyStart}
    const name = putPlainName(kind, source, {buffer, at: put(starts[kind], buffer, start)})
    if (name < 0) return false
    const at = message.copyKey(buffer, put(keyStart, buffer, name))
    if (at < 0) return false
    output.advance(putPlace(message, buffer, at) - start)
    this.#writeValue(message)
    return true
  }

  #writeValue(message: BucketMessage): void {
    const output = this.#output
    if (this.#raw) return this.#writeBase64(message)
    if (!message.check(isPlainJson)) {
      const {field, text} = readValue(message)
      if (field !== 'value') return output.add(`"${field}":${JSON.stringify(text)}}\n`)
    }
    const buffer = output.reserve(message.size + valueStart.length + lineEnd.length)
    const start = output.position
    const at = message.copyValue(buffer, put(valueStart, buffer, start))
    output.advance(put(lineEnd, buffer, at) - start)
  }

  #writeBase64(message: BucketMessage): void {
    const text = message.text('base64')
    const buffer = this.#output.reserve(text.length + base64Start.length + base64End.length)
    const start = this.#output.position
    let at = put(base64Start, buffer, start)
    at += buffer.write(text, at, 'latin1')
    this.#output.advance(put(base64End, buffer, at) - start)
  }
}

/** Revision and time of a record, behind its key. */
function putPlace({revision, createdMs}: BucketMessage, buffer: Buffer, start: number): number {
  let at = putNumber(revision, buffer, put(revisionStart, buffer, start))
  at = put(createdStart, buffer, at)
  at = putTime(createdMs, buffer, at)
  buffer[at++] = quote
  buffer[at++] = comma
  return at
}

/** For few bytes a loop takes less time than a call. */
function put(bytes: Uint8Array, buffer: Buffer, at: number): number {
  for (let index = 0; index < bytes.length; index++) buffer[at + index] = bytes[index]!
  return at + bytes.length
}

function putNumber(value: number, buffer: Buffer, at: number): number {
  let end = at + 1
  for (let unit = 10; unit <= value; unit *= 10) end++
  let rest = value
  for (let index = end - 1; index >= at; index--) {
    const more = Math.floor(rest / 10)
    buffer[index] = 48 + rest - more * 10
    rest = more
  }
  return end
}

let lastSecond = -1
/** ISO time up to the dot; most records of a bucket were written in few seconds. */
let secondText: Uint8Array = new Uint8Array()

/** Writes what `formatTime` makes of it. */
function putTime(ms: number, buffer: Buffer, at: number): number {
  const second = Math.floor(ms / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    secondText = Buffer.from(formatTime(ms).slice(0, -4))
  }
  const end = put(secondText, buffer, at)
  const rest = ms - second * 1000
  const hundreds = Math.floor(rest / 100)
  const tens = Math.floor(rest / 10)
  buffer[end] = 48 + hundreds
  buffer[end + 1] = 48 + tens - hundreds * 10
  buffer[end + 2] = 48 + rest - tens * 10
  buffer[end + 3] = 0x5a
  return end + 4
}
