const quote = 0x22
const backslash = 0x5c
const open = 0x7b
const close = 0x7d
const deepest = 8

/** Bytes that stand for themselves in a JSON text and mean nothing to a terminal. */
export const plainBytes = Uint8Array.from({length: 256}, (_, byte) =>
  byte >= 0x20 && byte <= 0x7e && byte !== quote && byte !== backslash ? 1 : 0,
)

/**
 * True for a JSON object of texts, whole numbers and such objects, on one line, without white space outside of texts and
 * without anything that is escaped: most records are so, and to see that takes less than to parse them. False says nothing.
 */
export function isPlainJson(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 2 || bytes[start] !== open) return false
  let depth = 1
  let at = start + 1
  // An object that has just begun may end.
  let empty = true
  while (at < end) {
    if (empty && bytes[at] === close) {
      depth--
      at++
    } else {
      at = afterText(bytes, at, end)
      if (at < 0 || bytes[at] !== 0x3a) return false
      if (bytes[++at] === open) {
        if (++depth > deepest) return false
        at++
        empty = true
        continue
      }
      at = bytes[at] === quote ? afterText(bytes, at, end) : afterNumber(bytes, at, end)
      if (at < 0) return false
    }
    empty = false
    while (depth > 0 && at < end && bytes[at] === close) {
      depth--
      at++
    }
    if (depth === 0) return at === end
    if (bytes[at++] !== 0x2c) return false
  }
  return false
}

/** The place behind a text; negative when none stands there, or one that is not plain. */
function afterText(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] !== quote) return -1
  let at = start + 1
  while (at < end && plainBytes[bytes[at]!] === 1) at++
  return at < end && bytes[at] === quote ? at + 1 : -1
}

function afterNumber(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++
  if (at === start || (bytes[start] === 0x30 && at > start + 1)) return -1
  return at
}
