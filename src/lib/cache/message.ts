import type {Msg} from '@nats-io/transport-node'

import {putBase64} from './base64.js'
import {constantText, hasConstant} from './constant-text.js'

/**
 * What the client keeps of a message. Its interface gives texts and copies, and to make those takes longer than all else
 * that reading a bucket does; where it no longer has these fields, the interface is used.
 */
interface KeptByClient {
  readonly _msg?: {
    readonly subject?: Uint8Array
    readonly reply?: Uint8Array
    /** Bytes of the header, which stand before the value; negative without one. */
    readonly hdr?: number
  }
  readonly _rdata?: Uint8Array
}

const dot = 0x2e
const expectation = constantText('NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: ')
/** Of a revision, with the line ends. */
const leastDigits = 5
/** One more and the shortest header of a marker would fit. */
const mostDigits = 18
const ackPrefix = Buffer.from('$JS.ACK.')

/** The subject of a message and what it holds behind its header, without texts and copies where that can be. */
export function keptByClient(msg: Msg): {readonly subject: Uint8Array; readonly data: Uint8Array} {
  const {_msg: kept, _rdata: all} = msg as KeptByClient
  return {
    subject: kept?.subject ?? Buffer.from(msg.subject, 'utf8'),
    data: all !== undefined && kept?.hdr === -1 ? all : msg.data,
  }
}

/**
 * One message of a bucket as it came from the wire; what is not asked for is not decoded. It is good only for as long as
 * the call lasts that it is given to.
 */
export class BucketMessage {
  readonly #prefix: number
  #msg!: Msg
  #subject: Uint8Array = new Uint8Array()
  #tokens = 0
  #view: Buffer = Buffer.alloc(0)
  #words: DataView = new DataView(new ArrayBuffer(0))
  #start = 0
  #end = 0
  /** Where the header begins; undefined when only the client knows. */
  #header: number | undefined
  /** Where it stands in the stream. */
  revision = 0
  /** Counts the messages of one consumer. */
  sequence = 0
  /** How many are still to come. */
  pending = 0
  /** Milliseconds since 1970. */
  createdMs = 0

  /** For messages of a bucket of that name. */
  constructor(bucket: string) {
    this.#prefix = `$KV.${bucket}.`.length
  }

  get key(): string {
    return this.#msg.subject.slice(this.#prefix)
  }

  get size(): number {
    return this.#end - this.#start
  }

