import {readFile, stat} from 'node:fs/promises'
import {resolve} from 'node:path'
import {fileURLToPath, pathToFileURL} from 'node:url'

import type {Instance} from '../entity/entity.js'
import type {Version} from '../entity/version.js'
import {NotFoundError, UnsafeError, UsageError} from '../errors.js'
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

/** True when an instance is this very version; false when its version is unknown. */
export function sameArtifact(instance: Instance, {version}: Artifact): boolean {
  return version !== undefined && instance.version === version
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
  if (text.startsWith('builtin:')) {
    throw new NotFoundError(`No built-in artifact '${text}'.`, {
      suggestions: [`lattice start ${builtinHttpserver.ref}`],
    })
  }
  if (isImageReference(text)) {
    throw new UnsafeError(`'${text}' is an image reference, and starting from a registry is not supported yet.`, {
      suggestions: ['Start the module from a file.'],
    })
  }
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

/** `oci://…`, `https://…` or `registry.example/name:tag`. */
function isImageReference(text: string): boolean {
  if (text.startsWith('file://')) return false
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) || /^[\w-]+(\.[\w-]+)+(:\d+)?\/[\w./-]+[:@][\w:.-]+$/.test(text)
}

function fileFromUrl(text: string): string {
  try {
    return fileURLToPath(text)
  } catch {
    throw new UsageError(`'${text}' is not a file reference.`, {suggestions: ['file:///absolute/path.wasm']})
  }
}
