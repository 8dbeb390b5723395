const characters = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')
/** The two characters of twelve bits. */
const pairs = Uint16Array.from({length: 4096}, (_, bits) => (characters[bits >> 6]! << 8) | characters[bits & 63]!)
const padding = 0x3d

/** Where bytes stand. */
export interface Span {
  readonly view: DataView
  readonly start: number
  readonly end: number
}

/** Writes bytes in base64, and returns where they end: for few bytes this takes less than a text that is made of them. */
export function putBase64({view, start, end}: Span, target: DataView, at: number): number {
  let to = at
  let from = start
  // Four bytes are read for three, so the last ones are left.
  for (const last = end - 4; from <= last; from += 3, to += 4) {
    const group = view.getUint32(from) >>> 8
    target.setUint32(to, (pairs[group >> 12]! << 16) | pairs[group & 4095]!)
  }
  for (; from < end; from += 3, to += 4) {
    const left = end - from
    const second = left > 1 ? view.getUint8(from + 1) : 0
    const third = left > 2 ? view.getUint8(from + 2) : 0
    const group = (view.getUint8(from) << 16) | (second << 8) | third
    target.setUint32(to, (pairs[group >> 12]! << 16) | pairs[group & 4095]!)
    if (left < 3) target.setUint8(to + 3, padding)
    if (left < 2) target.setUint8(to + 2, padding)
  }
  return to
}
