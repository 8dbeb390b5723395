import {readFile} from 'node:fs/promises'
import {text} from 'node:stream/consumers'

import {UsageError} from '../errors.js'
import {expandHome} from './paths.js'

/** The text of a file, or of stdin for `-`; a UsageError that names the file and what it was for. */
export async function readInput(file: string, purpose: string): Promise<string> {
  if (file === '-') {
    if (process.stdin.isTTY) {
      throw new UsageError(`Stdin is a terminal, so no ${purpose} can be read from it.`, {
        suggestions: [`Pipe the ${purpose} in, or name a file.`],
      })
    }
    return text(process.stdin)
  }
  try {
    return await readFile(expandHome(file), 'utf8')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read'
    throw new UsageError(`The ${purpose} file '${file}' ${reason}.`, {details: {file}, cause})
  }
}
