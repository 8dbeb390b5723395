import {failure, isBlank, isDigit, isLineEnd, peek, skipWhile, type Cursor} from './cursor.js'
import type {WrittenValue} from './tree.js'

/** Reads a string, number, boolean, date or variable at the cursor. */
export function readScalar(cursor: Cursor): WrittenValue {
  const start = cursor.at
  const first = peek(cursor)
  if (first === "'") return readLiteral(cursor)
  if (first === '"') return readQuoted(cursor)
  if (first === '(') return readBlockString(cursor)
  if (first === '.') throw failure(cursor, 'a number must begin with a digit')
  if (isLineEnd(first)) throw failure(cursor, 'a value is expected on the line of its key')
  if (first === '-' || isDigit(first)) return readNumber(cursor)
  if (/\p{Nd}/u.test(String.fromCodePoint(cursor.source.text.codePointAt(start) ?? 0)))
    throw failure(cursor, 'a digit that is none of 0 to 9')
  return readRaw(cursor, start)
}

function readLiteral(cursor: Cursor): WrittenValue {
  const {text} = cursor.source
  const start = cursor.at
  const end = text.indexOf("'", start + 1)
  if (end < 0) throw failure(cursor, 'this quotation mark is never closed', start)
  cursor.at = end + 1
  return {kind: 'string', value: text.slice(start + 1, end), start, end: cursor.at}
}

function readQuoted(cursor: Cursor): WrittenValue {
  const start = cursor.at++
  const parts: (string | number)[] = []
  for (;;) {
    const from = cursor.at
    skipWhile(cursor, (character) => character !== '"' && character !== '\\')
    parts.push(cursor.source.text.slice(from, cursor.at))
    const character = peek(cursor)
    if (character === '') throw failure(cursor, 'this quotation mark is never closed', start)
    if (character === '\\') parts.push(readEscape(cursor))
    else break
  }
  cursor.at++
  return {kind: 'string', value: joinParts(parts), start, end: cursor.at}
}

const escapes: Readonly<Record<string, string>> = {t: '\t', n: '\n', r: '\r', '"': '"', '\\': '\\'}

/** An escaped character, or the number of an escaped byte. */
function readEscape(cursor: Cursor): string | number {
  const {text} = cursor.source
  const at = cursor.at
  const letter = text.charAt(at + 1)
  const plain = escapes[letter]
  if (plain !== undefined) {
    cursor.at += 2
    return plain
  }
  const digits = text.slice(at + 2, at + 4)
  if (letter !== 'x' || !/^[\da-f]{2}$/i.test(digits)) {
    throw failure(cursor, 'only \\xXX, \\t, \\n, \\r, \\" and \\\\ can be escaped', at)
  }
  cursor.at += 4
  return Number.parseInt(digits, 16)
}

/** Escaped bytes above 127 are parts of a character only together with their neighbours. */
function joinParts(parts: readonly (string | number)[]): string {
  if (!parts.some((part) => typeof part === 'number')) return parts.join('')
  return Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part)))).toString(
    'utf8',
  )
}

/** The text up to a `)` on a line of its own; at the very end of the file the server keeps the `)`. */
function readBlockString(cursor: Cursor): WrittenValue {
  const {text} = cursor.source
  const start = cursor.at++
  const close = /\n\)(?=\n|$)/g
  close.lastIndex = start
  const found = close.exec(text)
  if (found === null) throw failure(cursor, 'this block needs a line with nothing but )', start)
  const last = found.index + 2 === text.length
  cursor.at = found.index + 2
  return {kind: 'string', value: text.slice(start + 1, found.index + (last ? 2 : 1)), start, end: cursor.at}
}

const units: Readonly<Record<string, number>> = Object.fromEntries(
  ['k', 'm', 'g', 't', 'p', 'e'].flatMap((letter, index) => [
    [letter, 1000 ** (index + 1)],
    ...['b', 'i', 'ib'].map((rest) => [`${letter}${rest}`, 1024 ** (index + 1)] as const),
  ]),
)

