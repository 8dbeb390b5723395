import {plainBytes} from './plain-json.js'

/** Kinds of the lattice's data whose keys can be read byte by byte. */
export type PlainKind = 'claims' | 'link' | 'ref'

const beginnings = {claims: Buffer.from('CLAIMS_'), link: Buffer.from('LINKDEF_'), ref: Buffer.from('REFMAP_')} as const

const inPublicKey = table(/[A-Z2-7]/)
const inHash = table(/[0-9A-F]/)
const base64url = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')
/** What a character of base64url stands for; negative for others, so that what is made of several is negative too. */
const sextets = Int32Array.from({length: 256}, (_, byte) => base64url.indexOf(byte))

/**
 * The kind of a key in the bucket of the data, which begins at `start`; undefined where more has to be known to tell it.
 * That of a reference shows only when its name is written.
 */
export function plainKind(bytes: Uint8Array, start: number): PlainKind | undefined {
  const size = bytes.length - start
  if (size === 63 && begins(bytes, start, beginnings.claims) && all(bytes, start + 7, inPublicKey)) return 'claims'
  if (size === 72 && begins(bytes, start, beginnings.link) && all(bytes, start + 8, inHash)) return 'link'
  return size > 7 && begins(bytes, start, beginnings.ref) ? 'ref' : undefined
}

/** Writes the name of such a record, which needs no escapes, and returns where it ends; negative for any other name. */
export function putPlainName(kind: PlainKind, source: {bytes: Uint8Array; start: number}, target: Target): number {
  const {bytes, start} = source
  const from = start + beginnings[kind].length
  if (kind === 'ref') return putDecoded(bytes, from, target)
  const {buffer} = target
  let {at} = target
  for (let index = from; index < bytes.length; index++) buffer[at++] = bytes[index]!
  return at
}

interface Target {
  readonly buffer: Buffer
  readonly at: number
}

/** The text of base64url; negative when it is none, is not how it would be encoded, or has more than plain characters. */
function putDecoded(bytes: Uint8Array, start: number, {buffer, at: from}: Target): number {
  const end = bytes.length
  const whole = end - ((end - start) & 3)
  let at = from
  for (let index = start; index < whole; index += 4) {
    const group =
      (sextets[bytes[index]!]! << 18) |
      (sextets[bytes[index + 1]!]! << 12) |
      (sextets[bytes[index + 2]!]! << 6) |
      sextets[bytes[index + 3]!]!
    if (group < 0) return -1
    const [a, b, c] = [group >> 16, (group >> 8) & 255, group & 255]
    if ((plainBytes[a]! & plainBytes[b]! & plainBytes[c]!) === 0) return -1
    buffer[at] = a
    buffer[at + 1] = b
    buffer[at + 2] = c
    at += 3
  }
  return end === whole ? at : putEnd(bytes, whole, {buffer, at})
}

/** Two or three characters, whose last bits must be naught. */
function putEnd(bytes: Uint8Array, start: number, {buffer, at}: Target): number {
  const left = bytes.length - start
  if (left === 1) return -1
  const third = left === 3 ? sextets[bytes[start + 2]!]! : 0
  const group = (sextets[bytes[start]!]! << 12) | (sextets[bytes[start + 1]!]! << 6) | third
  const [a, b] = [(group >> 10) & 255, (group >> 2) & 255]
  if (group < 0 || plainBytes[a] === 0 || (group & (left === 3 ? 3 : 1023)) !== 0) return -1
  buffer[at] = a
  if (left === 2) return at + 1
  if (plainBytes[b] === 0) return -1
  buffer[at + 1] = b
  return at + 2
}

function begins(bytes: Uint8Array, start: number, beginning: Uint8Array): boolean {
  for (let index = 0; index < beginning.length; index++) {
    if (bytes[start + index] !== beginning[index]) return false
  }
  return true
}

function all(bytes: Uint8Array, start: number, allowed: Uint8Array): boolean {
  for (let index = start; index < bytes.length; index++) {
    if (allowed[bytes[index]!] !== 1) return false
  }
  return true
}

function table(pattern: RegExp): Uint8Array {
  return Uint8Array.from({length: 256}, (_, byte) => (pattern.test(String.fromCharCode(byte)) ? 1 : 0))
}
