import {failure, isBlank, isLineEnd, isSeparator, isSpace, peek, skipComment, skipWhile, type Cursor} from './cursor.js'
import {readScalar} from './scalar.js'
import type {Source, WrittenEntry, WrittenMap, WrittenValue} from './tree.js'

const deepest = 200

/**
 * Reads the text of a nats-server configuration, or of JSON, as the server's own parser does; nothing is resolved.
 * Throws a ConfigTextError for what the server refuses and for the few things that it accepts and then mixes up.
 */
export function parseConfigText(source: Source): WrittenMap {
  const cursor: Cursor = {source, at: 0}
  const {text} = source
  const nul = text.indexOf('\0')
  if (nul >= 0) throw failure(cursor, 'a NUL character', nul)
  const entries: WrittenEntry[] = []
  readTop(cursor, entries)
  return {kind: 'map', entries, start: 0, end: text.length}
}

function readTop(cursor: Cursor, entries: WrittenEntry[]): void {
  for (;;) {
    skipSpace(cursor)
    const character = peek(cursor)
    if (character === '') return
    if (skipComment(cursor)) continue
    if (character === '{') readBlock(cursor, entries)
    else if (character === '}' && isRestOfJson(cursor)) return
    else {
      entries.push(readEntry(cursor, 0))
      endTopEntry(cursor)
    }
  }
}

/** The server takes a last `}` on a line of its own for the end of a JSON document. */
function isRestOfJson({source, at}: Cursor): boolean {
  return Array.from(source.text.slice(at + 1)).every(isSpace)
}

function endTopEntry(cursor: Cursor): void {
  for (;;) {
    if (skipComment(cursor)) return
    const character = peek(cursor)
    if (character === '') return
    if (isBlank(character) || character === '/') cursor.at++
    else if (isLineEnd(character) || ';,}'.includes(character)) {
      cursor.at++
      return
    } else throw failure(cursor, `a value must end its line, and ${shown(character)} follows`)
  }
}

/** A whole document in braces, as JSON is. */
function readBlock(cursor: Cursor, entries: WrittenEntry[]): void {
  const open = cursor.at++
  for (;;) {
    skipSpace(cursor)
    const character = peek(cursor)
    if (character === '') throw failure(cursor, 'this brace is never closed', open)
    if (skipComment(cursor)) continue
    if (character === '{') throw failure(cursor, 'a brace where a key is expected')
    if (character === '}') {
      cursor.at++
      return
    }
    entries.push(readEntry(cursor, 0))
    if (endBlockEntry(cursor)) return
  }
}

/** True when the block ends with the entry. */
function endBlockEntry(cursor: Cursor): boolean {
  for (;;) {
    if (skipComment(cursor)) continue
    const character = peek(cursor)
    if (character === '}') {
      cursor.at++
      return true
    }
    if (isBlank(character) || character === '/') cursor.at++
    else if (isLineEnd(character) || ';,'.includes(character || '-')) {
      cursor.at++
      return false
    } else throw failure(cursor, `a value must end with its line or a comma, and ${shown(character)} follows`)
  }
}

/** A key with its value, or an include; the depth is that of the map it stands in. */
function readEntry(cursor: Cursor, depth: number): WrittenEntry {
  const start = cursor.at
  if (isSeparator(peek(cursor)) || peek(cursor) === '/')
    throw failure(cursor, `${shown(peek(cursor))} where a key is expected`)
  const {key, quoted} = readKey(cursor)
  if (!quoted && key.toLowerCase() === 'include' && isSpace(peek(cursor))) {
    return {kind: 'include', path: readIncludePath(cursor), start, end: cursor.at}
  }
  skipSpace(cursor)
  if (isSeparator(peek(cursor))) {
    cursor.at++
    skipWhile(cursor, depth === 0 ? isBlank : isSpace)
  }
  const next = peek(cursor)
  if (next === '' || next === '}' || (depth > 0 && next === ','))
    throw failure(cursor, `the key ${JSON.stringify(key)} has no value`, start)
  const value = readValue(cursor, depth)
  return {kind: 'pair', key, value, start, end: cursor.at}
}

