import {createHash} from 'node:crypto'
import {open, type FileHandle} from 'node:fs/promises'

import {UsageError} from '../errors.js'
import {expandHome} from '../files/paths.js'
import {BundleRefusedError, reasons, type BundleAllowance} from './bundle-errors.js'

const chunkLength = 1 << 18
const tailLength = 1 << 12

/** Bytes to import, and what is known of them. */
export interface Source {
  /** As a sentence begins with it. */
  readonly name: string
  /** Bytes in all; undefined while nobody knows. */
  readonly size: number | undefined
  /** Every byte is as it was exported. */
  readonly verified: boolean
  chunks: () => AsyncGenerator<Buffer>
  close: () => Promise<void>
}

/**
 * Opens a file, whose checksum is checked before anything else is done with it, or stdin. Throws a UsageError when it
 * cannot be read, and a BundleRefusedError for what is cut off or changed unless that is allowed.
 */
export async function openSource(file: string, allow: readonly BundleAllowance[]): Promise<Source> {
  if (file === '-') return openStdin()
  const name = `The file ${JSON.stringify(file)}`
  const failed = (cause: unknown): UsageError => {
    const {code = 'unknown'} = cause as NodeJS.ErrnoException
    return new UsageError(`${name} cannot be read: ${code}.`, {details: {file}, cause})
  }
  const handle = await open(expandHome(file)).catch((cause: unknown) => {
    throw failed(cause)
  })
  try {
    const info = await handle.stat()
    if (info.isDirectory()) throw failed({code: 'EISDIR'})
    // A pipe with a name can be read only once.
    const whole = info.isFile()
    const problem = whole ? await findProblem(handle, info.size) : undefined
    if (problem !== undefined && !allow.includes(problem)) {
      throw new BundleRefusedError(name, {word: problem, reason: reasons[problem]})
    }
    return {
      name,
      size: whole ? info.size : undefined,
      verified: whole && problem === undefined,
      chunks: () => readChunks(handle, whole),
      close: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

function openStdin(): Source {
  if (process.stdin.isTTY) {
    throw new UsageError('Stdin is a terminal, so no records can be read from it.', {
      suggestions: ['Name a file, or pipe an export in.'],
    })
  }
  return {
    name: 'Stdin',
    size: undefined,
    verified: false,
    chunks: async function* () {
      for await (const chunk of process.stdin) yield chunk as Buffer
    },
    close: () => {
      process.stdin.destroy()
      return Promise.resolve()
    },
  }
}

/** Reads ahead, so that the disk and whoever takes the chunks work at the same time. Every chunk is a buffer of its own. */
async function* readChunks(handle: FileHandle, positioned: boolean): AsyncGenerator<Buffer> {
  let position = 0
  const read = async (): Promise<Buffer> => {
    const buffer = Buffer.allocUnsafeSlow(chunkLength)
    const {bytesRead} = await handle.read(buffer, 0, chunkLength, positioned ? position : null)
    position += bytesRead
    return buffer.subarray(0, bytesRead)
  }
  let next = read()
  for (;;) {
    const chunk = await next
    if (chunk.length === 0) return
    next = read()
    // Whoever takes no more leaves it behind.
    next.catch(() => undefined)
    yield chunk
  }
}

/** What is wrong with a file as a whole. */
async function findProblem(handle: FileHandle, size: number): Promise<'incomplete' | 'altered' | undefined> {
  const tail = Buffer.alloc(Math.min(size, tailLength))
  await handle.read(tail, 0, tail.length, size - tail.length)
  const found = findTrailer(tail.toString('latin1'))
  if (found === undefined) return 'incomplete'
  const end = size - tail.length + found.start
  const hash = createHash('sha256')
  let position = 0
  for await (const chunk of readChunks(handle, true)) {
    hash.update(position + chunk.length > end ? chunk.subarray(0, Math.max(0, end - position)) : chunk)
    position += chunk.length
    if (position >= end) break
  }
  return hash.digest('hex') === found.sha256 ? undefined : 'altered'
}

/** Where the last line or document begins, and the checksum in it. */
function findTrailer(tail: string): {readonly start: number; readonly sha256: string} | undefined {
  const [line, sha256] = /\{"end":\{"count":\d+,"sha256":"([0-9a-f]{64})"\}\}\n$/.exec(tail) ?? []
  if (line !== undefined) return {start: tail.length - line.length, sha256: sha256!}
  const [document, digest] = /---\nend:\n {2}count: \d+\n {2}sha256: "?([0-9a-f]{64})"?\n$/.exec(tail) ?? []
  return document === undefined ? undefined : {start: tail.length - document.length, sha256: digest!}
}
