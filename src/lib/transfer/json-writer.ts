import {constantText, putConstant, type ConstantText} from '../cache/constant-text.js'
import type {BucketMessage} from '../cache/message.js'
import {formatTime, lineHead, type EntryHead} from './format.js'
import type {Output} from './output.js'
import {isPlainJson} from './plain-json.js'
import {putPlainName, type PlainKind} from './plain-key.js'
import {readValue} from './value.js'

/** How much more than key and value a line of a raw key may take. */
const mostAround = 160
const rawKeyStart = constantText('{"kind":"key","key":"')
const starts: Readonly<Record<PlainKind, ConstantText>> = {
  claims: constantText('{"kind":"claims","name":"'),
  link: constantText('{"kind":"link","name":"'),
  ref: constantText('{"kind":"ref","name":"'),
}
const keyStart = constantText('","key":"')
const revisionStart = constantText('","revision":')
const createdStart = constantText(',"created":"')
const createdEnd = constantText('",')
const valueStart = constantText('"value":')
const base64Start = constantText('"base64":"')
const base64End = constantText('"}\n')
const lineEnd = constantText('}\n')
/** The base64 of a longer value takes less time as a text. */
const mostByLoop = 256

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
    const at = message.copyKey(buffer, putConstant(rawKeyStart, output.view, start))
    if (at < 0) return false
    output.advance(putPlace(message, output, at) - start)
    this.#writeValue(message)
    return true
  }

  /** Writes a typed record of the bucket of the data; false, and nothing, for a key or a name that has to be escaped. */
  writePlain(message: BucketMessage, kind: PlainKind): boolean {
    const output = this.#output
    const buffer = output.reserve(2 * message.keySize + mostAround)
    const start = output.position
    const source = {bytes: message.subject, start: message.keyStart}
    const name = putPlainName(kind, source, {buffer, at: putConstant(starts[kind], output.view, start)})
    if (name < 0) return false
    const at = message.copyKey(buffer, putConstant(keyStart, output.view, name))
    if (at < 0) return false
    output.advance(putPlace(message, output, at) - start)
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
    const buffer = output.reserve(message.size + mostAround)
    const start = output.position
    const at = message.copyValue(buffer, putConstant(valueStart, output.view, start))
    output.advance(putConstant(lineEnd, output.view, at) - start)
  }

  #writeBase64(message: BucketMessage): void {
    const output = this.#output
    const small = message.size <= mostByLoop
    const text = small ? '' : message.text('base64')
    const length = small ? Math.ceil(message.size / 3) * 4 : text.length
    const buffer = output.reserve(length + mostAround)
    const start = output.position
    let at = putConstant(base64Start, output.view, start)
    at = small ? message.copyBase64(output.view, at) : at + buffer.write(text, at, 'latin1')
    output.advance(putConstant(base64End, output.view, at) - start)
  }
}

/** Revision and time of a record, behind its key. */
function putPlace({revision, createdMs}: BucketMessage, {view}: Output, start: number): number {
  let at = putNumber(revision, view, putConstant(revisionStart, view, start))
  at = putConstant(createdStart, view, at)
  at = putTime(createdMs, view, at)
  return putConstant(createdEnd, view, at)
}

function putNumber(value: number, view: DataView, at: number): number {
  let end = at + 1
  for (let unit = 10; unit <= value; unit *= 10) end++
  let rest = value
  for (let index = end - 1; index >= at; index--) {
    const more = Math.floor(rest / 10)
    view.setUint8(index, 48 + rest - more * 10)
    rest = more
  }
  return end
}

let lastSecond = -1
/** ISO time up to the dot; most records of a bucket were written in few seconds. */
let secondText = constantText('')

/** Writes what `formatTime` makes of it. */
function putTime(ms: number, view: DataView, at: number): number {
  const second = Math.floor(ms / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    secondText = constantText(formatTime(ms).slice(0, -4))
  }
  const end = putConstant(secondText, view, at)
  const rest = ms - second * 1000
  const hundreds = Math.floor(rest / 100)
  const tens = Math.floor(rest / 10)
  const digits = (hundreds << 24) | ((tens - hundreds * 10) << 16) | ((rest - tens * 10) << 8)
  view.setUint32(end, 0x3030305a + digits)
  return end + 4
}
