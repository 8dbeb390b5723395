import {randomBytes} from 'node:crypto'
import {link, mkdir, open, readFile, rm} from 'node:fs/promises'
import {dirname, join} from 'node:path'

import {UsageError} from '../errors.js'
import {createKey, parseSeed, type KeyKind, type SigningKey} from './nkey.js'

/** A key that lies in a file. */
export interface StoredKey {
  readonly key: SigningKey
  readonly file: string
  /** True when this call made it. */
  readonly made: boolean
}

/** Where the key lies with which a user signs modules; `config` is the user's configuration folder. */
export function userIssuerFile(config: string): string {
  return join(config, 'lattice', 'keys', 'issuer.nk')
}

/** The key with which a user signs modules, and whose modules `lattice up` accepts; made on first use. */
export async function userIssuerKey(config: string): Promise<SigningKey> {
  return (await ensureKeyFile(userIssuerFile(config), 'A')).key
}

/** Where the keys of a user's modules lie, one for each name. */
export function moduleKeyFile(config: string, name: string): string {
  return join(config, 'lattice', 'keys', 'modules', `${encodeURIComponent(name)}.nk`)
}

/**
 * The key in a file of mode 0600, made if the file is not there. Two processes at once get the same key.
 * Throws a UsageError, without any content, when the file holds something else.
 */
export async function ensureKeyFile(file: string, kind: KeyKind): Promise<StoredKey> {
  const found = await readKeyFile(file, kind)
  if (found !== undefined) return {key: found, file, made: false}
  const made = createKey(kind)
  if (await publish(file, `${made.seed}\n`)) return {key: made, file, made: true}
  const first = await readKeyFile(file, kind)
  if (first === undefined) throw new UsageError(`The key file "${file}" vanished while it was read.`)
  return {key: first, file, made: false}
}

/** The key in a file, or undefined when there is no file; throws a UsageError when it cannot be read as that key. */
export async function readKeyFile(file: string, kind: KeyKind): Promise<SigningKey | undefined> {
  try {
    return parseSeed(await readFile(file, 'utf8'), kind)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new UsageError(`The key file "${file}" cannot be read as a seed of kind ${kind}.`, {cause: error})
  }
}

/** Puts a whole file where none is; false when one is there. A link appears at once with all its bytes, a new file does not. */
async function publish(file: string, text: string): Promise<boolean> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await mkdir(dirname(file), {recursive: true, mode: 0o700})
    await using handle = await open(temporary, 'wx', 0o600)
    await handle.writeFile(text)
    await handle.sync()
    await link(temporary, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw new UsageError(`The key file "${file}" cannot be made.`, {cause: error})
  } finally {
    await rm(temporary, {force: true})
  }
}
