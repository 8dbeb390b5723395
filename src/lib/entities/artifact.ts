import {readFile, stat} from 'node:fs/promises'
import {resolve} from 'node:path'
import {fileURLToPath, pathToFileURL} from 'node:url'

import type {Version} from '../entity/version.js'
import {NotFoundError, UsageError} from '../errors.js'
import {readModuleClaims} from '../wasm/module.js'
import {builtinHttpserver} from '../records/builtin.js'

/** What is to be started: the reference a host is sent, and what could be learned of it here. */
export interface Artifact {
  /** `file:///abs/path.wasm`, `builtin:httpserver` or an image reference. */
  readonly ref: string
  readonly kind: 'actor' | 'provider'
  readonly key?: string
  readonly name?: string
  readonly version?: Version
  readonly contract?: string
}

const largestModule = 256 * 1024 * 1024

/**
 * What an artifact argument means: a path becomes a file reference, and a module that can be read here is checked
 * before any host is asked. Throws when a local file is missing or is not a signed module.
 */
export async function readArtifact(text: string, nowMs: number): Promise<Artifact> {
  if (text === builtinHttpserver.ref) {
    const {ref, key, name, version, contract} = builtinHttpserver
    return {ref, kind: 'provider', key, name, version: version as Version, contract}
  }
  if (/^[a-z][a-z0-9+.-]*:/i.test(text) && !text.startsWith('file://')) return {ref: text, kind: 'actor'}
  const path = text.startsWith('file://') ? fileFromUrl(text) : resolve(text)
  const ref = pathToFileURL(path).href
  const size = await stat(path).then(
    (found) => (found.isFile() ? found.size : undefined),
    () => undefined,
  )
  if (size === undefined) {
    // The host may be on another machine, where an absolute reference can be right.
    if (text.startsWith('file://')) return {ref, kind: 'actor'}
    throw new NotFoundError(`No file '${text}'.`, {suggestions: ['Build it first, or name a file that exists.']})
  }
  if (size > largestModule) throw new UsageError(`The file '${text}' is too large to be a module.`)
  const {key, name, version} = readModuleClaims(await readFile(path), nowMs)
  return {ref, kind: 'actor', key, name, ...(version === undefined ? {} : {version})}
}

function fileFromUrl(text: string): string {
  try {
    return fileURLToPath(text)
  } catch {
    throw new UsageError(`'${text}' is not a file reference.`, {suggestions: ['file:///absolute/path.wasm']})
  }
}
