import {readdir, readFile, rm} from 'node:fs/promises'
import {join} from 'node:path'

import {NotFoundError, ServerError, UsageError} from '../errors.js'
import {configDir} from '../files/paths.js'
import {writeFileAtomic} from '../files/write-file.js'

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
  readonly [foreign: string]: unknown
}

/** What natscli's files cannot hold; lies beside them, under our own folder. */
export interface LatticeContextFile {
  readonly lattice?: string
  readonly dialect?: 'v0' | 'v1'
  readonly sysContext?: string
  readonly operatorKeyFile?: string
  readonly nscStore?: string
  readonly clusterSeedFile?: string
  readonly protected?: boolean
  readonly [foreign: string]: unknown
}

const booleans = new Set(['tls_first', 'protected'])
const strings = new Set([
  ...['description', 'url', 'token', 'user', 'password', 'creds', 'nkey', 'cert', 'key', 'ca', 'jetstream_domain'],
  ...['jetstream_api_prefix', 'inbox_prefix', 'user_jwt', 'user_seed'],
  ...['lattice', 'dialect', 'sysContext', 'operatorKeyFile', 'nscStore', 'clusterSeedFile'],
])

/** One context: natscli's file and ours. */
export interface Context {
  readonly name: string
  readonly nats: NatsContextFile
  readonly lattice: LatticeContextFile
}

/** Names of all contexts, sorted; empty when there is no folder. */
export async function listContexts(): Promise<string[]> {
  const files = await readdir(contextsDir()).catch(emptyWhenMissing)
  return files
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort()
}

/** Reads a context; throws a NotFoundError when it does not exist. */
export async function readContext(name: string): Promise<Context> {
  checkName(name)
  const nats = await readJson<NatsContextFile>(natsPath(name))
  if (nats === undefined) {
    const known = await listContexts()
    throw new NotFoundError(`No context '${name}'.`, {
      suggestions: known.length > 0 ? known.map((known) => `--context ${known}`) : ['lattice up', 'nats context add'],
      details: {context: name},
    })
  }
  return {name, nats, lattice: (await readJson<LatticeContextFile>(latticePath(name))) ?? {}}
}

/** Writes a context, keeping the fields of an existing one that are not given. */
export async function writeContext(name: string, nats: NatsContextFile, lattice?: LatticeContextFile): Promise<void> {
  checkName(name)
  await mergeJson(natsPath(name), nats)
  if (lattice !== undefined) await mergeJson(latticePath(name), lattice)
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
  const text = await readFile(selectionPath(), 'utf8').catch(undefinedWhenMissing)
  return text?.trim() || undefined
}

/** Selects a context that exists, for this tool and for `nats`; remembers the previous one as `nats` does. */
export async function selectContext(name: string): Promise<void> {
  await readContext(name)
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
  if (name === '' || name.startsWith('.') || /[/\\\p{C}]/u.test(name)) {
    throw new UsageError(`${JSON.stringify(name)} is not a context name.`, {suggestions: ['lattice context ls']})
  }
}

/** Checked by hand: every command reads a context, and a schema library would cost it a third of its start. */
async function readJson<T extends object>(path: string): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch(undefinedWhenMissing)
  if (text === undefined) return undefined
  const value = parseObject(text)
  // The file may hold a password, so the sentence names the field at most.
  if (value === undefined) throw new ServerError(`The context file '${path}' is not a JSON object.`)
  for (const [field, content] of Object.entries(value)) {
    const wanted = strings.has(field) ? 'string' : booleans.has(field) ? 'boolean' : undefined
    if (wanted !== undefined && content !== null && typeof content !== wanted) {
      throw new ServerError(`The field '${field}' of the context file '${path}' is not a ${wanted}.`)
    }
  }
  return value as T
}

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

async function mergeJson(path: string, fields: object): Promise<void> {
  const present = (await readJson<object>(path)) ?? {}
  await writeFileAtomic(path, `${JSON.stringify({...present, ...fields}, undefined, 2)}\n`)
}

function undefinedWhenMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
  return undefined
}

function emptyWhenMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error
  return []
}
