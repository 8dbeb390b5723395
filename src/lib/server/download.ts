import {createHash} from 'node:crypto'

import {ConnectionError, ServerError} from '../errors.js'

export interface DownloadLimits {
  /** Milliseconds until the response must have begun. */
  readonly connectTimeoutMs: number
  /** Milliseconds between two pieces of the body. */
  readonly stallTimeoutMs: number
  readonly maxBytes: number
}

/**
 * Downloads into memory. Throws a ConnectionError when the place cannot be reached or the transfer ends early or
 * stalls, a ServerError when it answers with anything but the file.
 */
export async function download(url: string, limits: DownloadLimits): Promise<Buffer> {
  const stop = new AbortController()
  let timer = setTimeout(() => stop.abort(), limits.connectTimeoutMs)
  let received = 0
  try {
    const response = await fetch(url, {signal: stop.signal, redirect: 'follow'})
    if (!response.ok || response.body === null) throw new ServerError(`'${url}' answered ${response.status}.`)
    const pieces: Uint8Array[] = []
    for await (const piece of response.body as AsyncIterable<Uint8Array>) {
      clearTimeout(timer)
      timer = setTimeout(() => stop.abort(), limits.stallTimeoutMs)
      received += piece.length
      if (received > limits.maxBytes) throw new ServerError(`'${url}' is larger than ${limits.maxBytes} bytes.`)
      pieces.push(piece)
    }
    return Buffer.concat(pieces)
  } catch (cause) {
    if (cause instanceof ServerError) throw cause
    const reason = stop.signal.aborted ? 'no answer in time' : describe(cause)
    throw new ConnectionError(`Could not download '${url}': ${reason}.`, {cause})
  } finally {
    clearTimeout(timer)
    stop.abort()
  }
}

/** Lower-case hex SHA-256. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Sum of each file name in a SHA256SUMS file; other lines are ignored. */
export function parseSums(text: string): ReadonlyMap<string, string> {
  const sums = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^([0-9a-f]{64})\s+\*?(\S+)\s*$/i.exec(line)
    if (match?.[1] !== undefined && match[2] !== undefined) sums.set(match[2], match[1].toLowerCase())
  }
  return sums
}

/** Throws a ServerError unless the bytes have that SHA-256. */
export function checkSum(bytes: Uint8Array, name: string, expected: string): void {
  const actual = sha256(bytes)
  if (actual === expected) return
  throw new ServerError(`'${name}' was refused: its checksum is wrong or it was cut short.`, {
    details: {name, expected, actual},
  })
}

function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return String(cause)
  return (cause as NodeJS.ErrnoException).code ?? cause.message
}
