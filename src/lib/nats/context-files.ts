import {existsSync} from 'node:fs'
import {readdir, readFile, realpath, rm} from 'node:fs/promises'
import {dirname, join, resolve} from 'node:path'

import {shellWord} from '../entity/require.js'
import {ConnectionError, NotFoundError, UsageError} from '../errors.js'
import {configDir, expandHome} from '../files/paths.js'
import {writeFileAtomic} from '../files/write-file.js'
import {parseLossless} from '../keys/token.js'
import {fieldsBeside} from './context-fields.js'

/** natscli's context file: the fields used here; others are kept as they are. */
export interface NatsContextFile {
  readonly description?: string
  readonly url?: string
  readonly token?: string
  readonly user?: string
  readonly password?: string
  readonly creds?: string
  readonly nkey?: string
  readonly cert?: string
  readonly key?: string
  readonly ca?: string
  readonly jetstream_domain?: string
  readonly jetstream_api_prefix?: string
  readonly inbox_prefix?: string
  readonly user_jwt?: string
  readonly user_seed?: string
  readonly tls_first?: boolean
  readonly socks_proxy?: string
  readonly nsc?: string
  readonly [foreign: string]: unknown
}

/** What natscli's files cannot hold; lies beside them, under our own folder. */
export interface LatticeContextFile {
  readonly lattice?: string
  readonly dialect?: 'v0' | 'v1'
  readonly sysContext?: string
  readonly sysAccountKeyFile?: string
  readonly operatorKeyFile?: string
  readonly nscStore?: string
  readonly clusterSeedFile?: string
  readonly protected?: boolean
  readonly [foreign: string]: unknown
}

const booleans = new Set(['tls_first', 'protected'])
const strings = new Set([
  ...['description', 'url', 'token', 'user', 'password', 'creds', 'nkey', 'cert', 'key', 'ca', 'jetstream_domain'],
  ...['jetstream_api_prefix', 'jetstream_event_prefix', 'inbox_prefix', 'user_jwt', 'user_seed', 'socks_proxy', 'nsc'],
  ...['color_scheme', 'windows_cert_store', 'windows_cert_match_by', 'windows_cert_match'],
  ...['lattice', 'dialect', 'sysContext', 'sysAccountKeyFile', 'operatorKeyFile', 'nscStore', 'clusterSeedFile'],
])

/** One context: natscli's file and ours. */
export interface Context {
  /** As it was asked for: a name, or the path of a file. */
  readonly name: string
  readonly nats: NatsContextFile
  readonly lattice: LatticeContextFile
  /** Folder beyond which nothing is read for it, when it was given by path and is not trusted. */
  readonly confinedTo?: string
}

/** Names of all contexts, sorted; empty when there is no folder. */
export async function listContexts(): Promise<string[]> {
  const files = await readdir(contextsDir()).catch(emptyWhenMissing)
  return files
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort()
}

/** True when a context is meant by the path of its file: `./ci.json`, or `ci.json` where that file is. */
export function isContextPath(name: string): boolean {
  return name.endsWith('.json') && (/[/\\]/.test(name) || existsSync(name))
}

/**
 * Reads a context by its name or by the path of its file; throws a NotFoundError when it does not exist. A file given by
 * path may be other people's, so it is confined to its folder unless `trust` is set, and it has no part of ours.
 */
export async function readContext(name: string, {trust = false}: {trust?: boolean} = {}): Promise<Context> {
  return isContextPath(name) ? readContextFile(name, trust) : readNamedContext(name)
}

/** Reads a context by its name alone; throws a NotFoundError when it does not exist. */
export async function readNamedContext(name: string): Promise<Context> {
  checkName(name)
  const nats = await readJson<NatsContextFile>(natsPath(name))
  if (nats === undefined) throw new NoContextError(name, await listContexts())
  return {name, nats, lattice: (await readJson<LatticeContextFile>(latticePath(name))) ?? {}}
}

class NoContextError extends NotFoundError {
  constructor(name: string, known: readonly string[]) {
    super(`No context '${name}'.`, {
      suggestions:
        known.length > 0
          ? known.map((known) => `--context ${shellWord(known)}`)
          : ['lattice up', 'lattice context add NAME'],
      details: {context: name},
    })
  }
}

async function readContextFile(path: string, trust: boolean): Promise<Context> {
  const nats = await readJson<NatsContextFile>(expandHome(path))
  if (nats === undefined) {
    throw new NotFoundError(`No context file '${path}'.`, {
      suggestions: ['lattice context ls'],
      details: {context: path},
    })
  }
  const folder = dirname(resolve(expandHome(path)))
  return {name: path, nats: fieldsBeside(nats, folder), lattice: {}, ...(trust ? {} : {confinedTo: folder})}
}

