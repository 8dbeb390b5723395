import {Writer} from './bytes'

const quote: u8 = 0x22
const backslash: u8 = 0x5c

/** Writes bytes that should be UTF-8 as a JSON string; what is not UTF-8 becomes the replacement character. */
export function writeString(out: Writer, from: usize, length: i32): void {
  out.byte(quote)
  let plain = 0
  let at = 0
  while (at < length) {
    const first = load<u8>(from + at)
    const size = first < 0x80 ? 1 : sequenceLength(from + at, length - at)
    if (size > 0 && first >= 0x20 && first != quote && first != backslash) {
      at += size
      continue
    }
    if (at > plain) out.copy(from + plain, at - plain)
    if (size == 0) out.text('\uFFFD')
    else writeEscaped(out, first)
    at += 1
    plain = at
  }
  out.copy(from + plain, at - plain)
  out.byte(quote)
}

function writeEscaped(out: Writer, byte: u8): void {
  if (byte == quote || byte == backslash) return writePair(out, byte)
  if (byte == 0x0a) return writePair(out, 0x6e)
  if (byte == 0x0d) return writePair(out, 0x72)
  if (byte == 0x09) return writePair(out, 0x74)
  out.u32(0x5c753030) // \u00
  out.u16(((hexDigit(byte >> 4) as u16) << 8) | hexDigit(byte & 15))
}

function writePair(out: Writer, second: u8): void {
  out.byte(backslash)
  out.byte(second)
}

function hexDigit(value: u8): u8 {
  return value < 10 ? 0x30 + value : 0x57 + value
}

/** Bytes of the valid UTF-8 sequence of several bytes that starts here; 0 when there is none. */
function sequenceLength(from: usize, left: i32): i32 {
  const first = load<u8>(from)
  const size = first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) == 0xe0 ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0
  if (size == 0 || size > left) return 0
  const second = load<u8>(from, 1)
  // Longer forms than needed, surrogates and code points above the last one are not UTF-8.
  if (first == 0xe0 && second < 0xa0) return 0
  if (first == 0xed && second > 0x9f) return 0
  if (first == 0xf0 && second < 0x90) return 0
  if (first == 0xf4 && second > 0x8f) return 0
  for (let index = 1; index < size; index++) {
    if ((load<u8>(from + index) & 0xc0) != 0x80) return 0
  }
  return size
}
