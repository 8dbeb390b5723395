import {access, readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'

import {z} from 'zod'

import {ServerError} from '../errors.js'
import {stateDir} from '../files/paths.js'
import {writeFileAtomic} from '../files/write-file.js'

const processSchema = z.object({pid: z.number(), startTime: z.string()})

const stateSchema = z.object({
  /** Says that a folder is ours to change and to remove. */
  kind: z.literal('lattice-embedded'),
  version: z.literal(1),
  name: z.string(),
  /** Where keys, configuration, logs and, unless named otherwise, the store lie. */
  folder: z.string(),
  storeFolder: z.string(),
  ephemeral: z.boolean(),
  port: z.number().optional(),
  operator: z.string(),
  account: z.string(),
  systemAccount: z.string(),
  /** The user's own key, whose modules the hosts accept. */
  issuer: z.string(),
  allowFiles: z.array(z.string()),
  allowedIssuers: z.array(z.string()),
  server: processSchema.extend({id: z.string().optional(), version: z.string()}).optional(),
  /** How many hosts there shall be; those that were started once are listed. */
  hostCount: z.number(),
  hosts: z.array(
    z.object({index: z.number(), id: z.string(), pid: z.number().optional(), startTime: z.string().optional()}),
  ),
})

/** What is known about one embedded lattice, as its marker file `lattice.json` holds it. */
export type EmbeddedState = z.infer<typeof stateSchema>
export type EmbeddedHost = EmbeddedState['hosts'][number]
export type EmbeddedServer = NonNullable<EmbeddedState['server']>

/** The folder in the user's state directory that stands for one embedded lattice. */
export function embeddedFolder(name: string): string {
  return join(stateDir(), 'lattice', name)
}

/** The file that whoever starts, stops or removes this lattice holds meanwhile. */
export function embeddedLock(name: string): string {
  return `${embeddedFolder(name)}.lock`
}

/** Paths of one lattice's files; all below its folder. */
export function embeddedFiles(folder: string): Readonly<Record<keyof typeof fileNames, string>> {
  const entries = Object.entries(fileNames).map(([key, name]) => [key, join(folder, name)] as const)
  return Object.fromEntries(entries) as Record<keyof typeof fileNames, string>
}

const fileNames = {
  keys: 'keys',
  operatorSeed: 'keys/operator.seed',
  operatorSigningSeed: 'keys/operator-signing.seed',
  accountSeed: 'keys/account.seed',
  systemAccountSeed: 'keys/system-account.seed',
  clusterSeed: 'keys/cluster.seed',
  creds: 'keys/user.creds',
  sysCreds: 'keys/sys.creds',
  operatorToken: 'operator.jwt',
  accounts: 'accounts',
  store: 'store',
  config: 'nats-server.conf',
  serverLog: 'nats-server.log',
  serverPid: 'nats-server.pid',
  marker: 'lattice.json',
} as const

/** The files of one host. */
export function hostFiles(folder: string, index: number): {seed: string; log: string; state: string} {
  return {
    seed: join(folder, 'keys', `host-${index}.seed`),
    log: join(folder, `host-${index}.log`),
    state: join(folder, `host-${index}.json`),
  }
}

/** Names of the two contexts of an embedded lattice. */
export function contextNames(name: string): {user: string; sys: string} {
  return {user: `lattice-${name}`, sys: `lattice-${name}-sys`}
}

/** Reads the state of a lattice; undefined when it was never made. Throws a ServerError for a folder without our mark. */
export async function readState(name: string): Promise<EmbeddedState | undefined> {
  const folder = embeddedFolder(name)
  const path = embeddedFiles(folder).marker
  const text = await readFile(path, 'utf8').catch(undefinedWhenMissing)
  if (text === undefined) {
    const files = await readdir(folder).catch(() => [])
    if (files.length === 0) return undefined
    throw new ServerError(`The folder '${folder}' holds no 'lattice.json', so it is not known to be lattice's own.`, {
      suggestions: [`ls -la ${folder}`, 'Use another --name, or move that folder away.'],
    })
  }
  try {
    return stateSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new ServerError(`'${path}' cannot be read: it is not the state of an embedded lattice.`, {cause})
  }
}

export async function writeState(state: EmbeddedState): Promise<void> {
  await writeFileAtomic(embeddedFiles(embeddedFolder(state.name)).marker, `${JSON.stringify(state, undefined, 2)}\n`)
}

/** Names of all embedded lattices that were made here, sorted. */
export async function listEmbedded(): Promise<string[]> {
  const entries = await readdir(join(stateDir(), 'lattice'), {withFileTypes: true}).catch(() => [])
  return entries.flatMap((entry) => (entry.isDirectory() && !entry.name.includes('.') ? [entry.name] : [])).sort()
}

/** True when the lattice's own folder is still there; a temp folder may be gone. */
export async function folderExists({folder}: EmbeddedState): Promise<boolean> {
  return access(embeddedFiles(folder).marker).then(
    () => true,
    () => false,
  )
}

function undefinedWhenMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
  return undefined
}
