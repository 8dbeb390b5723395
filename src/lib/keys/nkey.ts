import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign as ed25519Sign,
  verify as ed25519Verify,
  type KeyObject,
} from 'node:crypto'

import {UsageError} from '../errors.js'

/**
 * Prefix byte of each kind of nkey that lattices use. `M` (module) and `V` (provider) are wasmCloud's
 * additions, which is why the NATS key library cannot parse them.
 */
const prefixes = {A: 0, C: 2 << 3, M: 12 << 3, N: 13 << 3, O: 14 << 3, U: 20 << 3, V: 21 << 3} as const
const seedPrefix = 18 << 3

export type KeyKind = keyof typeof prefixes

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** DER headers that turn 32 raw Ed25519 bytes into the forms `node:crypto` reads. */
const pkcs8Header = Buffer.from('302e020100300506032b657004220420', 'hex')
const spkiHeader = Buffer.from('302a300506032b6570032100', 'hex')

/** A key pair that signs; only its public key is ever printed. */
export interface SigningKey {
  readonly kind: KeyKind
  /** 56 characters, the first one the kind. */
  readonly publicKey: string
  /** 58 characters, `S` and the kind; a secret. */
  readonly seed: string
  /** Ed25519 signature, 64 bytes. */
  sign: (data: Uint8Array) => Uint8Array
}

/** Makes a new key pair of a kind. */
export function createKey(kind: KeyKind): SigningKey {
  const {privateKey} = generateKeyPairSync('ed25519')
  const raw = privateKey.export({format: 'der', type: 'pkcs8'}).subarray(pkcs8Header.length)
  return keyFromRaw(kind, raw)
}

/** Makes the key pair that always belongs to a text: for identities that must be the same everywhere. */
export function keyFromText(kind: KeyKind, text: string): SigningKey {
  return keyFromRaw(kind, createHash('sha256').update(text).digest())
}

/** Reads a seed such as `SO…`; throws a UsageError that never repeats it. */
export function parseSeed(text: string, expected?: KeyKind): SigningKey {
  const bytes = decode(text.trim())
  const kind =
    bytes?.length === 34 && (bytes[0]! & 0xf8) === seedPrefix
      ? kindOf(((bytes[0]! & 7) << 5) | (bytes[1]! >> 3))
      : undefined
  if (bytes === undefined || kind === undefined) throw new UsageError('The seed is not a valid nkey seed.')
  if (expected !== undefined && kind !== expected) {
    throw new UsageError(`The seed belongs to a key of kind ${kind}, and one of kind ${expected} is needed.`)
  }
  return keyFromRaw(kind, bytes.subarray(2))
}

/** True when the text is a public key of that kind: 56 characters with a right checksum. */
export function isPublicKey(text: string, kind?: KeyKind): boolean {
  const found = publicKind(text)
  return found !== undefined && (kind === undefined || found === kind)
}

/** True when `signature` is the key's own over `data`; false for any malformed input. */
export function verify(publicKey: string, data: Uint8Array, signature: Uint8Array): boolean {
  const key = publicKeyObject(publicKey)
  return key !== undefined && signature.length === 64 && ed25519Verify(null, data, key, signature)
}

const keyObjects = new Map<string, KeyObject>()

/** Importing a key costs as much as a check with it, and a host checks thousands of one issuer. */
function publicKeyObject(publicKey: string): KeyObject | undefined {
  const known = keyObjects.get(publicKey)
  if (known !== undefined) return known
  if (publicKind(publicKey) === undefined) return undefined
  const raw = decode(publicKey)!.subarray(1)
  const key = createPublicKey({key: Buffer.concat([spkiHeader, raw]), format: 'der', type: 'spki'})
  if (keyObjects.size >= 256) keyObjects.clear()
  keyObjects.set(publicKey, key)
  return key
}

/** Checked without making anything of it, because an import asks for every record: 56 digits are 33 bytes and their checksum. */
function publicKind(text: string): KeyKind | undefined {
  if (text.length !== 56) return undefined
  let [bits, value, count, prefix, crc, checksum] = [0, 0, 0, 0, 0, 0]
  for (let index = 0; index < 56; index++) {
    const digit = digitOf(text.charCodeAt(index))
    if (digit < 0) return undefined
    value = ((value << 5) | digit) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    const byte = (value >> bits) & 0xff
    if (count === 0) prefix = byte
    if (count < 33) crc = crcStep(crc, byte)
    else checksum |= byte << (8 * (count - 33))
    count++
  }
  return crc === checksum ? kindOf(prefix) : undefined
}

/** Of A to Z and 2 to 7; negative for anything else. */
function digitOf(code: number): number {
  if (code >= 65 && code <= 90) return code - 65
  return code >= 50 && code <= 55 ? code - 24 : -1
}

function kindOf(prefix: number): KeyKind | undefined {
  return (Object.keys(prefixes) as KeyKind[]).find((kind) => prefixes[kind] === prefix)
}

function keyFromRaw(kind: KeyKind, raw: Uint8Array): SigningKey {
  const key = createPrivateKey({key: Buffer.concat([pkcs8Header, raw]), format: 'der', type: 'pkcs8'})
  const publicRaw = createPublicKey(key).export({format: 'der', type: 'spki'}).subarray(spkiHeader.length)
  const prefix = prefixes[kind]
  return {
    kind,
    publicKey: encode(Buffer.concat([Buffer.of(prefix), publicRaw])),
    seed: encode(Buffer.concat([Buffer.of(seedPrefix | (prefix >> 5), (prefix & 31) << 3), raw])),
    sign: (data) => ed25519Sign(null, data, key),
  }
}

/** Base32 of the bytes and their checksum. */
function encode(bytes: Buffer): string {
  const checksum = crc16(bytes)
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of [...bytes, checksum & 0xff, checksum >> 8]) {
    value = ((value << 8) | byte) & 0xffff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet[(value >> bits) & 31]!
    }
  }
  return bits > 0 ? text + alphabet[(value << (5 - bits)) & 31]! : text
}

/** The bytes without their checksum, or undefined when the text is not canonical base32 with a right one. */
function decode(text: string): Buffer | undefined {
  const bytes: number[] = []
  let bits = 0
  let value = 0
  for (const character of text) {
    const digit = alphabet.indexOf(character)
    if (digit < 0) return undefined
    value = ((value << 5) | digit) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes.push((value >> bits) & 0xff)
    }
  }
  if (bytes.length < 3) return undefined
  const body = Buffer.from(bytes.slice(0, -2))
  const [low, high] = bytes.slice(-2) as [number, number]
  const checksum = low | (high << 8)
  return crc16(body) === checksum && encode(body) === text ? body : undefined
}

/** CRC-16/XMODEM, as nkeys use it. */
function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) crc = crcStep(crc, byte)
  return crc
}

/** Eight steps of dividing by x^16 + x^12 + x^5 + 1 at once. */
function crcStep(crc: number, byte: number): number {
  let mixed = (crc >> 8) ^ byte
  mixed ^= mixed >> 4
  return ((crc << 8) ^ (mixed << 12) ^ (mixed << 5) ^ mixed) & 0xffff
}
