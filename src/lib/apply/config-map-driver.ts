import {createHash} from 'node:crypto'
import {join} from 'node:path'

import type {Clock} from '../clock.js'
import {renderMappings, type FileMappings} from '../conf/mappings-text.js'
import {ConflictError, ConnectionError, LatticeError} from '../errors.js'
import {compareVersions} from '../entity/version.js'
import {writeFileAtomic} from '../files/write-file.js'
import type {Monitoring} from '../nats/system.js'
import {formatConfigMapName, type ConfigMapName} from '../routing/config-map-name.js'
import {compareTables, type MappingTable} from '../routing/effective.js'
import {readServers} from './account-state.js'
import {applyWith} from './config-apply-with.js'
import {OperatorFileError} from './config-layout.js'
import {leafNotes} from './config-leaves.js'
import {renderConfigMap} from './config-map.js'
import {checkTable} from './config-map-check.js'
import {waitForTable, type Rollout, type RolloutEvent} from './config-map-wait.js'
import {readLoadTimes} from './config-reload.js'
import {asTokenMappings, changeMappings, predictFile} from './config-table.js'
import {
  holds,
  isLive,
  type Applied,
  type ApplyOptions,
  type Driver,
  type ReadOptions,
  type ServerView,
  type TableChange,
  type TableView,
  type WriteBack,
} from './driver.js'

/** A change that was handed over and that some servers may still not serve. */
export interface PendingChange {
  /** Whose route it is. */
  readonly name: string
  readonly change: TableChange
}

/** What the driver needs. */
export interface ConfigMapOptions {
  readonly configMap: ConfigMapName
  /** Shell command that takes the manifest; undefined: somebody else brings it to the cluster. */
  readonly applyWith: string | undefined
  /** Folder for the manifest where nothing applies it; undefined: it is printed. */
  readonly render: string | undefined
  /** How long all servers may take to load it, in milliseconds. */
  readonly waitMs: number
  /** Shows what the servers serve, which is the base of every change. */
  readonly seen: Monitoring | undefined
  readonly account: string
  readonly clock: Clock
  readonly report: (event: RolloutEvent) => void
  /** Ends the wait, and nothing else; asked for when the manifest is handed over. */
  readonly signal?: (() => AbortSignal) | undefined
  /** Whether servers differ only as they do while a change of ours is on its way; asked where they do. */
  readonly isTorn: (tables: readonly MappingTable[]) => Promise<boolean>
  /** Changes whose records say that they are on their way. */
  readonly pending: () => Promise<readonly PendingChange[]>
}

/** Longest that the command may take. */
const applyWithinMs = 60_000

/** Opens the driver for servers that mount one ConfigMap of ours. Throws a ConnectionError where nobody shows what they serve. */
export function openConfigMapDriver(options: ConfigMapOptions): Driver {
  const {seen} = options
  if (seen === undefined) throw new UnseenServersError(options.configMap)
  return new ConfigMapDriver({...options, seen})
}

type Target = ConfigMapOptions & {readonly seen: Monitoring}

class ConfigMapDriver implements Driver {
  readonly name = 'config'
  readonly form = 'config'
  readonly notes: readonly string[] = []
  readonly withinMs: number
  readonly #target: Target

  constructor(target: Target) {
    this.#target = target
    this.withinMs = target.applyWith === undefined ? 0 : target.waitMs
  }

