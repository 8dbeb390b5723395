/** Bytes that are written one after the other, in a buffer that grows. */
export class Writer {
  private buffer: ArrayBuffer = new ArrayBuffer(512)
  length: i32 = 0

  get bytes(): ArrayBuffer {
    return this.buffer
  }

  byte(value: u8): void {
    store<u8>(this.reserve(1), value)
  }

  u16(value: u16): void {
    store<u16>(this.reserve(2), bswap<u16>(value))
  }

  u32(value: u32): void {
    store<u32>(this.reserve(4), bswap<u32>(value))
  }

  /** Writes over four bytes that were written before. */
  patchU32(at: i32, value: u32): void {
    store<u32>(changetype<usize>(this.buffer) + at, bswap<u32>(value))
  }

  copy(from: usize, length: i32): void {
    memory.copy(this.reserve(length), from, length)
  }

  text(value: string): void {
    const length = String.UTF8.byteLength(value)
    String.UTF8.encodeUnsafe(changetype<usize>(value), value.length, this.reserve(length))
  }

  /** A pointer to that many bytes at the end. */
  private reserve(more: i32): usize {
    const at = this.length
    const needed = at + more
    const size = this.buffer.byteLength
    if (needed > size) {
      const larger = new ArrayBuffer(max(needed, size * 2))
      memory.copy(changetype<usize>(larger), changetype<usize>(this.buffer), at)
      this.buffer = larger
    }
    this.length = needed
    return changetype<usize>(this.buffer) + at
  }
}
