import {createHash, randomBytes, type Hash} from 'node:crypto'
import {writeSync} from 'node:fs'
import {open, rename, rm, stat} from 'node:fs/promises'

import {ServerError, UsageError} from '../errors.js'
import {expandHome} from '../files/paths.js'

/** Where the bytes of an export go: a file, or somebody who may be slow to read them. */
export type Target = Ending &
  ({readonly writeNow: (bytes: Buffer) => void} | {readonly writeLater: (bytes: Buffer) => Promise<void>})

interface Ending {
  /** Everything is there: makes it seen. */
  finish: () => Promise<void>
  /** Leaves nothing behind. */
  abandon: () => Promise<void>
}

interface Later {
  readonly buffer: Buffer
  readonly write: (bytes: Buffer) => Promise<void>
}

const chunkLength = 1 << 18
const bufferLength = chunkLength + (1 << 14)
const mostQueued = 4 << 20

/**
 * Bytes that are gathered into chunks, counted, hashed and written. A file takes each chunk at once: another thread would
 * need more time of the processors than the write does, and a new buffer for each. Other targets are written behind the
 * back of whoever adds the bytes, and what went wrong with earlier ones is thrown by later calls.
 */
export class Output {
  readonly #target: Target
  readonly #hash: Hash = createHash('sha256')
  readonly #free: Buffer[] = []
  #buffer: Buffer = Buffer.allocUnsafeSlow(bufferLength)
  #view = new DataView(this.#buffer.buffer)
  #at = 0
  #queue: Promise<void> = Promise.resolve()
  #queued = 0
  #failure: unknown
  bytes = 0

  constructor(target: Target) {
    this.#target = target
  }

  add(text: string): void {
    // UTF-8 has at most three bytes for each unit of a text.
    const buffer = this.reserve(text.length * 3)
    this.advance(buffer.write(text, this.#at, 'utf8'))
  }

  /** A buffer with room for so many bytes at `position`; `advance` says how many there are. */
  reserve(bytes: number): Buffer {
    if (this.#at + bytes > this.#buffer.length) {
      this.#flush()
      if (bytes > this.#buffer.length) this.#use(Buffer.allocUnsafeSlow(bytes))
    }
    return this.#buffer
  }

  /** Of the buffer that `reserve` gave. */
  get view(): DataView {
    return this.#view
  }

  get position(): number {
    return this.#at
  }

  advance(bytes: number): void {
    this.#at += bytes
    if (this.#at >= chunkLength) this.#flush()
  }

  /** Resolves when the target is not too far behind. */
  async hold(): Promise<void> {
    while (this.#queued > mostQueued) await this.#queue
  }

  /** Writes the last line, which says what all before it comes to. */
  async finish(lastLine: (sha256: string) => string): Promise<string> {
    this.#flush()
    const sha256 = this.#hash.copy().digest('hex')
    this.add(lastLine(sha256))
    this.#flush()
    await this.#queue
    this.#throwFailure()
    await this.#target.finish()
    return sha256
  }

  async abandon(): Promise<void> {
    await this.#queue
    await this.#target.abandon()
  }

  #flush(): void {
    this.#throwFailure()
    if (this.#at === 0) return
    const buffer = this.#buffer
    const bytes = buffer.subarray(0, this.#at)
    this.#at = 0
    this.#hash.update(bytes)
    this.bytes += bytes.length
    const target = this.#target
    if ('writeNow' in target) {
      target.writeNow(bytes)
      if (buffer.length !== bufferLength) this.#use(Buffer.allocUnsafeSlow(bufferLength))
      return
    }
    this.#use(this.#free.pop() ?? Buffer.allocUnsafeSlow(bufferLength))
    this.#queued += bytes.length
    this.#queue = this.#queue.then(() => this.#write(bytes, {buffer, write: target.writeLater}))
  }

  #use(buffer: Buffer): void {
    this.#buffer = buffer
    this.#view = new DataView(buffer.buffer)
  }

  async #write(bytes: Buffer, {buffer, write}: Later): Promise<void> {
    try {
      if (this.#failure === undefined) await write(bytes)
    } catch (error) {
      this.#failure = error
    }
    this.#queued -= bytes.length
    if (buffer.length === bufferLength) this.#free.push(buffer)
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure as Error
  }
}

/** JSON lines without characters that a terminal would obey; they parse to the same values. */
export function printableJson(text: string): string {
  return text.replace(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

/** The reader of stdout went away and wants no more. */
export class ReaderGoneError extends ServerError {
  constructor(cause: unknown) {
    super('Nobody reads the output any more.', {cause})
  }
}

/** A file that is not there before it is whole; readable by its owner only. Throws a UsageError that names it. */
export async function fileTarget(path: string): Promise<Target> {
  const file = expandHome(path)
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`
  const failed = (cause: unknown): UsageError => {
    const {code = 'unknown'} = cause as NodeJS.ErrnoException
    return new UsageError(`The file ${JSON.stringify(path)} cannot be written: ${code}.`, {
      details: {file: path},
      cause,
    })
  }
  try {
    if ((await stat(file).catch(() => undefined))?.isDirectory()) {
      throw Object.assign(new Error('a folder'), {code: 'EISDIR'})
    }
    const handle = await open(temporary, 'wx', 0o600)
    return {
      writeNow: (bytes) => {
        try {
          for (let at = 0; at < bytes.length;) at += writeSync(handle.fd, bytes, at)
        } catch (cause) {
          throw failed(cause)
        }
      },
      finish: async () => {
        await handle.sync()
        await handle.close()
        await rename(temporary, file)
      },
      abandon: async () => {
        await handle.close().catch(() => undefined)
        await rm(temporary, {force: true})
      },
    }
  } catch (cause) {
    throw failed(cause)
  }
}

/** The stdout of this process. */
export function stdoutTarget(): Target {
  const {stdout} = process
  return {
    writeLater: async (bytes) => {
      if (!stdout.write(bytes) && stdout.errored === null) {
        await new Promise<void>((resolve) => {
          for (const event of ['drain', 'error', 'close']) stdout.once(event, () => resolve())
        })
      }
      if (stdout.errored) throw new ReaderGoneError(stdout.errored)
    },
    finish: () => Promise.resolve(),
    abandon: () => Promise.resolve(),
  }
}
