import {createHash} from 'node:crypto'
import {open} from 'node:fs/promises'

import {UsageError} from '../errors.js'
import type {LegacyStream} from './legacy.js'

/**
 * Writes a whole stream into a new file that only its owner can read, one JSON document a line: a head with the
 * configuration, the messages with their exact bytes, an end with the SHA-256 of all lines before it. Throws a
 * UsageError when the file is there already.
 */
export async function writeBackup(path: string, stream: LegacyStream, now: number): Promise<void> {
  const {name, config, last, messages} = stream
  const lines = [
    {format: 'lattice-stream-backup', version: 1, stream: name, time: new Date(now).toISOString(), last, config},
    ...messages.map(({subject, sequence, time, data}) => ({subject, sequence, time, ...contentOf(data)})),
  ].map((document) => `${JSON.stringify(document)}\n`)
  const sha256 = createHash('sha256').update(lines.join('')).digest('hex')
  const text = `${lines.join('')}${JSON.stringify({messages: messages.length, sha256})}\n`
  try {
    await using file = await open(path, 'wx', 0o600)
    await file.writeFile(text)
    await file.sync()
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    const reason = code === 'EEXIST' ? 'is there already' : `cannot be written: ${code}`
    throw new UsageError(`The backup file ${JSON.stringify(path)} ${reason}, so nothing was done.`, {
      suggestions: ['--backup OTHER-FILE'],
      details: {file: path},
      cause,
    })
  }
}

/** Text as it is, so that a person can read it; anything else in base64. */
function contentOf(data: Uint8Array): {readonly data: string} | {readonly base64: string} {
  const text = Buffer.from(data).toString('utf8')
  return Buffer.from(text, 'utf8').equals(Buffer.from(data))
    ? {data: text}
    : {base64: Buffer.from(data).toString('base64')}
}
