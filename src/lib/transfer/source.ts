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
  /** Records in all, as the last line says; undefined where nobody knows. */
  readonly records: number | undefined
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
    const {problem, records} = whole ? await examine(handle, info.size) : {}
    if (problem !== undefined && !allow.includes(problem)) {
      throw new BundleRefusedError(name, {word: problem, reason: reasons[problem]})
    }
    return {
      name,
      records,
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
    records: undefined,
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

interface Examined {
  readonly problem?: 'incomplete' | 'altered'
  readonly records?: number
}

/** What a file says of itself, and whether it is so. */
async function examine(handle: FileHandle, size: number): Promise<Examined> {
  const tail = Buffer.alloc(Math.min(size, tailLength))
  await handle.read(tail, 0, tail.length, size - tail.length)
  const found = findTrailer(tail.toString('latin1'))
  if (found === undefined) return {problem: 'incomplete'}
  const end = size - tail.length + found.start
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafeSlow(chunkLength)
  for (let position = 0; position < end;) {
    const {bytesRead} = await handle.read(buffer, 0, Math.min(chunkLength, end - position), position)
    if (bytesRead === 0) break
    hash.update(buffer.subarray(0, bytesRead))
    position += bytesRead
  }
  const same = hash.digest('hex') === found.sha256
  return {records: found.records, ...(same ? {} : {problem: 'altered'})}
}

interface FoundTrailer {
  /** Where the last line or document begins. */
  readonly start: number
  readonly records: number
  readonly sha256: string
}

function findTrailer(tail: string): FoundTrailer | undefined {
  const match =
    /(?<![^\n])\{"end":\{"count":(\d+),"sha256":"([0-9a-f]{64})"\}\}\n$/.exec(tail) ??
    /(?<![^\n])---\nend:\n {2}count: (\d+)\n {2}sha256: "?([0-9a-f]{64})"?\n$/.exec(tail)
  if (match === null) return undefined
  return {start: match.index, records: Number(match[1]), sha256: match[2]!}
}
