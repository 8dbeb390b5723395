import {readFile} from 'node:fs/promises'

import {z} from 'zod'

import {systemClock} from '../../clock.js'
import {ConflictError, LatticeError, ServerError, UsageError} from '../../errors.js'
import {writeFileAtomic} from '../../files/write-file.js'
import {routeSchema, type RouteRecord} from '../../records/route.js'
import {withLock} from '../../server/lock.js'
import type {RouteStore, StoredRoute} from './store.js'

const fileSchema = z.object({
  format: z.literal('lattice-route-state/1'),
  revision: z.number().int().min(0),
  /** Lattice → key → the record as it is, with its revision. */
  routes: z.record(
    z.string(),
    z.record(z.string(), z.object({revision: z.number().int().min(1), record: routeSchema})),
  ),
})

type StateFile = z.infer<typeof fileSchema>

/** Writing a file takes moments. */
const longestWriteMs = 5000

const emptyState: StateFile = {format: 'lattice-route-state/1', revision: 0, routes: {}}

/** Route records in a file, for accounts without JetStream: the latest record of each route, and no history. */
export class FileRouteStore implements RouteStore {
  readonly #path: string
  readonly #lattice: string

  constructor(path: string, lattice: string) {
    this.#path = path
    this.#lattice = lattice
  }

  async list(): Promise<StoredRoute[]> {
    const {routes} = await this.#read()
    return Object.entries(routes[this.#lattice] ?? {})
      .map(([key, {record, revision}]) => ({key, record, revision}))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  /** A file that cannot be read as a whole is no state at all. */
  unreadable(): Promise<readonly string[]> {
    return Promise.resolve([])
  }

  async get(key: string): Promise<StoredRoute | undefined> {
    return (await this.list()).find((stored) => stored.key === key)
  }

  async at(key: string, revision: number): Promise<StoredRoute | undefined> {
    const stored = await this.get(key)
    return stored?.revision === revision ? stored : undefined
  }

  async history(key: string): Promise<StoredRoute[]> {
    const stored = await this.get(key)
    return stored === undefined ? [] : [stored]
  }

  /** Commands that change other routes of the file at the same time write one after the other. */
  put(key: string, record: RouteRecord, expected: number): Promise<number> {
    const lock = {clock: systemClock, waitMs: longestWriteMs}
    return writable(this.#path, () =>
      withLock(`${this.#path}.write.lock`, lock, () => this.#replace(key, record, expected)),
    )
  }

  async #replace(key: string, record: RouteRecord, expected: number): Promise<number> {
    const state = await this.#read()
    const mine = state.routes[this.#lattice] ?? {}
    const present = mine[key]?.revision ?? 0
    if (present !== expected) {
      throw new ConflictError(`The route of '${record.name}' was changed by someone else in the meantime.`, {
        suggestions: [`lattice route show ${record.name}`],
        details: {key, expected, current: present},
      })
    }
    const revision = state.revision + 1
    const routes = {...state.routes, [this.#lattice]: {...mine, [key]: {revision, record}}}
    await writeFileAtomic(this.#path, `${JSON.stringify({...state, revision, routes}, undefined, 2)}\n`, {mode: 0o600})
    return revision
  }

  async #read(): Promise<StateFile> {
    let text: string
    try {
      text = await readFile(this.#path, 'utf8')
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return emptyState
      throw new UsageError(`The file of route records '${this.#path}' cannot be read.`, {cause})
    }
    const parsed = fileSchema.safeParse(parseJson(text))
    if (parsed.success) return parsed.data
    throw new ServerError(`The file '${this.#path}' does not hold route records.`, {
      suggestions: ['Move it away, and see what is live: lattice route lint'],
    })
  }
}

/** Does work in the file's folder; throws a UsageError where the file system does not let it. */
export async function writable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof LatticeError || (cause as NodeJS.ErrnoException).syscall === undefined) throw cause
    const {code = 'no reason given'} = cause as NodeJS.ErrnoException
    throw new UsageError(`The file of route records '${path}' cannot be written: ${code}.`, {cause})
  }
}

/** No records at all: a route is what is live, there is no history, and undo is not known. */
export class NoRouteStore implements RouteStore {
  list(): Promise<StoredRoute[]> {
    return Promise.resolve([])
  }

  unreadable(): Promise<readonly string[]> {
    return Promise.resolve([])
  }

  get(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  at(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  history(): Promise<StoredRoute[]> {
    return Promise.resolve([])
  }

  put(): Promise<number> {
    return Promise.resolve(0)
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
