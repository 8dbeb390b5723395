import {randomBytes} from 'node:crypto'
import {open, rename, rm, stat} from 'node:fs/promises'
import {dirname} from 'node:path'

import {ConflictError, ConnectionError} from '../errors.js'
import {readText} from './config-file.js'

export interface ReplaceOptions {
  /** What the file must still hold; undefined: it must not exist yet. */
  readonly expected: string | undefined
  /** A file that lends mode and owner to a new one. */
  readonly model: string
}

/**
 * Writes a whole file at once, with mode and owner as they were, so that the server can still read it. Throws a
 * FileMovedError when somebody else wrote it meanwhile, and an UnwritableFileError when it cannot be done.
 */
export async function replaceFile(path: string, text: string, {expected, model}: ReplaceOptions): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const {mode, uid, gid} = await stat(expected === undefined ? model : path)
    {
      await using file = await open(temporary, 'wx', 0o600)
      await file.writeFile(text)
      const own = await file.stat()
      if (own.uid !== uid || own.gid !== gid) await file.chown(uid, gid)
      await file.chmod(mode & 0o777)
      await file.sync()
    }
    if ((await readText(path)) !== expected) throw new FileMovedError(path)
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await rm(temporary, {force: true}).catch(() => undefined)
    if (error instanceof FileMovedError) throw error
    throw new UnwritableFileError(path, error)
  }
}

/** Without it a power cut may bring the old file back, although its servers run the new one. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  // Some file systems cannot.
  await handle.sync().catch(() => undefined)
}

/** Somebody wrote the file after we had read it. */
export class FileMovedError extends ConflictError {
  constructor(path: string) {
    super(`The file '${path}' was changed by somebody else meanwhile, and nothing was written.`, {
      suggestions: ['Run the same command again.'],
      details: {file: path},
    })
  }
}

/** The file cannot be written here. */
export class UnwritableFileError extends ConnectionError {
  constructor(path: string, cause: unknown) {
    const {code} = cause as NodeJS.ErrnoException
    super(`The file '${path}' cannot be written${code === undefined ? '' : ` (${code})`}.`, {
      suggestions: ['--render-to DIR, and put the files in place as a user who may'],
      details: {file: path, ...(code === undefined ? {} : {code})},
      cause,
    })
  }
}
