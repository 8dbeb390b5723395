import * as Flags from '@oclif/core/flags'

import {UsageError} from '../errors.js'
import {expandHome} from '../files/paths.js'
import {writeFileAtomic} from '../files/write-file.js'

/** A file that a result is written to. */
export const outputFileFlag = Flags.custom({helpValue: 'FILE', parse: (text) => Promise.resolve(text)})

/** Writes a text that holds no secret; the line says where it is. Throws a UsageError where it cannot. */
export async function writeOutput(file: string, text: string): Promise<string> {
  try {
    await writeFileAtomic(expandHome(file), text, {mode: 0o644})
  } catch (cause) {
    throw new UsageError(`The file '${file}' cannot be written.`, {details: {file}, cause})
  }
  return `Wrote '${file}'.`
}
