import {createHash} from 'node:crypto'

import type {Clock} from '../clock.js'
import type {ConfigFacts} from '../conf/facts.js'
import type {FileMappings} from '../conf/mappings-text.js'
import type {Environment} from '../conf/resolve.js'
import {ConflictError, ConnectionError, LatticeError, UsageError} from '../errors.js'
import type {Monitoring, SystemClient} from '../nats/system.js'
import {compareTables, type MappingTable} from '../routing/effective.js'
import {readServers} from './account-state.js'
import {applyToFiles} from './config-apply.js'
import {readMappingFile, type MappingFile} from './config-file.js'
import {OperatorFileError} from './config-layout.js'
import {pendingEdits} from './config-pending.js'
import {renderFiles} from './config-render.js'
import {checkRules} from './config-stage.js'
import {asTokenMappings, predictFile} from './config-table.js'
import {verifyFiles} from './config-verify.js'
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

/** What the driver needs. */
export interface ConfigDriverOptions {
  /** Reloads servers, and shows what is live where `monitoring` does not. */
  readonly system: SystemClient | undefined
  /** Shows what is live; default: `system`, else the monitoring ports that the files name. */
  readonly monitoring?: Monitoring | undefined
  /** Name of the account, `$G` where there are none. */
  readonly account: string
  /** Main files, one a server; may be empty where files are only rendered. */
  readonly files: readonly string[]
  /** Name or path of our file; default: `lattice-mappings.conf` beside each main file. */
  readonly mappingsFile?: string | undefined
  /** Process id or pid file of the one server; default: the `pid_file` of each configuration. */
  readonly pid?: string | undefined
  /** Folder to write the new files to, one a server, instead of changing anything. */
  readonly render?: string | undefined
  readonly clock: Clock
  readonly timeoutMs: number
  readonly env?: Environment | undefined
  /** Whether files that differ are what a command left that died between them; asked where they do. */
  readonly isTorn?: ((tables: readonly MappingTable[]) => Promise<boolean>) | undefined
}

/** The driver's options with what was found out once. */
export interface ConfigTarget extends ConfigDriverOptions {
  readonly seen: Monitoring | undefined
}

/** What was read at one moment. */
export interface ConfigReading {
  readonly files: readonly MappingFile[]
  readonly view: TableView
}

/** What the driver did, with the files that it wrote for other machines. */
export interface ConfigApplied extends Applied {
  readonly rendered: readonly string[]
}

/**
 * Opens the driver for servers whose accounts stand in configuration files. Reads all files once; throws what stands
 * against them: an error with the exact edit, a ConfigTextError, an OperatorFileError.
 */
export async function openConfigDriver(options: ConfigDriverOptions): Promise<ConfigDriver> {
  if (options.files.length === 0 && options.render === undefined) throw new NoConfigError()
  const files = await readFiles(options)
  const facts = files.map((file) => file.facts)
  const seen = options.monitoring ?? options.system ?? (await monitorsOf(facts, options.timeoutMs))
  if (files.length === 0 && seen === undefined) throw new NoConfigError()
  if (options.pid !== undefined && files.length > 1) throw new OnePidError()
  return new ConfigDriver({...options, seen}, await planNotes(seen, files))
}

/** The monitoring ports that the files name; undefined unless every file names one. */
async function monitorsOf(files: readonly ConfigFacts[], timeoutMs: number): Promise<Monitoring | undefined> {
  const urls = files.flatMap(({monitor}) => {
    if (monitor === undefined || monitor.port <= 0) return []
    const {host = '127.0.0.1', port, tls} = monitor
    const reached = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
    return [new URL(`${tls ? 'https' : 'http'}://${reached}:${port}`)]
  })
  if (urls.length === 0 || urls.length < files.length) return undefined
  const {openMonitors} = await import('../nats/monitors.js')
  return openMonitors(urls, {timeoutMs: Math.min(timeoutMs, 5000)})
}

async function planNotes(seen: Monitoring | undefined, files: readonly MappingFile[]): Promise<string[]> {
  if (seen !== undefined) return pendingEdits(seen, files)
  return [
    'What is live cannot be seen: there are no system credentials, and not every configuration names a monitoring port.',
  ]
}

class ConfigDriver implements Driver {
  readonly name = 'config'
  readonly form = 'config'
  readonly notes: readonly string[]
  readonly #target: ConfigTarget

  constructor(target: ConfigTarget, notes: readonly string[]) {
    this.#target = target
    this.notes = notes
  }

  /** Whoever shows what is live: the given one, or the monitoring ports of the files; undefined: nobody. */
  get seen(): Monitoring | undefined {
    return this.#target.seen
  }

