import {readFile} from 'node:fs/promises'

import {z} from 'zod'

import {ConflictError, ServerError, UsageError} from '../errors.js'
import {writeFileAtomic} from '../files/write-file.js'
import {routeSchema, type RouteRecord} from '../records/route.js'
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

  async put(key: string, record: RouteRecord, expected: number): Promise<number> {
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

/** No records at all: a route is what is live, there is no history, and undo is not known. */
export class NoRouteStore implements RouteStore {
  list(): Promise<StoredRoute[]> {
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