/** What begins with a digit or `-`: a number with or without unit, a date, an address, or else a word. */
function readNumber(cursor: Cursor): WrittenValue {
  const {text} = cursor.source
  const start = cursor.at
  if (peek(cursor) === '-') {
    cursor.at++
    if (!isDigit(peek(cursor))) throw failure(cursor, 'a digit is expected after -')
  }
  const negative = cursor.at > start
  skipWhile(cursor, isDigit)
  const next = peek(cursor)
  if (/\p{Nd}/u.test(String.fromCodePoint(text.codePointAt(cursor.at) ?? 0)))
    throw failure(cursor, 'a digit that is none of 0 to 9')
  if (next === '.') return readFraction(cursor, start)
  if (next === '-' && !negative) return readDate(cursor, start)
  if (/[kmgtpe]/i.test(next)) {
    skipWhile(cursor, (character) => cursor.at === start || /[kmgtpebi]/i.test(character))
    return readUnit(cursor, start)
  }
  if (negative || endsNumber(next)) return integer(cursor, start, '')
  cursor.at++
  return readRaw(cursor, start)
}

function readUnit(cursor: Cursor, start: number): WrittenValue {
  const {text} = cursor.source
  const [, digits = '', unit = ''] = /^(-?\d+)([a-z][bi]*)/i.exec(text.slice(start, cursor.at)) ?? []
  cursor.at = start + digits.length + unit.length
  return endsNumber(peek(cursor)) ? integer(cursor, start, unit) : readRaw(cursor, start)
}

function integer(cursor: Cursor, start: number, unit: string): WrittenValue {
  const digits = cursor.source.text.slice(start, cursor.at - unit.length)
  const factor = unit === '' ? 1 : units[unit.toLowerCase()]
  if (factor === undefined) throw failure(cursor, `${JSON.stringify(unit)} is no unit`, start)
  const value = BigInt(digits) * BigInt(factor)
  // The server lets it overflow.
  if (BigInt.asIntN(64, value) !== value) throw failure(cursor, 'a number beyond 64 bits', start)
  return {kind: 'number', value: Number(value), start, end: cursor.at}
}

function endsNumber(character: string): boolean {
  return character === '' || isBlank(character) || isLineEnd(character) || ';,}'.includes(character)
}

/** With a second point it is an address. */
function readFraction(cursor: Cursor, start: number): WrittenValue {
  const {text} = cursor.source
  cursor.at++
  if (!isDigit(peek(cursor))) throw failure(cursor, 'a digit is expected after the point')
  skipWhile(cursor, isDigit)
  if (peek(cursor) === '.') {
    cursor.at++
    skipWhile(cursor, (character) => isDigit(character) || '.:-'.includes(character))
    return {kind: 'string', value: text.slice(start, cursor.at), start, end: cursor.at}
  }
  const value = Number(text.slice(start, cursor.at))
  if (!Number.isFinite(value)) throw failure(cursor, 'a number that is too large', start)
  return {kind: 'number', value, start, end: cursor.at}
}

function readDate(cursor: Cursor, start: number): WrittenValue {
  const found = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/.exec(cursor.source.text.slice(start, start + 20))
  const value = found?.[0] ?? ''
  const time = new Date(value)
  if (Number.isNaN(time.getTime()) || time.toISOString().slice(0, 19) !== value.slice(0, 19)) {
    throw failure(cursor, 'a date must be written as 2006-01-02T15:04:05Z', start)
  }
  cursor.at = start + value.length
  return {kind: 'date', value, start, end: cursor.at}
}

/** A word without quotation marks; what was read of it already began at `start`. */
function readRaw(cursor: Cursor, start: number): WrittenValue {
  const {text} = cursor.source
  const parts: (string | number)[] = []
  let from = start
  for (;;) {
    skipWhile(cursor, (character) => !isBlank(character) && !isLineEnd(character) && !";,]}'\\".includes(character))
    parts.push(text.slice(from, cursor.at))
    if (peek(cursor) !== '\\') break
    parts.push(readEscape(cursor))
    from = cursor.at
  }
  const quoted = peek(cursor) === "'"
  const word = joinParts(parts)
  if (quoted) cursor.at++
  const span = {start, end: cursor.at}
  if (quoted || parts.length > 1) return {kind: 'string', value: word, ...span}
  if (/^(true|yes|on)$/i.test(word)) return {kind: 'boolean', value: true, ...span}
  if (/^(false|no|off)$/i.test(word)) return {kind: 'boolean', value: false, ...span}
  if (word.startsWith('$')) return {kind: 'variable', name: word.slice(1), ...span}
  return {kind: 'string', value: word, ...span}
}
