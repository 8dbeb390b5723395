import {randomBytes} from 'node:crypto'
import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'

import {z} from 'zod'

import {ServerError} from '../errors.js'
import {stateDir} from '../files/paths.js'
import {writeFileAtomic} from '../files/write-file.js'
import {controlKeyName, leafFolder} from '../leaf/folder.js'

export {leafFolder} from '../leaf/folder.js'

const processSchema = z.object({pid: z.number(), startTime: z.string()})

const recordSchema = z.object({
  /** Says that a folder is ours to change. */
  kind: z.literal('lattice-leaf'),
  version: z.literal(1),
  id: z.string().regex(/^[A-Za-z0-9]{10}$/),
  lattice: z.string(),
  name: z.string(),
  form: z.enum(['beside', 'account-wide']),
  sources: z.array(z.string()),
  /** Whose calls it splits: its mappings are for no other account. */
  account: z.string().optional(),
  url: z.string().optional(),
  agent: processSchema.optional(),
  server: processSchema.optional(),
  /** Set while its server is connected and it answers. */
  readyAt: z.iso.datetime().optional(),
})

/** What is known about a leaf node of this machine, as its marker file `leaf.json` holds it. */
export type LeafRecord = z.infer<typeof recordSchema>

/** Which leaf node of this machine. */
export interface LeafKey {
  readonly lattice: string
  readonly name: string
}

/** Paths of one leaf node's files; all in its folder. */
export function leafFiles(folder: string): Readonly<Record<keyof typeof fileNames, string>> {
  const entries = Object.entries(fileNames).map(([key, name]) => [key, join(folder, name)] as const)
  return Object.fromEntries(entries) as Record<keyof typeof fileNames, string>
}

const fileNames = {
  config: 'leaf.conf',
  mappings: 'lattice-mappings.conf',
  controlKey: controlKeyName,
  creds: 'user.creds',
  systemContext: 'sys.json',
  serverLog: 'server.log',
  serverPid: 'server.pid',
  agentLog: 'agent.log',
  record: 'leaf.json',
  lock: 'agent.lock',
} as const

/** The record of a leaf node of this machine; undefined where none was ever made. */
export async function readRecord(folder: string): Promise<LeafRecord | undefined> {
  const file = leafFiles(folder).record
  const text = await readFile(file, 'utf8').catch(undefinedWhenMissing)
  if (text === undefined) return undefined
  try {
    return recordSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new ServerError(`'${file}' cannot be read: it is not the record of a leaf node.`, {
      suggestions: [`ls -la ${folder}`, 'Use another --name, or move that folder away.'],
      cause,
    })
  }
}

export async function writeRecord(folder: string, record: LeafRecord): Promise<void> {
  await writeFileAtomic(leafFiles(folder).record, `${JSON.stringify(record, undefined, 2)}\n`)
}

/** The record of a leaf node, made with a name of its own where there is none; nothing is written. */
export async function openRecord(
  folder: string,
  {lattice, name, ...form}: Pick<LeafRecord, 'lattice' | 'name' | 'form' | 'sources'>,
): Promise<LeafRecord> {
  const known = await readRecord(folder)
  const {id = createId(), account} = known ?? {}
  const server = known?.server
  return {
    kind: 'lattice-leaf',
    version: 1,
    id,
    lattice,
    name,
    ...form,
    ...(account === undefined ? {} : {account}),
    ...(server === undefined ? {} : {server}),
  }
}

/** All leaf nodes that were made on this machine in a lattice, sorted by name. */
export async function listRecords(lattice: string): Promise<LeafRecord[]> {
  const entries = await readdir(join(stateDir(), 'lattice-leaf', lattice), {withFileTypes: true}).catch(() => [])
  const names = entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort()
  const records = await Promise.all(names.map((name) => readRecord(leafFolder({lattice, name}))))
  return records.filter((record) => record !== undefined)
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** A token of a subject that no other leaf node has. */
function createId(): string {
  return [...randomBytes(40)]
    .filter((byte) => byte < 4 * letters.length)
    .slice(0, 10)
    .map((byte) => letters[byte % letters.length]!)
    .join('')
    .padEnd(10, '0')
}

function undefinedWhenMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
  return undefined
}