  /** Bytes of the value as it is stored, also where values are left out. */
  get storedSize(): number {
    return this.size > 0 ? this.size : Number(this.#msg.headers?.get('Nats-Msg-Size') ?? 0)
  }

  /** A copy of the value. */
  get value(): Uint8Array {
    return Uint8Array.from(this.#view.subarray(this.#start, this.#end))
  }

  /** The value as text in one of Node's encodings. */
  text(encoding: 'utf8' | 'latin1' | 'base64'): string {
    return this.#view.toString(encoding, this.#start, this.#end)
  }

  /** What a function makes of the bytes of the value, which it must not keep. */
  check(test: (bytes: Uint8Array, start: number, end: number) => boolean): boolean {
    return test(this.#view, this.#start, this.#end)
  }

  /** Copies the value, and returns where it ends. */
  copyValue(target: Buffer, at: number): number {
    return at + this.#view.copy(target, at, this.#start, this.#end)
  }

  /** Copies the value in base64, and returns where it ends. */
  copyBase64(target: DataView, at: number): number {
    return putBase64({view: this.#words, start: this.#start, end: this.#end}, target, at)
  }

  /** Copies the key, and returns where it ends; negative for a key with other characters than keys may have. */
  copyKey(target: Buffer, at: number): number {
    const subject = this.#subject
    let end = at
    for (let index = this.#prefix; index < subject.length; index++) {
      const byte = subject[index]!
      if (keyBytes[byte] !== 1) return -1
      target[end++] = byte
    }
    return end
  }

  /** The subject, in which the key begins at `keyStart`. */
  get subject(): Uint8Array {
    return this.#subject
  }

  get keyStart(): number {
    return this.#prefix
  }

  /** Bytes of the key. */
  get keySize(): number {
    return this.#subject.length - this.#prefix
  }

  /** True when the message says that its key is gone: deleted, purged or expired. */
  get marker(): boolean {
    if (this.#header === this.#start || this.#hasOnlyExpectation()) return false
    const head = this.#header === undefined ? '' : this.#view.toString('latin1', this.#header, this.#start)
    if (head.startsWith('NATS/1.0')) return saysGone(head)
    const operation = this.#msg.headers?.get('KV-Operation')
    return operation === 'DEL' || operation === 'PURGE' || Boolean(this.#msg.headers?.get('Nats-Marker-Reason'))
  }

  /** True for the header of most records: the revision that was expected, and no room for anything else. */
  #hasOnlyExpectation(): boolean {
    const header = this.#header
    if (header === undefined) return false
    const digits = this.#start - header - expectation.size
    if (digits < leastDigits || digits > mostDigits) return false
    return hasConstant(expectation, this.#words, header)
  }

  /** Takes the next message; false when its reply subject is none of a consumer's. */
  read(msg: Msg): boolean {
    this.#msg = msg
    const {_msg: kept, _rdata: all} = msg as KeptByClient
    const reply = kept?.reply ?? Buffer.from(msg.reply ?? '', 'latin1')
    // Flow control and heartbeats come on the same way.
    if (reply[4] !== ackPrefix[4] || !this.#readPosition(reply)) return false
    this.#subject = kept?.subject ?? Buffer.from(msg.subject, 'utf8')
    const known = all !== undefined && kept?.hdr !== undefined
    const data = known ? all : msg.data
    // One view for all values of a chunk from the socket: to make a buffer of each costs more than to decode it.
    if (this.#view.buffer !== data.buffer) this.#view = Buffer.from(data.buffer, 0, data.buffer.byteLength)
    if (this.#words.buffer !== data.buffer) this.#words = new DataView(data.buffer)
    this.#header = known ? data.byteOffset : undefined
    this.#start = data.byteOffset + (known ? Math.max(0, kept.hdr) : 0)
    this.#end = data.byteOffset + data.byteLength
    return true
  }

  /**
   * Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<revision>.<sequence>.<ns>.<pending>`; newer servers may add a
   * domain and account hash before the stream and a token at the end.
   */
  #readPosition(reply: Uint8Array): boolean {
    if (this.#tokens < 9) this.#tokens = countTokens(reply)
    if (this.#tokens < 9) return false
    const end = this.#tokens >= 12 ? dotBefore(reply, reply.length) : reply.length
    const pending = dotBefore(reply, end)
    const time = dotBefore(reply, pending)
    const sequence = dotBefore(reply, time)
    const revision = dotBefore(reply, sequence)
    this.pending = digits(reply, pending + 1, end)
    // Nanoseconds, and the last six digits make no millisecond.
    this.createdMs = digits(reply, time + 1, Math.max(time + 1, pending - 6))
    this.sequence = digits(reply, sequence + 1, time)
    this.revision = digits(reply, revision + 1, sequence)
    return revision > 0
  }
}

/** Bytes that a key may have: those that JSON and YAML need not escape. */
const keyBytes = Uint8Array.from({length: 256}, (_, code) =>
  /[-/_=.A-Za-z0-9]/.test(String.fromCharCode(code)) ? 1 : 0,
)

/** Of the reply subject of a consumer's message; one of anything else. */
function countTokens(reply: Uint8Array): number {
  if (Buffer.compare(reply.subarray(0, ackPrefix.length), ackPrefix) !== 0) return 1
  return reply.reduce((count, byte) => (byte === dot ? count + 1 : count), 1)
}

/** True for headers of a message that says the key is gone: deleted, purged or expired. */
function saysGone(head: string): boolean {
  if (!head.includes('KV-Operation') && !head.includes('Nats-Marker-Reason')) return false
  return /^(KV-Operation: *(DEL|PURGE)|Nats-Marker-Reason: *\S+) *$/m.test(head.replaceAll('\r', ''))
}

function dotBefore(text: Uint8Array, end: number): number {
  let index = end - 1
  while (index >= 0 && text[index] !== dot) index--
  return index
}

/** The number that stands there in decimal digits. */
export function digits(text: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let index = start; index < end; index++) value = value * 10 + text[index]! - 48
  return value
}

/** The revision in `{"stream":"KV_b", "seq":123}`; undefined for any other answer. */
export function readRevision(data: Uint8Array): number | undefined {
  let index = data.length - 2
  if (data[2] !== 0x73 || data[index + 1] !== 0x7d) return undefined
  let revision = 0
  for (let unit = 1; index > 0; index--, unit *= 10) {
    const digit = data[index]! - 48
    if (digit < 0 || digit > 9) return digit === 10 && unit > 1 ? revision : undefined
    revision += digit * unit
  }
  return undefined
}