  async read(options: ReadOptions = {}): Promise<TableView> {
    return (await readConfiguration(this.#target, options)).view
  }

  async apply(change: TableChange, options: ApplyOptions = {}): Promise<ConfigApplied> {
    checkRules(change)
    return await this.#apply(change, options)
  }

  async #apply(change: TableChange, {inspect, ...options}: ApplyOptions): Promise<ConfigApplied> {
    const target = this.#target
    const reading = await readConfiguration(target, options)
    inspect?.(reading.view)
    const before = reading.view
    const started = performance.now()
    const startedAt = target.clock.now()
    const {notes, ...result} =
      target.render === undefined
        ? {...(await applyToFiles(target, reading, change)), rendered: []}
        : await renderFiles({...target, render: target.render}, reading, change)
    const pushMs = Math.round((performance.now() - started) * 10) / 10
    const verify: Applied['verify'] = (withinMs) => verifyFiles(target, result, withinMs)
    return {before, pushMs, confirmedAt: Math.round(startedAt + pushMs), notes, rendered: result.rendered, verify}
  }

  async takeBack(
    {change, previous}: {readonly change: TableChange; readonly previous: TableChange},
    withinMs: number,
  ): Promise<WriteBack> {
    try {
      const {files, view} = await readConfiguration(this.#target, {newest: true})
      const stored = files.map(({mappings}) => predictFile(mappings))
      const live = view.servers.flatMap((server) => (server.live === undefined ? [] : [server.live.table]))
      if ([...stored, ...live].every((table) => holds(table, previous))) return 'not needed'
      if (stored.some((table) => !holds(table, change) && !holds(table, previous))) return 'foreign'
      // What was there before is written again, whatever our rules say of it.
      const {verify} = await this.#apply(previous, {newest: true})
      return (await verify(withinMs)).outcomes.every(isLive) ? 'written' : 'failed'
    } catch (error) {
      if (error instanceof LatticeError) return 'failed'
      throw error
    }
  }
}

export type {ConfigDriver}

/** Reads files and servers; a ConflictError where the files say different things, unless the newest will do. */
export async function readConfiguration(
  target: ConfigTarget,
  {newest = false}: ReadOptions = {},
): Promise<ConfigReading> {
  const [files, servers] = await Promise.all([readFiles(target), readLive(target)])
  const token = servers.find(({live}) => live !== undefined && live.token !== '')
  if (token !== undefined) throw new OperatorFileError(files[0]?.main ?? token.server.name)
  const [first, ...others] = files
  const other = others.find(({mappings}) => !sameMappings(mappings, first!.mappings))
  if (other !== undefined && !newest && !(await target.isTorn?.(files.map((file) => predictFile(file.mappings))))) {
    throw new FilesDifferError(first!.path, other.path)
  }
  const mappings = first?.mappings ?? liveMappings(servers)
  const view = {
    mappings: asTokenMappings(mappings),
    servers,
    digest: digestOf(files, mappings),
    agreed: other === undefined,
  }
  return {files, view}
}

function readFiles(options: ConfigDriverOptions): Promise<MappingFile[]> {
  return Promise.all([...new Set(options.files)].map((main) => readMappingFile(main, options)))
}

async function readLive({seen, account}: ConfigTarget): Promise<ServerView[]> {
  return seen === undefined ? [] : readServers({system: seen, account})
}

/** Without files the base of a change is what runs; a ConflictError unless all servers run the same. */
function liveMappings(servers: readonly ServerView[]): FileMappings {
  const tables = servers.flatMap(({server, live}) =>
    live === undefined ? [] : [{name: server.name, table: live.table}],
  )
  const [first, ...others] = tables
  if (first === undefined) throw new NoConfigError()
  const other = others.find(({table}) => compareTables(first.table, table).length > 0)
  if (other !== undefined) throw new FilesDifferError(first.name, other.name)
  return first.table
}

/** True when servers make the same of both. */
function sameMappings(left: FileMappings, right: FileMappings): boolean {
  return compareTables(predictFile(left), predictFile(right)).length === 0
}

function digestOf(files: readonly MappingFile[], mappings: FileMappings): string {
  const texts = files.length > 0 ? files.map(({path, text}) => [path, text ?? null]) : [...mappings].sort()
  return `sha256:${createHash('sha256').update(JSON.stringify(texts)).digest('hex')}`
}

/** Each server has a process of its own. */
class OnePidError extends UsageError {
  constructor() {
    super('One --pid cannot be that of several servers.', {
      suggestions: ['Write pid_file into each configuration.'],
    })
  }
}

/** The driver needs to know where the servers' configuration is. */
export class NoConfigError extends ConnectionError {
  constructor() {
    super('These servers are not in operator mode: their accounts stand in configuration files, and none is given.', {
      suggestions: [
        '--config FILE (or LATTICE_SERVER_CONFIG) with the main file of each server',
        '--render-to DIR',
        '--configmap NAMESPACE/NAME, in Kubernetes',
        '--driver leaf, where lattice leaf run runs',
      ],
    })
  }
}

/** Servers of one cluster would map differently. */
export class FilesDifferError extends ConflictError {
  constructor(one: string, other: string) {
    super(`The mappings in '${one}' and '${other}' differ, so none of them can be changed safely.`, {
      suggestions: [
        `diff ${one} ${other}`,
        '--repair   (writes this route into all of them, and leaves the rest of each)',
      ],
      details: {files: [one, other]},
    })
  }
}
