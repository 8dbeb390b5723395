import {ConfigTextError} from './config-error.js'
import {placeAt, type Source} from './tree.js'

/** A reader's way through a text. */
export interface Cursor {
  readonly source: Source
  at: number
}

/** The character under the cursor; the empty string at the end. */
export function peek({source, at}: Cursor): string {
  return source.text.charAt(at)
}

/** The failure at the cursor, or at another offset. */
export function failure({source, at}: Cursor, reason: string, offset = at): ConfigTextError {
  return new ConfigTextError(reason, placeAt(source, offset))
}

/** Reads on while the condition holds for the character under the cursor. */
export function skipWhile(cursor: Cursor, holds: (character: string) => boolean): void {
  while (cursor.at < cursor.source.text.length && holds(peek(cursor))) cursor.at++
}

/** Reads over a `#` or `//` comment, up to the end of its line; false where there is none. */
export function skipComment(cursor: Cursor): boolean {
  if (peek(cursor) !== '#' && !cursor.source.text.startsWith('//', cursor.at)) return false
  skipWhile(cursor, (character) => !isLineEnd(character))
  return true
}

/** White space as Go's unicode package has it, line ends included. */
export function isSpace(character: string): boolean {
  return /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/.test(character)
}

/** White space within a line. */
export function isBlank(character: string): boolean {
  return character === ' ' || character === '\t'
}

export function isLineEnd(character: string): boolean {
  return character === '\n' || character === '\r'
}

export function isSeparator(character: string): boolean {
  return character === ':' || character === '='
}

export function isDigit(character: string): boolean {
  return character >= '0' && character <= '9' && character.length === 1
}
