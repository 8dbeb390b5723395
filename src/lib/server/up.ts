import type {Clock} from '../clock.js'
import {userIssuerKey} from '../keys/store.js'
import {configDir} from '../files/paths.js'
import {checkContexts, removeContexts, selectIfNone, writeContexts} from './embedded-contexts.js'
import {createEmbedded, removeEmbedded} from './embedded-create.js'
import type {EmbeddedEvent} from './embedded-events.js'
import {hostIsRunning, processesOf, startHosts, type HostsStart} from './embedded-hosts.js'
import {choosePort, serverIsUp, startServer, type ServerStart} from './embedded-server.js'
import {
  contextNames,
  embeddedFiles,
  embeddedLock,
  folderExists,
  readState,
  type EmbeddedState,
} from './embedded-state.js'
import {ensureNatsServer, type EnsureOptions} from './fetch.js'
import {withFileErrors} from './file-error.js'
import {withLock} from './lock.js'
import {PortTakenError} from './port-taken-error.js'
import {endProcess} from './process.js'
import {applySettings, existingFolders, type Settings} from './up-settings.js'

export interface UpOptions extends Settings {
  readonly offline: boolean
  readonly clock: Clock
  readonly report: (event: EmbeddedEvent) => void
  /** Longest wait for the server, and again for the hosts, in milliseconds. */
  readonly timeoutMs?: number
  readonly program?: HostsStart['program']
  readonly fetch?: EnsureOptions
}

/** An embedded lattice that runs. */
export interface UpResult {
  readonly lattice: string
  /** False when all of it ran already. */
  readonly changed: boolean
  readonly url: string
  readonly port: number
  readonly context: string
  readonly sysContext: string
  readonly selectedContext: string
  readonly ephemeral: boolean
  readonly server: {readonly pid: number; readonly id: string; readonly version: string; readonly log: string}
  readonly hosts: readonly {readonly id: string; readonly pid: number}[]
  /** The user's own key; its modules are accepted. */
  readonly issuer: string
  readonly folder: string
  readonly storeFolder: string
}

/** What a dry run would have done. */
export interface UpPlan {
  readonly lattice: string
  readonly dryRun: true
  /** False when all of it runs already. */
  readonly changed: boolean
  /** Keys, folders and contexts would be made. */
  readonly made: boolean
  /** Undefined when the system would choose it. */
  readonly port?: number
  readonly hosts: number
  readonly context: string
}

/**
 * Brings an embedded lattice up: makes it when it does not exist, does nothing when it runs. When a part fails, what
 * was started here is ended again and what was made here is removed. Throws a LatticeError with the reason.
 */
export async function upEmbedded(options: UpOptions): Promise<UpResult> {
  const {name, clock, report} = options
  const allowFiles = await existingFolders(options.allowFiles)
  const onWait = ({pid}: {pid: number}): void => report({kind: 'waiting', pid})
  return withFileErrors(`Could not bring up lattice '${name}'`, () =>
    withLock(embeddedLock(name), {clock, waitMs: 60_000, onWait}, async () =>
      bringUp({...options, allowFiles, issuer: (await userIssuerKey(configDir())).publicKey}),
    ),
  )
}

interface Wanted extends UpOptions {
  readonly issuer: string
}

async function bringUp(options: Wanted): Promise<UpResult> {
  const found = await readUsable(options)
  await checkContexts(options.name)
  if (found !== undefined && (await serverIsUp(found))) {
    return finish(applySettings(found, options, {running: true}), options, {changed: false})
  }
  const settled = found === undefined ? undefined : applySettings(found, options, {running: await anyHostRuns(found)})
  const binary = await ensureNatsServer({...options.fetch, offline: options.offline, report: options.report})
  const port = await choosePort(options.name, options.port, settled?.port)
  const state = settled ?? (await create(options))
  // A server that runs but does not answer; its pid and start time are the recorded ones.
  if (state.server !== undefined) await endProcess(state.server, 5000, options.clock)
  try {
    const started = await startOn(state, {
      clock: options.clock,
      report: options.report,
      timeoutMs: waitMs(options),
      binary,
      port,
    })
    options.report({kind: 'server-ready', url: urlOf(started), version: binary.version})
    return await finishOrEnd(started, options)
  } catch (error) {
    if (found === undefined) await discard(state)
    throw error
  }
}

