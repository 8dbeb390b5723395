import type {BucketMessage} from '../cache/message.js'
import {formatTime, lineHead, type EntryHead} from './format.js'
import type {Output} from './output.js'
import {readValue} from './value.js'

/** How much more than key and value a line of a raw key may take. */
const mostAround = 160
const rawKeyStart = Buffer.from('{"kind":"key","key":"')
const revisionStart = Buffer.from('","revision":')
const createdStart = Buffer.from(',"created":"')
const valueStart = Buffer.from('"value":')
const base64Start = Buffer.from('"base64":"')
const base64End = Buffer.from('"}\n')
const lineEnd = Buffer.from('}\n')

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
    let at = message.copyKey(buffer, put(rawKeyStart, buffer, start))
    if (at < 0) return false
    at = putNumber(message.revision, buffer, put(revisionStart, buffer, at))
    at = put(createdStart, buffer, at)
    at += buffer.write(formatTime(message.createdMs), at, 'latin1')
    buffer[at++] = 0x22
    buffer[at++] = 0x2c
    output.advance(at - start)
    this.#writeValue(message)
    return true
  }

  #writeValue(message: BucketMessage): void {
    const output = this.#output
    if (this.#raw) return this.#writeBase64(message)
    const {field, text} = readValue(message)
    if (field !== 'value') return output.add(`"${field}":${JSON.stringify(text)}}\n`)
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

/** For few bytes a loop takes less time than a call. */
function put(bytes: Uint8Array, buffer: Buffer, at: number): number {
  for (let index = 0; index < bytes.length; index++) buffer[at + index] = bytes[index]!
  return at + bytes.length
}

function putNumber(value: number, buffer: Buffer, at: number): number {
  let unit = 1
  while (unit * 10 <= value) unit *= 10
  let end = at
  for (let rest = value; unit >= 1; unit = Math.floor(unit / 10)) {
    const digit = Math.floor(rest / unit)
    buffer[end++] = 48 + digit
    rest -= digit * unit
  }
  return end
}
