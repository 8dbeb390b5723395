import {access, constants} from 'node:fs/promises'
import {relative, resolve} from 'node:path'

import {UsageError} from '../errors.js'
import {expandHome} from '../files/paths.js'

/** A file of users as a configuration in a folder includes it; a server takes paths as relative to the file they stand in. */
export async function relativeTo(folder: string, file: string): Promise<string> {
  const path = resolve(expandHome(file))
  try {
    await access(path, constants.R_OK)
  } catch (cause) {
    throw new UsageError(`The users file '${file}' cannot be read.`, {
      suggestions: ["A file with a line such as: users: [{user: app, password: '…'}]"],
      details: {file},
      cause,
    })
  }
  return relative(folder, path)
}
