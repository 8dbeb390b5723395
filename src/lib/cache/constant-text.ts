/** A text of plain ASCII that is written or looked for often, four bytes at a time. */
export interface ConstantText {
  /** The last one is filled up with naught. */
  readonly words: Uint32Array
  readonly size: number
  /** Those bits of the last word that belong to the text. */
  readonly lastMask: number
}

/** Prepares a text. */
export function constantText(text: string): ConstantText {
  const size = text.length
  const bytes = Buffer.alloc((size + 3) & ~3)
  bytes.write(text, 'latin1')
  const words = Uint32Array.from({length: bytes.length / 4}, (_, index) => bytes.readUInt32BE(4 * index))
  return {words, size, lastMask: -1 << (8 * (bytes.length - size))}
}

/** Writes it, and up to three more bytes that are to be overwritten; returns where it ends. */
export function putConstant({words, size}: ConstantText, target: DataView, at: number): number {
  for (let index = 0; index < words.length; index++) target.setUint32(at + 4 * index, words[index]!)
  return at + size
}

/** True when it stands there; up to three bytes behind it must be readable. */
export function hasConstant({words, lastMask}: ConstantText, source: DataView, at: number): boolean {
  const last = words.length - 1
  for (let index = 0; index < last; index++) {
    if (source.getUint32(at + 4 * index) !== words[index]) return false
  }
  return (source.getUint32(at + 4 * last) & lastMask) >>> 0 === words[last]
}
