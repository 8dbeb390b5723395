/** Reads MessagePack in order; `failed` turns true, for good, at the first byte that does not fit. */
export class Reader {
  failed: bool = false
  /** Where the last text or binary value is, and its length. */
  start: usize = 0
  length: i32 = 0
  private at: usize
  private end: usize

  constructor(bytes: ArrayBuffer) {
    this.at = changetype<usize>(bytes)
    this.end = this.at + bytes.byteLength
  }

  /** Entries of the map that starts here. */
  mapSize(): i32 {
    const type = this.byte()
    if ((type & 0xf0) == 0x80) return type & 0x0f
    if (type == 0xde) return this.number(2)
    if (type == 0xdf) return this.number(4)
    this.failed = true
    return 0
  }

  /** Takes a text or binary value; nil is an empty one. */
  value(): void {
    const type = this.byte()
    if ((type & 0xe0) == 0xa0) this.take(type & 0x1f)
    else if (type == 0xc4 || type == 0xd9) this.take(this.number(1))
    else if (type == 0xc5 || type == 0xda) this.take(this.number(2))
    else if (type == 0xc6 || type == 0xdb) this.take(this.number(4))
    else if (type == 0xc0) this.take(0)
    else this.failed = true
  }

  text(): string {
    this.value()
    return this.failed ? '' : String.UTF8.decodeUnsafe(this.start, this.length)
  }

  /** Passes over one value of any kind, with all that is in it. */
  skip(): void {
    // Counting what is left instead of recursing: a deep value must not overflow the stack.
    for (let left: i64 = 1; left > 0 && !this.failed; left--) left += this.skipOne()
  }

  /** Passes over the head of a value and returns how many values are in it. */
  private skipOne(): i64 {
    const type = this.byte()
    if (type < 0x80 || type >= 0xe0) return 0
    if (type < 0x90) return 2 * (type & 0x0f)
    if (type < 0xa0) return type & 0x0f
    if (type < 0xc0) return this.pass(type & 0x1f)
    switch (type) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return 0
      case 0xc4:
      case 0xd9:
        return this.pass(this.number(1))
      case 0xc5:
      case 0xda:
        return this.pass(this.number(2))
      case 0xc6:
      case 0xdb:
        return this.pass(this.number(4))
      case 0xc7:
        return this.pass(this.number(1) + 1)
      case 0xc8:
        return this.pass(this.number(2) + 1)
      case 0xc9:
        return this.pass(this.number(4) + 1)
      case 0xcc:
      case 0xd0:
        return this.pass(1)
      case 0xcd:
      case 0xd1:
      case 0xd4:
        return this.pass(2)
      case 0xd5:
        return this.pass(3)
      case 0xca:
      case 0xce:
      case 0xd2:
        return this.pass(4)
      case 0xd6:
        return this.pass(5)
      case 0xcb:
      case 0xcf:
      case 0xd3:
        return this.pass(8)
      case 0xd7:
        return this.pass(9)
      case 0xd8:
        return this.pass(17)
      case 0xdc:
        return this.number(2)
      case 0xdd:
        return this.number(4)
      case 0xde:
        return 2 * (this.number(2) as i64)
      case 0xdf:
        return 2 * (this.number(4) as i64)
      default:
        this.failed = true
        return 0
    }
  }

  private pass(length: i32): i64 {
    this.take(length)
    return 0
  }

  private take(length: i32): void {
    if (length < 0 || this.failed || (length as usize) > this.end - this.at) {
      this.failed = true
      length = 0
    }
    this.start = this.at
    this.length = length
    this.at += length
  }

  private byte(): u8 {
    if (this.failed || this.at >= this.end) {
      this.failed = true
      return 0xc1
    }
    return load<u8>(this.at++)
  }

  /** A number of that many bytes; more than 31 bits cannot be a length here. */
  private number(bytes: i32): i32 {
    let value: u32 = 0
    for (let index = 0; index < bytes; index++) value = (value << 8) | this.byte()
    if ((value as i32) < 0) this.failed = true
    return value as i32
  }
}
