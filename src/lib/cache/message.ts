import type {Msg} from '@nats-io/transport-node'

/** Where a delivered message stands in its stream and in its delivery. */
export interface Position {
  readonly revision: number
  /** Counts the messages of one consumer. */
  readonly sequence: number
  /** Milliseconds since the epoch. */
  readonly createdMs: number
  /** How many are still to come. */
  readonly pending: number
}

/**
 * One message of a bucket as it came from the wire; what is not asked for is not decoded. It is good only for as long as
 * the call lasts that it is given to.
 */
export class BucketMessage {
  readonly #prefix: number
  #msg: Msg | undefined
  #tokens = 0
  #view: Buffer = Buffer.alloc(0)
  #start = 0
  #end = 0
  revision = 0
  sequence = 0
  pending = 0
  createdMs = 0

  /** For messages of a bucket of that name. */
  constructor(bucket: string) {
    this.#prefix = `$KV.${bucket}.`.length
  }

  get key(): string {
    return this.#msg!.subject.slice(this.#prefix)
  }

  get size(): number {
    return this.#end - this.#start
  }

  /** Bytes of the value as it is stored, also where values are left out. */
  get storedSize(): number {
    return this.size > 0 ? this.size : Number(this.#msg!.headers?.get('Nats-Msg-Size') ?? 0)
  }

  /** A copy of the value. */
  get value(): Uint8Array {
    return Uint8Array.from(this.#view.subarray(this.#start, this.#end))
  }

  /** The value as text in one of Node's encodings. */
  text(encoding: 'utf8' | 'latin1' | 'base64'): string {
    return this.#view.toString(encoding, this.#start, this.#end)
  }

  /** The value's byte at a place; undefined behind its end. */
  byteAt(index: number): number | undefined {
    return this.#start + index < this.#end ? this.#view[this.#start + index] : undefined
  }

  /** True when the message says that its key is gone: deleted, purged or expired. */
  get marker(): boolean {
    const msg = this.#msg!
    // The client knows the length, but its interface does not show it; and it keeps the header right before the value.
    // To let it decode the header takes longer than all else together.
    const whole = (msg as {size?: () => number}).size?.() ?? Infinity
    const length = whole - msg.subject.length - msg.reply!.length - this.size
    if (length <= 0) return false
    const start = this.#start - length
    const head = start < 0 ? '' : this.#view.toString('latin1', start, this.#start)
    if (head.startsWith('NATS/1.0')) return saysGone(head)
    const operation = msg.headers?.get('KV-Operation')
    return operation === 'DEL' || operation === 'PURGE' || Boolean(msg.headers?.get('Nats-Marker-Reason'))
  }

  /** Takes the next message; false when its reply subject is none of a consumer's. */
  read(msg: Msg): boolean {
    this.#msg = msg
    const {data} = msg
    // One view for all values of a chunk from the socket: to make a buffer of each costs more than to decode it.
    if (this.#view.buffer !== data.buffer) this.#view = Buffer.from(data.buffer, 0, data.buffer.byteLength)
    this.#start = data.byteOffset
    this.#end = data.byteOffset + data.byteLength
    const {reply = ''} = msg
    return reply.startsWith('$JS.ACK.') && this.#readPosition(reply)
  }

  /**
   * Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<revision>.<sequence>.<ns>.<pending>`; newer servers may add a
   * domain and account hash before the stream and a token at the end.
   */
  #readPosition(reply: string): boolean {
    this.#tokens ||= reply.split('.').length
    if (this.#tokens < 9) return false
    const end = this.#tokens >= 12 ? reply.lastIndexOf('.') : reply.length
    const pending = reply.lastIndexOf('.', end - 1)
    const time = reply.lastIndexOf('.', pending - 1)
    const sequence = reply.lastIndexOf('.', time - 1)
    const revision = reply.lastIndexOf('.', sequence - 1)
    this.pending = digits(reply, pending + 1, end)
    // Nanoseconds, and the last six digits make no millisecond.
    this.createdMs = digits(reply, time + 1, Math.max(time + 1, pending - 6))
    this.sequence = digits(reply, sequence + 1, time)
    this.revision = digits(reply, revision + 1, sequence)
    return revision > 0
  }
}

/** True for headers of a message that says the key is gone: deleted, purged or expired. */
function saysGone(head: string): boolean {
  if (!head.includes('KV-Operation') && !head.includes('Nats-Marker-Reason')) return false
  return /^(KV-Operation: *(DEL|PURGE)|Nats-Marker-Reason: *\S+) *$/m.test(head.replaceAll('\r', ''))
}

function digits(text: string, start: number, end: number): number {
  let value = 0
  for (let index = start; index < end; index++) value = value * 10 + text.charCodeAt(index) - 48
  return value
}