/** What upEmbedded would do: the same checks up to the first change; throws what it would throw there. */
export async function planUp(options: UpOptions): Promise<UpPlan> {
  const allowFiles = await existingFolders(options.allowFiles)
  const found = await readState(options.name)
  await checkContexts(options.name)
  const serverRuns = found !== undefined && (await serverIsUp(found))
  const running = found !== undefined && (serverRuns || (await anyHostRuns(found)))
  const settled =
    found === undefined ? undefined : applySettings(found, {...options, allowFiles, issuer: found.issuer}, {running})
  const port = serverRuns ? found.port : (await choosePort(options.name, options.port, settled?.port)).number
  const hosts = settled?.hosts.length ?? options.hosts ?? 1
  const up =
    serverRuns && (await Promise.all(found.hosts.map(hostIsRunning))).every(Boolean) && hosts === found.hosts.length
  return {
    lattice: options.name,
    dryRun: true,
    changed: !up,
    made: found === undefined,
    ...(port === undefined || port < 1 ? {} : {port}),
    hosts,
    context: contextNames(options.name).user,
  }
}

/** An ephemeral lattice whose temp folder was cleaned away is no longer one. */
async function readUsable({name, clock}: UpOptions): Promise<EmbeddedState | undefined> {
  const found = await readState(name)
  if (found?.ephemeral !== true || (await folderExists(found))) return found
  await Promise.all(processesOf(found).map((identity) => endProcess(identity, 5000, clock)))
  await discard(found)
  return undefined
}

function create(options: Wanted): Promise<EmbeddedState> {
  const {name, hosts = 1, ephemeral, storeDir, allowFiles, allowedIssuers, issuer, clock} = options
  const settings = {hostCount: hosts, issuer, allowFiles: [...allowFiles], allowedIssuers: [...allowedIssuers]}
  return createEmbedded(name, {ephemeral, settings, clock, storeDir})
}

/** Someone may take the default port between the look and the start; then any other is as good. */
async function startOn(state: EmbeddedState, start: ServerStart): Promise<EmbeddedState> {
  try {
    return await startServer(state, start)
  } catch (error) {
    if (!(error instanceof PortTakenError) || !start.port.mayChange) throw error
    return startServer(state, {...start, port: {number: -1, mayChange: false}})
  }
}

async function finishOrEnd(state: EmbeddedState, options: UpOptions): Promise<UpResult> {
  try {
    return await finish(state, options, {changed: true})
  } catch (error) {
    if (state.server !== undefined) await endProcess(state.server, 10_000, options.clock)
    throw error
  }
}

/** Contexts, hosts and selection of a lattice whose server answers. */
async function finish(state: EmbeddedState, options: UpOptions, {changed}: {changed: boolean}): Promise<UpResult> {
  await writeContexts(state)
  const {clock, report, program} = options
  const start = {clock, report, timeoutMs: waitMs(options), ...(program === undefined ? {} : {program})}
  const {state: ready, started} = await startHosts(state, start)
  const selectedContext = await selectIfNone(state.name)
  return describe(ready, {changed: changed || started > 0, selectedContext})
}

async function discard(state: EmbeddedState): Promise<void> {
  await removeContexts(state.name)
  await removeEmbedded(state)
}

async function anyHostRuns({hosts}: EmbeddedState): Promise<boolean> {
  const running = await Promise.all(hosts.map(hostIsRunning))
  return running.includes(true)
}

function waitMs({timeoutMs = 30_000}: UpOptions): number {
  return timeoutMs
}

function urlOf({port = 0}: EmbeddedState): string {
  return `nats://127.0.0.1:${port}`
}

function describe(state: EmbeddedState, more: Pick<UpResult, 'changed' | 'selectedContext'>): UpResult {
  const {name, port = 0, server, hosts, folder, storeFolder, ephemeral, issuer} = state
  const [files, contexts] = [embeddedFiles(folder), contextNames(name)]
  return {
    lattice: name,
    changed: more.changed,
    url: urlOf(state),
    port,
    context: contexts.user,
    sysContext: contexts.sys,
    selectedContext: more.selectedContext,
    ephemeral,
    server: {pid: server?.pid ?? 0, id: server?.id ?? '', version: server?.version ?? '', log: files.serverLog},
    hosts: hosts.map(({id, pid = 0}) => ({id, pid})),
    issuer,
    folder,
    storeFolder,
  }
}