  async read(options: ReadOptions = {}): Promise<TableView> {
    return (await readBase(this.#target, options)).view
  }

  async apply(change: TableChange, {inspect, ...options}: ApplyOptions = {}): Promise<Applied> {
    const base = await readBase(this.#target, options)
    inspect?.(base.view)
    return this.#hand(base, change)
  }

  async takeBack(
    {previous}: {readonly change: TableChange; readonly previous: TableChange},
    withinMs: number,
  ): Promise<WriteBack> {
    if (this.#target.applyWith === undefined) return 'failed'
    try {
      const base = await readBase(this.#target, {newest: true})
      const {verify} = await this.#hand(base, previous)
      return (await verify(Math.max(withinMs, this.withinMs))).outcomes.every(isLive) ? 'written' : 'failed'
    } catch (error) {
      if (error instanceof LatticeError) return 'failed'
      throw error
    }
  }

  async #hand({view, mappings}: Base, change: TableChange): Promise<Applied> {
    const {account, clock, configMap, seen} = this.#target
    await refuseLost(this.#target, view.servers, change)
    const after = changeMappings(mappings, change)
    const serverVersion = view.servers.map(({server}) => server.version).sort(compareVersions)[0]
    const checked = await checkTable({account, before: mappings, after, change, serverVersion})
    const notes = [...checked, ...(await leafNotes({seen, account}, view, change))]
    const manifest = renderConfigMap(configMap, renderMappings(after))
    // From here on Ctrl-C ends the wait alone: what the command begins it also ends.
    const signal = this.#target.applyWith === undefined ? undefined : this.#target.signal?.()
    const loaded = await readLoadTimes(seen)
    const startedAt = clock.now()
    const started = performance.now()
    const out = await this.#send(manifest)
    const table = predictFile(after)
    const rollout = {...this.#target, signal, table, change, loaded, servers: view.servers, startedAt}
    return {
      before: view,
      pushMs: Math.round((performance.now() - started) * 10) / 10,
      confirmedAt: clock.now(),
      notes: [...notes, ...out.notes],
      ...(out.rendered === undefined ? {} : {rendered: out.rendered}),
      ...(out.printed === undefined ? {} : {printed: out.printed}),
      verify: (withinMs) => this.#wait(rollout, withinMs),
    }
  }

  /** Gives the manifest to the command, or to whoever reads what we write. */
  async #send(manifest: string): Promise<Pick<Applied, 'rendered' | 'printed' | 'notes'>> {
    const {configMap, applyWith: command, render, clock, report} = this.#target
    if (command !== undefined) {
      report({kind: 'applying', configMap: formatConfigMapName(configMap)})
      const tell = (line: string): void => report({kind: 'printed', line})
      await applyWith(manifest, {command, timeoutMs: applyWithinMs, clock, report: tell})
      return {notes: []}
    }
    const later = 'Nothing is live yet. Then: lattice route verify --wait 3m'
    if (render === undefined) return {rendered: [], printed: manifest, notes: [later]}
    const path = join(render, `${configMap.namespace}.${configMap.name}.yaml`)
    await writeFileAtomic(path, manifest, {mode: 0o644})
    return {rendered: [path], notes: [`'${path}' is to be applied: kubectl apply -f ${path}`, later]}
  }

  #wait(rollout: Rollout, withinMs: number): ReturnType<Applied['verify']> {
    rollout.report({kind: 'waiting', servers: rollout.servers.length, withinMs})
    return waitForTable(rollout, withinMs)
  }
}

/** What the next table is made of. */
interface Base {
  readonly view: TableView
  readonly mappings: FileMappings
}

/** The table that the servers serve; a ConflictError where they differ, unless the newest will do: then that of most. */
async function readBase({seen, account, isTorn}: Target, {newest = false}: ReadOptions): Promise<Base> {
  const servers = await readServers({system: seen, account})
  const live = servers.flatMap(({server, live: one}) => (one === undefined ? [] : [{server, ...one}]))
  const token = live.find((one) => one.token !== '')
  if (token !== undefined) throw new OperatorFileError(token.server.name)
  if (live.length === 0) throw new NoTableError(account)
  const tables = live.map(({table}) => table)
  const alike = tables.map((table) => tables.filter((other) => compareTables(table, other).length === 0).length)
  const agreed = alike[0] === tables.length
  if (!agreed && !newest && !(await isTorn(tables))) {
    const other = live.find(({table}) => compareTables(tables[0]!, table).length > 0)!
    throw new ServersDifferError(live[0]!.server.name, other.server.name)
  }
  const mappings = tables[alike.indexOf(Math.max(...alike))]!
  const digest = createHash('sha256')
    .update(JSON.stringify([...mappings].sort()))
    .digest('hex')
  return {view: {mappings: asTokenMappings(mappings), servers, digest: `sha256:${digest}`, agreed}, mappings}
}

/** The base is what is served, so what the ConfigMap holds and nobody serves yet would be lost. */
async function refuseLost({pending}: Target, servers: readonly ServerView[], change: TableChange): Promise<void> {
  const tables = servers.flatMap(({live}) => (live === undefined ? [] : [live.table]))
  const ours = new Set(change.map(({source}) => source))
  const lost = (await pending()).filter(
    (one) => !one.change.every(({source}) => ours.has(source)) && !tables.every((table) => holds(table, one.change)),
  )
  if (lost.length > 0) throw new OnItsWayError(lost.map(({name}) => name))
}

class UnseenServersError extends ConnectionError {
  constructor(configMap: ConfigMapName) {
    super(
      `What the servers serve is not visible, and the ConfigMap '${formatConfigMapName(configMap)}' holds all of it.`,
      {
        suggestions: [
          '--sys-creds FILE or --sys-context NAME with a user of the system account',
          '--monitor-url URL for each server (LATTICE_MONITOR_URL)',
        ],
      },
    )
  }
}

class NoTableError extends ConnectionError {
  constructor(account: string) {
    super(`No server shows the mappings of account '${account}'.`, {suggestions: ['lattice context check']})
  }
}

class ServersDifferError extends ConflictError {
  constructor(one: string, other: string) {
    super(`Servers '${one}' and '${other}' serve different mappings, so what the ConfigMap should hold is not known.`, {
      suggestions: [
        'lattice route verify --wait 3m',
        '--repair   (writes this route into the table that most of them serve)',
      ],
      details: {servers: [one, other]},
    })
  }
}

class OnItsWayError extends ConflictError {
  constructor(names: readonly string[]) {
    const listed = names.map((name) => `'${name}'`).join(', ')
    super(`Not every server serves the last change of ${listed} yet, and another ConfigMap would be without it.`, {
      suggestions: ['lattice route verify --wait 3m', ...names.map((name) => `lattice route undo ${name}`)],
      details: {pending: names},
    })
  }
}
