import {readdir, rm, stat} from 'node:fs/promises'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'

import {askApi, jetStream} from '../cache/jetstream.js'
import type {Clock} from '../clock.js'
import type {ControlClient} from '../control/client.js'
import {discover} from '../control/discover.js'
import {ConflictError, ConnectionError, LatticeError, TimeoutError, UsageError} from '../errors.js'
import {cacheDir} from '../files/paths.js'
import {writeFileAtomic} from '../files/write-file.js'
import type {ConnectSpec} from '../nats/spec.js'
import {withFileErrors} from '../server/file-error.js'
import {withLock} from '../server/lock.js'
import {discoverServices} from '../services/discover.js'
import {formatNames, linesOf, type NameLine} from './names.js'

/** Where names are asked for; nothing is looked at before it is this process's turn. */
export interface NamesFrom {
  readonly spec: () => Promise<ConnectSpec>
  readonly open: (spec: ConnectSpec) => Promise<NameSource>
}

/** What is asked for names. */
export interface NameSource extends AsyncDisposable {
  readonly spec: ConnectSpec
  readonly connection: NatsConnection
  control: () => Promise<ControlClient>
}

export interface RefreshOptions {
  /** Name of the file, below the folder of names. */
  readonly file: string
  /** What the names are asked for, as the shell wrote it; it looks for the same line again. */
  readonly key: string
  readonly clock: Clock
  /** Longest time in all, in milliseconds. */
  readonly timeoutMs: number
}

export interface Refreshed {
  readonly file: string
  /** How many names there are. */
  readonly names: number
  /** False when another process is at it. */
  readonly changed: boolean
}

const keptMs = 7 * 24 * 3_600_000

/**
 * Asks a lattice for its names and writes them for the shell; one process at a time does. Throws when the lattice cannot
 * be reached or takes longer than it may, and leaves the file as it was.
 */
export async function refreshNames(options: RefreshOptions, from: NamesFrom): Promise<Refreshed> {
  const {file, key, clock, timeoutMs} = options
  if (!/^names-[A-Za-z0-9._-]{1,200}$/.test(file))
    throw new UsageError(`${JSON.stringify(file)} is not a file of names.`)
  if (key === '' || /\p{C}/u.test(key)) throw new UsageError('The key is not one line of text.')
  const path = join(namesFolder(), file)
  const work = async (): Promise<Refreshed> => {
    const names = await inTime(askNames(from), timeoutMs)
    await writeFileAtomic(path, formatNames(key, Math.floor(clock.now() / 1000), names))
    await removeOld(clock.now() - keptMs)
    return {file: path, names: names.length, changed: true}
  }
  try {
    return await withFileErrors(`The names cannot be kept in '${namesFolder()}'`, () =>
      withLock(`${path}.lock`, {clock, waitMs: 0}, work),
    )
  } catch (error) {
    if (error instanceof ConflictError) return {file: path, names: 0, changed: false}
    throw error
  }
}

function namesFolder(): string {
  return join(cacheDir(), 'lattice', 'completion')
}

async function askNames({spec: resolve, open}: NamesFrom): Promise<NameLine[]> {
  const spec = await resolve()
  // 1Password asks the person at the terminal, who has asked for nothing yet.
  if (/"op:\/\//i.test(JSON.stringify(spec))) {
    throw new ConnectionError("Names are not looked up with credentials of 'op', which would ask for a finger print.")
  }
  await using source = await open(spec)
  const {lattice, timeoutMs} = source.spec
  const [{entities, ...rest}, services, lattices] = await Promise.all([
    source.control().then((control) => discover(control)),
    discoverServices(source.connection, {lattice, timeoutMs}).catch(noneIfFailed),
    latticesOf(source),
  ])
  const discovery = {...rest, entities: [...entities, ...services]}
  return linesOf({discovery, lattices: [...new Set([...lattices, source.spec.lattice])].sort()})
}

/** Who may not ask for services completes none. */
function noneIfFailed(error: unknown): [] {
  if (error instanceof LatticeError) return []
  throw error
}

/** Lattices whose buckets are on this account; none where JetStream is not, or not for this user. */
async function latticesOf({connection, spec}: NameSource): Promise<string[]> {
  try {
    const {fields} = await askApi(jetStream(connection, spec), 'STREAM.NAMES', {subject: '$KV.*.>'})
    const streams = Array.isArray(fields['streams']) ? fields['streams'] : []
    return streams.flatMap((name) => {
      const [, lattice] = typeof name === 'string' ? (/^KV_LATTICEDATA_(.+)$/.exec(name) ?? []) : []
      return lattice === undefined ? [] : [lattice]
    })
  } catch (error) {
    if (error instanceof LatticeError) return []
    throw error
  }
}

async function inTime<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new TimeoutError(`The names did not come within ${timeoutMs} ms.`)), timeoutMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** What nobody asked for in a long time belongs to a lattice that is gone. */
async function removeOld(before: number): Promise<void> {
  const folder = namesFolder()
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const modified = await stat(path).then(
      ({mtimeMs}) => mtimeMs,
      () => before,
    )
    if (name.startsWith('names-') && modified < before) await rm(path, {force: true})
  }
}