function readKey(cursor: Cursor): {readonly key: string; readonly quoted: boolean} {
  const {text} = cursor.source
  const quote = peek(cursor)
  const start = cursor.at
  if (quote === '"' || quote === "'") {
    const end = text.indexOf(quote, start + 1)
    if (end < 0) throw failure(cursor, 'this quotation mark is never closed', start)
    cursor.at = end + 1
    return {key: text.slice(start + 1, end), quoted: true}
  }
  cursor.at++
  skipWhile(cursor, (character) => !isSpace(character) && !isSeparator(character))
  return {key: text.slice(start, cursor.at), quoted: false}
}

function readIncludePath(cursor: Cursor): string {
  const {text} = cursor.source
  skipWhile(cursor, isBlank)
  const first = peek(cursor)
  const start = cursor.at
  if (first === '"' || first === "'") {
    const end = text.indexOf(first, start + 1)
    if (end < 0) throw failure(cursor, 'this quotation mark is never closed', start)
    cursor.at = end + 1
    return text.slice(start + 1, end)
  }
  if (first === '' || /[[{(\d\-\\\r\n\p{Nd}]/u.test(first)) throw failure(cursor, 'an include needs the path of a file')
  skipWhile(cursor, (character) => !isBlank(character) && !isLineEnd(character) && !";}'".includes(character))
  const path = text.slice(start, cursor.at)
  if (peek(cursor) === "'") cursor.at++
  if (path === '') throw failure(cursor, 'an include needs the path of a file')
  return path
}

function readValue(cursor: Cursor, depth: number): WrittenValue {
  skipWhile(cursor, isBlank)
  const character = peek(cursor)
  if (depth >= deepest) throw failure(cursor, `values lie within each other more than ${deepest} deep`)
  if (character === '[') return readArray(cursor, depth + 1)
  if (character === '{') return readMap(cursor, depth + 1)
  return readScalar(cursor)
}

function readArray(cursor: Cursor, depth: number): WrittenValue {
  const start = cursor.at++
  const items: WrittenValue[] = []
  for (;;) {
    skipSpace(cursor)
    const character = peek(cursor)
    if (character === '') throw failure(cursor, 'this bracket is never closed', start)
    if (skipComment(cursor)) continue
    if (character === ',' || character === '/') throw failure(cursor, `${shown(character)} where a value is expected`)
    if (character !== ']') {
      items.push(readValue(cursor, depth))
      if (!endItem(cursor)) continue
    }
    cursor.at++
    return {kind: 'array', items, start, end: cursor.at}
  }
}

/** True when the array ends, with the cursor on its bracket. */
function endItem(cursor: Cursor): boolean {
  for (;;) {
    if (skipComment(cursor)) continue
    const character = peek(cursor)
    if (character === ']') return true
    if (!isBlank(character) && !isLineEnd(character) && !',/'.includes(character || '-')) {
      throw failure(cursor, `an array needs a comma, a new line or ']' here, and not ${shown(character)}`)
    }
    cursor.at++
    if (!isBlank(character)) return false
  }
}

function readMap(cursor: Cursor, depth: number): WrittenMap {
  const start = cursor.at++
  const entries: WrittenEntry[] = []
  for (;;) {
    skipSpace(cursor)
    const character = peek(cursor)
    if (character === '') throw failure(cursor, 'this brace is never closed', start)
    if (skipComment(cursor)) continue
    if (character === ']') throw failure(cursor, `${shown(character)} where a key is expected`)
    if (character !== '}') {
      entries.push(readEntry(cursor, depth))
      if (!endPair(cursor)) continue
    }
    cursor.at++
    return {kind: 'map', entries, start, end: cursor.at}
  }
}

/** True when the map ends, with the cursor on its brace. */
function endPair(cursor: Cursor): boolean {
  for (;;) {
    if (skipComment(cursor)) continue
    const character = peek(cursor)
    if (character === '}') return true
    if (!isBlank(character) && !isLineEnd(character) && !';,/'.includes(character || '-')) {
      throw failure(cursor, `a map needs a comma, a new line or '}' here, and not ${shown(character)}`)
    }
    cursor.at++
    if (!isBlank(character)) return false
  }
}

function skipSpace(cursor: Cursor): void {
  skipWhile(cursor, isSpace)
}

function shown(character: string): string {
  return character === '' ? 'the end of the file' : JSON.stringify(character)
}
