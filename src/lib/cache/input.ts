import {readFile} from 'node:fs/promises'
import {buffer} from 'node:stream/consumers'

import {UsageError} from '../errors.js'

/** Where a value comes from, as the command line says it. */
export interface ValueSource {
  /** The value itself. */
  readonly value?: string | undefined
  /** Path of a file, or `-` for stdin. */
  readonly file?: string | undefined
  /** Fields are set, so there need not be a value. */
  readonly optional?: boolean | undefined
}

/**
 * The bytes of a value: the argument's, a file's or those of stdin; undefined when none is needed and none was given.
 * Throws a UsageError; never waits for a person.
 */
export async function readValue({value, file, optional = false}: ValueSource): Promise<Uint8Array | undefined> {
  if (value !== undefined && file !== undefined)
    throw new UsageError('The value was given as an argument and by --file.')
  if (value !== undefined) return new TextEncoder().encode(value)
  if (file !== undefined && file !== '-') return readNamed(file)
  if (file === undefined && optional) return undefined
  if (process.stdin.isTTY) {
    throw new UsageError('No value was given.', {
      suggestions: ['Give it as an argument, with --file FILE, with --set path=value, or on stdin.'],
    })
  }
  return buffer(process.stdin)
}

async function readNamed(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    throw new UsageError(`The file ${JSON.stringify(file)} cannot be read: ${reason}.`, {cause})
  }
}
