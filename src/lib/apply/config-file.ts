import {lstat, readFile, realpath} from 'node:fs/promises'
import {basename, dirname, join, resolve} from 'node:path'

import {configDigest} from '../conf/digest.js'
import {configFacts, type ConfigFacts} from '../conf/facts.js'
import {loadConfig} from '../conf/load.js'
import {parseMappings, type FileMappings} from '../conf/mappings-text.js'
import {resolveConfig, type Environment} from '../conf/resolve.js'
import {UsageError} from '../errors.js'
import {checkLayout} from './config-layout.js'

/** Name of the file that holds an account's mappings, beside the server's main file. */
export const defaultMappingsFile = 'lattice-mappings.conf'

/** A server's main file with the file of mappings that it includes, which is ours. */
export interface MappingFile {
  /** The main file. */
  readonly main: string
  readonly facts: ConfigFacts
  /** Our file, links resolved. */
  readonly path: string
  /** What our file holds; undefined: it does not exist. */
  readonly text: string | undefined
  readonly mappings: FileMappings
  /** What a server that runs on these files gives as its `config_digest`; undefined: not known. */
  readonly digest: string | undefined
}

export interface FileOptions {
  /** Name of the account in the file; `$G` for the top level. */
  readonly account: string
  /** A name beside the main file, or a path; default: `lattice-mappings.conf`. */
  readonly mappingsFile?: string | undefined
  readonly env?: Environment | undefined
}

/**
 * Reads a main file and our file. Throws an error with the exact edit where the account does not include our file or
 * has other mappings, an OperatorFileError where accounts are tokens, and a ConfigTextError for what cannot be read.
 */
export async function readMappingFile(main: string, options: FileOptions): Promise<MappingFile> {
  const wanted = resolve(pathOfMappings(main, options.mappingsFile))
  const text = await readText(wanted)
  const loaded = await loadConfig(main, async (file) => {
    // Our file may still have to be made; the include of it comes first.
    if (resolve(file) === wanted) return text ?? ''
    try {
      return await readFile(file, 'utf8')
    } catch (cause) {
      if (file !== main) throw cause
      throw new MissingConfigError(main, cause)
    }
  })
  // Servers often get variables from a service manager, which has not given them to us.
  const unset: string[] = []
  const root = resolveConfig(loaded, options.env ?? process.env, {onUnset: (name) => unset.push(name)})
  const facts = configFacts(root)
  checkLayout(facts, {account: options.account, wanted})
  const path = text === undefined ? wanted : await realpath(wanted)
  const digest = unset.length === 0 ? configDigest(root) : undefined
  return {main, facts, path, text, mappings: parseMappings(text ?? '', wanted), digest}
}

/** A bare name lies beside the main file. */
function pathOfMappings(main: string, mappingsFile: string = defaultMappingsFile): string {
  return basename(mappingsFile) === mappingsFile ? join(dirname(main), mappingsFile) : mappingsFile
}

/** The text of a file; undefined where there is none. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT' && !(await isLink(path))) return undefined
    throw new UsageError(`The file '${path}' cannot be read.`, {details: {file: path}, cause})
  }
}

function isLink(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}

/** There is no such server configuration. */
export class MissingConfigError extends UsageError {
  constructor(file: string, cause: unknown) {
    const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read'
    super(`The server configuration '${file}' ${reason}.`, {
      suggestions: ['--config FILE (or LATTICE_SERVER_CONFIG) with the main file of a server'],
      details: {file},
      cause,
    })
  }
}
