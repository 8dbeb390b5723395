import {readFile} from 'node:fs/promises'

import {UsageError} from '../errors.js'
import {configFacts, type ConfigFacts} from './facts.js'
import {loadConfig} from './load.js'
import {resolveConfig, type Environment} from './resolve.js'

/**
 * Reads a server's configuration file and all that it includes. Throws a ConfigTextError with file, line and column for
 * what the server would not read, and a UsageError when there is no such file.
 */
export async function readConfig(path: string, env: Environment = process.env): Promise<ConfigFacts> {
  return configFacts(resolveConfig(await loadConfig(path, readText(path)), env))
}

function readText(main: string): (file: string) => Promise<string> {
  return async (file) => {
    try {
      return await readFile(file, 'utf8')
    } catch (cause) {
      if (file !== main) throw cause
      const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read'
      throw new UsageError(`The server configuration '${file}' ${reason}.`, {details: {file}, cause})
    }
  }
}
