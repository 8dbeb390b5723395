import {createHash} from 'node:crypto'
import {constants} from 'node:fs'
import {open, realpath, stat} from 'node:fs/promises'
import {isAbsolute, resolve, sep} from 'node:path'
import {fileURLToPath} from 'node:url'

import {NotFoundError, ServerError, UnsafeError, UsageError} from '../errors.js'
import {ModuleError} from '../wasm/module-error.js'
import {readModuleClaims, type ModuleClaims} from '../wasm/module.js'

/** A module that was read and whose claims hold. */
export interface ActorArtifact {
  /** As it was asked for. */
  readonly ref: string
  readonly bytes: Uint8Array
  readonly claims: ModuleClaims
  /** SHA-256 of the bytes. */
  readonly digest: string
}

/** What a host may run. */
export interface ArtifactPolicy {
  /** Folders whose files may be opened; without one no file is. */
  readonly allowFiles: readonly string[]
  /** Public keys `A…` that may sign; without one anybody may. */
  readonly allowedIssuers: ReadonlySet<string>
}

const largestModule = 256 * 1024 * 1024

/**
 * Opens a module, `file:///path` or an absolute path, and checks its claims. Throws a sentence that shows nothing of
 * what the file holds, and that is the same for all that lies outside of the allowed folders.
 */
export async function readArtifact(ref: string, policy: ArtifactPolicy, nowMs: number): Promise<ActorArtifact> {
  const bytes = await readAllowed(pathOf(ref), policy.allowFiles)
  const claims = readModuleClaims(bytes, nowMs)
  if (policy.allowedIssuers.size > 0 && !policy.allowedIssuers.has(claims.issuer)) {
    throw new ModuleError('issuer', `it is signed by '${claims.issuer}', whose modules this host does not run`)
  }
  return {ref, bytes, claims, digest: createHash('sha256').update(bytes).digest('hex')}
}

function pathOf(ref: string): string {
  if (isAbsolute(ref)) return resolve(ref)
  if (!ref.startsWith('file:')) {
    throw new UsageError(`'${ref}' is no file: this host runs modules from file:///absolute/path.wasm only.`)
  }
  try {
    return fileURLToPath(ref)
  } catch {
    throw new UsageError(`'${ref}' is not a reference to a local file.`)
  }
}

async function readAllowed(path: string, folders: readonly string[]): Promise<Uint8Array> {
  if (folders.length === 0) {
    throw new UnsafeError('This host opens no files.', {suggestions: ['lattice host run --allow-files DIR']})
  }
  const roots = await Promise.all(folders.map((folder) => realpath(folder).catch(() => resolve(folder))))
  const real = await realpath(path).catch(() => undefined)
  const inside = (root: string): boolean => (real ?? path).startsWith(root.endsWith(sep) ? root : `${root}${sep}`)
  if (!roots.some(inside)) throw new UnsafeError(`The file '${path}' is outside of the folders this host may open.`)
  if (real === undefined) throw new NotFoundError(`There is no file '${path}' that this host can open.`)
  return readWhole(path, real)
}

/** Opens the real path without following a link, so that one put there in between leads nowhere. */
async function readWhole(path: string, real: string): Promise<Uint8Array> {
  try {
    // A pipe must not keep the host waiting for a writer.
    await using file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const found = await file.stat()
    const there = await stat(real)
    if ((await realpath(real)) !== real || there.ino !== found.ino || there.dev !== found.dev) {
      throw new UnsafeError(`The file '${path}' was moved while it was opened.`)
    }
    if (!found.isFile()) throw new UsageError(`'${path}' is not a file.`)
    if (found.size > largestModule) throw new UsageError(`The file '${path}' is too large to be a module.`)
    return await file.readFile()
  } catch (cause) {
    if (cause instanceof UsageError || cause instanceof UnsafeError) throw cause
    throw new ServerError(`The file '${path}' cannot be read.`, {cause})
  }
}
