import {constants, readFileSync, realpathSync, statSync} from 'node:fs'
import {lstat, open, realpath, type FileHandle} from 'node:fs/promises'
import {dirname, isAbsolute, relative, resolve, sep} from 'node:path'

import {ConnectionError} from '../errors.js'
import {expandPath, unsetVariables} from '../files/expand.js'

/** What a file is for, and where it may lie. */
export interface FileRules {
  /** What the sentences call it, such as `creds file`. */
  readonly purpose: string
  /** Folder of an untrusted context: nothing outside it is read, and its paths are relative to it. */
  readonly confinedTo?: string | undefined
}

/** A file that was read, and the path by which it can be read again. */
export interface SecretFile {
  readonly text: string
  readonly path: string
}

const largestBytes = 1 << 20

/** Scheme of a value that is a path or a reference, in lower case; undefined when it is a bare path. */
export function pathScheme(value: string): string | undefined {
  // One letter is a drive; `data:` is the only known scheme without slashes.
  return /^(?:(data):|([a-z][a-z0-9+.-]+):\/\/)/i.exec(value)?.slice(1).find(Boolean)?.toLowerCase()
}

/**
 * The absolute path that a value stands for: `file://` taken off, `~` and `$NAME` expanded. The path of an untrusted
 * context is neither expanded nor taken from outside its folder, whatever links lead there. Throws a ConnectionError.
 */
export async function checkedPath(value: string, rules: FileRules): Promise<string> {
  return (await locate(value, rules)).real
}

/** Reads a small text file; the ConnectionError names the file and what it was for, never its text. */
export async function readSecretFile(value: string, rules: FileRules): Promise<SecretFile> {
  const {path, real} = await locate(value, rules)
  const confined = rules.confinedTo !== undefined
  try {
    // The user may name a pipe; one in a stranger's folder would be waited for without end.
    const flags = confined ? constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK : constants.O_RDONLY
    await using file = await open(real, flags)
    if (confined && !(await file.stat()).isFile()) throw new UnreadableFileError(value, rules, 'is no plain file')
    const text = await readText(file)
    if (text === undefined) throw new UnreadableFileError(value, rules, 'is larger than 1 MiB')
    return {text, path}
  } catch (error) {
    if (error instanceof ConnectionError) throw error
    throw new UnreadableFileError(value, rules, reasonOf(error))
  }
}

/** The present text of a file that was read before; undefined when it is gone, or is where it may no longer be read. */
export function readAgain(path: string, confinedTo: string | undefined): string | undefined {
  try {
    const real = realpathSync(path)
    if (confinedTo !== undefined && !isInside(real, realpathSync(confinedTo))) return undefined
    const status = statSync(real)
    return status.isFile() && status.size <= largestBytes ? readFileSync(real, 'utf8') : undefined
  } catch {
    return undefined
  }
}

async function locate(value: string, rules: FileRules): Promise<{path: string; real: string}> {
  const scheme = pathScheme(value)
  if (scheme !== undefined && scheme !== 'file') throw new NoPathError(scheme, rules)
  const path = value.replace(/^file:\/\//i, '')
  if (looksSecret(path)) throw new SecretAsPathError(rules)
  if (path === '' || path.includes('\0')) throw new ConnectionError(`The path of the ${rules.purpose} is empty.`)
  if (rules.confinedTo !== undefined) return confine(value, path, {...rules, confinedTo: rules.confinedTo})
  const expanded = resolve(await expandPath(path))
  return {path: expanded, real: expanded}
}

/** Also what does not exist says nothing about the world outside the folder. */
async function confine(
  value: string,
  path: string,
  rules: FileRules & {readonly confinedTo: string},
): Promise<{path: string; real: string}> {
  const folder = resolve(rules.confinedTo)
  const wanted = resolve(folder, path)
  const within = relative(folder, wanted)
  if (!isInside(wanted, folder) || within.includes('$') || within.startsWith('~')) {
    throw new ConfinedError(value, rules)
  }
  const base = await realpath(folder).catch((error: unknown) => {
    throw new UnreadableFileError(value, rules, reasonOf(error))
  })
  try {
    const real = await realpath(wanted)
    if (isInside(real, base)) return {path: wanted, real}
  } catch (error) {
    if (await staysInside(wanted, base)) throw new UnreadableFileError(value, rules, reasonOf(error))
  }
  throw new ConfinedError(value, rules)
}

/** True when a path that cannot be followed breaks off inside the folder. */
async function staysInside(path: string, base: string): Promise<boolean> {
  for (let part = path; ; part = dirname(part)) {
    const real = await realpath(part).catch(() => undefined)
    if (real !== undefined) return real === base || isInside(real, base)
    const link = await lstat(part).then(
      (status) => status.isSymbolicLink(),
      () => false,
    )
    if (link || part === dirname(part)) return false
  }
}

function isInside(path: string, folder: string): boolean {
  const within = relative(folder, path)
  return within !== '' && within !== '..' && !within.startsWith(`..${sep}`) && !isAbsolute(within)
}

async function readText(file: FileHandle): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of file.createReadStream({
    autoClose: false,
    highWaterMark: 1 << 16,
  }) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > largestBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * True for what must not be shown as a path or a name: secrets get there when a variable holds a file's text in place
 * of its path. Public keys stand in the names of key files.
 */
export function looksSecret(text: string): boolean {
  if (/[\n\r]|-----BEGIN|eyJ[\w-]{8,}/.test(text)) return true
  return [...text.matchAll(/[A-Z2-7]{40,}/g)].some(([run]) => !/^[ACMNOUV][A-Z2-7]{55}$/.test(run))
}

/** The code says enough; the error's own text would show what variables hold. */
function reasonOf(error: unknown): string {
  const {code = 'unknown'} = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'does not exist'
  if (code === 'EISDIR') return 'is a folder'
  return code === 'EACCES' || code === 'EPERM' ? 'may not be read by this user' : `cannot be read (${code})`
}

/** A file is not there or not readable. */
export class UnreadableFileError extends ConnectionError {
  constructor(file: string, {purpose, confinedTo}: FileRules, reason: string) {
    const unset = confinedTo === undefined && reason === 'does not exist' ? unsetVariables(file) : []
    const because = unset.length === 0 ? '' : `, and ${unset.map((name) => `'${name}'`).join(' and ')} is not set`
    super(`The ${purpose} '${file}' ${reason}${because}.`, {details: {file}})
  }
}

/** A context that is not trusted wants something from outside its folder. */
export class ConfinedError extends ConnectionError {
  constructor(file: string, {purpose}: FileRules) {
    super(`The ${purpose} '${file}' lies outside the folder of a context file that is not trusted.`, {
      suggestions: ['--trust-context, when you know who wrote the context file'],
      details: {file},
    })
  }
}

/** A secret itself stands where its file was to be named. */
export class SecretAsPathError extends ConnectionError {
  constructor({purpose}: FileRules) {
    super(`The ${purpose} is given as its text, where the path of the file belongs.`, {
      suggestions: ['Name a file, or the variable that holds the text as env://NAME.'],
    })
  }
}

/** A value of a scheme that cannot be what is wanted. */
class NoPathError extends ConnectionError {
  constructor(scheme: string, {purpose}: FileRules) {
    super(`The ${purpose} is a reference of scheme '${scheme}', where only a path can be.`, {details: {scheme}})
  }
}