/**
 * Writes a context, keeping the fields of an existing one that are not given; with `replace` it keeps only those that
 * neither tool knows.
 */
export async function writeContext(
  name: string,
  nats: NatsContextFile,
  lattice?: LatticeContextFile,
  {replace = false}: {replace?: boolean} = {},
): Promise<void> {
  checkName(name)
  await mergeJson(natsPath(name), nats, replace)
  if (lattice !== undefined) await mergeJson(latticePath(name), lattice, replace)
}

/** True when a context of this name is there. */
export function contextExists(name: string): boolean {
  checkName(name)
  return existsSync(natsPath(name))
}

/** Removes a context and, when it is the selected one, the selection; nothing happens when there is none. */
export async function removeContext(name: string): Promise<void> {
  checkName(name)
  if ((await selectedContext()) === name) await rm(selectionPath(), {force: true})
  await rm(natsPath(name), {force: true})
  await rm(latticePath(name), {force: true})
}

/** Name of the selected context, undefined when none is. */
export async function selectedContext(): Promise<string | undefined> {
  const text = await readText(selectionPath(), 'selection of the context')
  return text?.trim() || undefined
}

/** Selects a context that exists, for this tool and for `nats`; remembers the previous one as `nats` does. */
export async function selectContext(name: string): Promise<void> {
  await readNamedContext(name)
  const previous = await selectedContext()
  if (previous !== undefined && previous !== name) await writeFileAtomic(previousPath(), previous)
  await writeFileAtomic(selectionPath(), name)
}

function contextsDir(): string {
  return join(configDir(), 'nats', 'context')
}

function natsPath(name: string): string {
  return join(contextsDir(), `${name}.json`)
}

function latticePath(name: string): string {
  return join(configDir(), 'lattice', 'contexts', `${name}.json`)
}

function selectionPath(): string {
  return join(configDir(), 'nats', 'context.txt')
}

function previousPath(): string {
  return join(configDir(), 'nats', 'previous-context.txt')
}

function checkName(name: string): void {
  if (name === '' || name.startsWith('.') || name.includes('..') || /[/\\\p{C}]/u.test(name)) {
    throw new UsageError(`${JSON.stringify(name)} is not a context name.`, {suggestions: ['lattice context ls']})
  }
}

/** Checked by hand: every command reads a context, and a schema library would cost it a third of its start. */
async function readJson<T extends object>(path: string): Promise<T | undefined> {
  const text = await readText(path, 'context file')
  if (text === undefined) return undefined
  const value = parseObject(text)
  // The file may hold a password, so the sentence names the field at most.
  if (value === undefined) throw new ContextFileError(path, 'is not a JSON object')
  for (const [field, content] of Object.entries(value)) {
    const wanted = strings.has(field) ? 'string' : booleans.has(field) ? 'boolean' : undefined
    if (wanted !== undefined && content !== null && typeof content !== wanted) {
      throw new ContextFileError(path, `has a field '${field}' that is not a ${wanted}`)
    }
  }
  const {dialect} = value as {dialect?: string}
  if (dialect && dialect !== 'v0' && dialect !== 'v1') {
    throw new ContextFileError(path, "has a field 'dialect' that is neither v0 nor v1")
  }
  return value as T
}

/** A context's file is there and cannot be used. */
class ContextFileError extends ConnectionError {
  constructor(path: string, fault: string, cause?: unknown) {
    super(`The context file '${path}' ${fault}.`, {details: {file: path}, cause})
  }
}

function parseObject(text: string): object | undefined {
  try {
    // Lossless, because what others keep in the file is written back.
    const value = parseLossless(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

async function mergeJson(path: string, fields: object, replace: boolean): Promise<void> {
  const present = Object.entries((await readJson<object>(path)) ?? {})
  const kept = replace ? present.filter(([field]) => !strings.has(field) && !booleans.has(field)) : present
  const text = `${JSON.stringify({...Object.fromEntries(kept), ...fields}, undefined, 2)}\n`
  // Configuration is often a link into a folder under version control: the link stays.
  await writeFileAtomic(await realpath(path).catch(() => path), text)
}

async function readText(path: string, what: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new ConnectionError(`The ${what} '${path}' cannot be read.`, {details: {file: path}, cause: error})
  }
}

function emptyWhenMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error
  return []
}
