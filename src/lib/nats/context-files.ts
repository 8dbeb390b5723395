import {readdir, readFile, rm} from 'node:fs/promises'
import {join} from 'node:path'

import {z} from 'zod'

import {NotFoundError, ServerError, UsageError} from '../errors.js'
import {configDir} from './paths.js'
import {writeFileAtomic} from './write-file.js'

/** The fields of natscli's context files that are used here; others are kept as they are. */
const natsContextSchema = z.looseObject({
  description: z.string().optional(),
  url: z.string().optional(),
  token: z.string().optional(),
  user: z.string().optional(),
  password: z.string().optional(),
  creds: z.string().optional(),
  nkey: z.string().optional(),
  cert: z.string().optional(),
  key: z.string().optional(),
  ca: z.string().optional(),
  jetstream_domain: z.string().optional(),
  jetstream_api_prefix: z.string().optional(),
  inbox_prefix: z.string().optional(),
  user_jwt: z.string().optional(),
  user_seed: z.string().optional(),
  tls_first: z.boolean().optional(),
})

/** What natscli's files cannot hold; lies beside them, under our own folder. */
const latticeContextSchema = z.looseObject({
  lattice: z.string().optional(),
  dialect: z.enum(['v0', 'v1']).optional(),
  sysContext: z.string().optional(),
  operatorKeyFile: z.string().optional(),
  nscStore: z.string().optional(),
  clusterSeedFile: z.string().optional(),
  protected: z.boolean().optional(),
})

export type NatsContextFile = z.infer<typeof natsContextSchema>
export type LatticeContextFile = z.infer<typeof latticeContextSchema>

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
  const nats = await readJson(natsPath(name), natsContextSchema)
  if (nats === undefined) {
    const known = await listContexts()
    throw new NotFoundError(`No context '${name}'.`, {
      suggestions: known.length > 0 ? known.map((known) => `--context ${known}`) : ['lattice up', 'nats context add'],
      details: {context: name},
    })
  }
  return {name, nats, lattice: (await readJson(latticePath(name), latticeContextSchema)) ?? {}}
}

/** Writes a context, keeping the fields of an existing one that are not given. */
export async function writeContext(name: string, nats: NatsContextFile, lattice?: LatticeContextFile): Promise<void> {
  checkName(name)
  await mergeJson(natsPath(name), nats, natsContextSchema)
  if (lattice !== undefined) await mergeJson(latticePath(name), lattice, latticeContextSchema)
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

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch(undefinedWhenMissing)
  if (text === undefined) return undefined
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    // The cause may quote the file, which may hold a password.
    throw new ServerError(`The context file '${path}' cannot be read: it is not valid JSON of the known form.`)
  }
}

async function mergeJson<T extends object>(path: string, fields: T, schema: z.ZodType<T>): Promise<void> {
  const present = (await readJson(path, schema)) ?? {}
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
