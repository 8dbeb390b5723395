import {mkdir, rm} from 'node:fs/promises'

import type {NatsConnection} from '@nats-io/transport-node'

import type {Clock} from '../clock.js'
import {ConflictError, UsageError} from '../errors.js'
import {leafServerName} from '../leaf/subjects.js'
import {openConnection} from '../nats/connect.js'
import type {ConnectSpec} from '../nats/spec.js'
import {identify} from '../routes/who.js'
import {ensureNatsServer} from '../server/fetch.js'
import {withLock} from '../server/lock.js'
import {endProcess, readStartTime} from '../server/process.js'
import {LeafAgent} from './agent.js'
import type {LeafConfig} from './config.js'
import {join, refuseLateSecond} from './join.js'
import type {KeySources} from './keys.js'
import {leafFiles, leafFolder, openRecord, readRecord, writeRecord, type LeafRecord} from './places.js'
import {defaultRemotes, leafRemote, parseRemotes} from './remote.js'
import {Problems} from './problems.js'
import type {Report} from './report.js'
import {waitForHub, type ServerStart} from './server.js'
import {checkSettings, type LeafSettings, type ListenAddress} from './settings.js'
import {Supervisor} from './supervisor.js'
import type {LeafMappings} from './table.js'
import {relativeTo} from './users.js'
import {watchLeaf} from './watch.js'

export interface RunOptions {
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly report: Report
  /** Where its files lie; default: in the user's state directory, by its name. */
  readonly folder?: string | undefined
  /** Milliseconds between two looks at whether all is well; default 2000. */
  readonly everyMs?: number | undefined
}

/** What `leaf run` would do. */
export interface LeafPlan extends LeafRan, Pick<LeafRecord, 'form' | 'sources'> {
  readonly dryRun: true
  /** Where callers would connect; port 0: the system chooses. */
  readonly listen: ListenAddress
  readonly remotes: readonly string[]
  readonly denyImports: readonly string[]
  /** What it would begin with. */
  readonly mappings: LeafMappings
}

/** Checks all that `leaf run` checks before it starts anything. */
export async function planLeaf(
  spec: ConnectSpec,
  settings: LeafSettings,
  {report}: Pick<RunOptions, 'report'>,
): Promise<LeafPlan> {
  checkSettings(settings)
  const {lattice, timeoutMs} = spec
  const {name, accountWide, sources, listen} = settings
  const folder = leafFolder({lattice, name})
  const files = leafFiles(folder)
  const form = accountWide ? 'account-wide' : 'beside'
  const remotes = remotesOf(spec, settings)
  const found = await openRecord(folder, {lattice, name, form, sources: [...sources]})
  if (settings.usersFile !== undefined) await relativeTo(folder, settings.usersFile)
  const hub = await openConnection(spec, {name: `lattice leaf ${name}`})
  try {
    const record = await ownRecord(found, await accountOf(hub, spec))
    const keys = {spec, ...settings, controlKeyFile: files.controlKey}
    const mappings = await join({hub, record, files, settings, keys, timeoutMs, report, dryRun: true})
    const denyImports = accountWide ? [] : [...sources]
    const plan = {id: record.id, name, lattice, form: record.form, sources: record.sources}
    return {dryRun: true, ...plan, listen, remotes, denyImports, mappings}
  } finally {
    await hub.close()
  }
}

/** What became of a leaf node that ran. */
export interface LeafRan {
  readonly id: string
  readonly name: string
  readonly lattice: string
}

/** Runs a leaf node until the signal aborts; throws when it cannot start, and leaves nothing running then. */
export async function runLeaf(spec: ConnectSpec, settings: LeafSettings, options: RunOptions): Promise<LeafRan> {
  checkSettings(settings)
  const {lattice} = spec
  const {name, accountWide, sources} = settings
  const folder = options.folder ?? leafFolder({lattice, name})
  const form = accountWide ? 'account-wide' : 'beside'
  await mkdir(folder, {recursive: true, mode: 0o700})
  const known = await readRecord(folder)
  const record = await openRecord(folder, {lattice, name, form, sources: [...sources]})
  const files = leafFiles(folder)
  const lock = {clock: options.clock, waitMs: 0}
  const seen = {ready: false}
  const report: Report = (event) => {
    seen.ready ||= event.kind === 'ready'
    options.report(event)
  }
  try {
    return await withLock(files.lock, lock, () =>
      runLocked({spec, settings, record, ...options, report, folder, files}),
    )
  } catch (error) {
    const pid = error instanceof ConflictError ? error.details['pid'] : undefined
    if (typeof pid === 'number') throw new RunsAlreadyError(record, pid)
    // One that never was is none to be listed.
    if (known === undefined && !seen.ready) await rm(files.record, {force: true})
    throw error
  }
}

interface Running extends RunOptions {
  readonly spec: ConnectSpec
  readonly settings: LeafSettings
  readonly record: LeafRecord
  readonly folder: string
  readonly files: ReturnType<typeof leafFiles>
}

async function runLocked({spec, settings, record: known, ...options}: Running): Promise<LeafRan> {
  const {signal, clock, report, folder, files, everyMs} = options
  const binary = await ensureNatsServer({offline: settings.offline})
  const hub = await openConnection(spec, {name: `lattice leaf ${known.name}`, reconnect: 'forever'})
  try {
    const record = await ownRecord(known, await accountOf(hub, spec))
    // What a killed agent left running has our port and our name.
    if (record.server !== undefined) await endProcess(record.server, 5000, clock)
    const keys = {spec, ...settings, controlKeyFile: files.controlKey}
    await join({hub, record, files, settings, keys, timeoutMs: spec.timeoutMs, report})
    const start: ServerStart = {
      binary,
      clock,
      folder,
      files,
      config: await leafConfig(spec, settings, {record, hub, folder}),
      listen: settings.listen,
      timeoutMs: spec.timeoutMs,
    }
    await runServer({hub, record, start, keys, spec, signal, report, everyMs})
  } finally {
    await hub.close()
  }
  const {id, name, lattice} = known
  report({kind: 'stopped', id})
  return {id, name, lattice}
}

/** The same account as ever: mappings of one are not for another. */
async function accountOf(hub: NatsConnection, spec: ConnectSpec): Promise<string> {
  return (await identify(hub, spec)).account
}

async function ownRecord(record: LeafRecord, account: string): Promise<LeafRecord> {
  if (record.account !== undefined && record.account !== account) throw new OtherAccountError(record, account)
  const startTime = await readStartTime(process.pid)
  return {...record, account, ...(startTime === undefined ? {} : {agent: {pid: process.pid, startTime}})}
}

async function leafConfig(
  spec: ConnectSpec,
  settings: LeafSettings,
  {record, hub, folder}: {readonly record: LeafRecord; readonly hub: NatsConnection; readonly folder: string},
): Promise<Omit<LeafConfig, 'listen' | 'system' | 'logFile' | 'pidFile'>> {
  const {sources, accountWide, usersFile} = settings
  const urls = remotesOf(spec, settings)
  const credsFile = leafFiles(folder).creds
  return {
    name: leafServerName(record),
    remote: await leafRemote(spec, {urls, denyImports: accountWide ? [] : sources, credsFile}),
    maxPayload: hub.info?.max_payload,
    ...(usersFile === undefined ? {} : {usersInclude: await relativeTo(folder, usersFile)}),
  }
}

function remotesOf(spec: ConnectSpec, {remotes}: LeafSettings): string[] {
  const urls = remotes.length === 0 ? defaultRemotes(spec) : parseRemotes(remotes)
  if (urls.length > 0) return urls
  throw new UsageError('Where the servers take leaf nodes is not known.', {suggestions: ['--remote URL']})
}

interface ServerRun {
  readonly hub: NatsConnection
  readonly record: LeafRecord
  readonly start: ServerStart
  readonly keys: KeySources
  readonly spec: ConnectSpec
  readonly signal: AbortSignal
  readonly report: Report
  readonly everyMs: number | undefined
}

async function runServer(run: ServerRun): Promise<void> {
  const {hub, record, start, keys, spec, signal, report, everyMs} = run
  const {files, folder, clock} = start
  const {timeoutMs} = spec
  const remotes = start.config.remote.urls.map((url) => url.replace(/\/\/[^@/]*@/, '//'))
  await using ends = new AsyncDisposableStack()
  ends.defer(() => writeRecord(folder, ended(record)))
  const supervisor = ends.use(await Supervisor.open(start))
  const server = supervisor.server!
  const running = {...record, server: server.process.identity}
  await writeRecord(folder, running)
  await waitForHub(server, start, {form: record.form, urls: remotes})

  let wake = new AbortController()
  const onChange = (): void => wake.abort()
  const agent = ends.use(await LeafAgent.open({hub, record, files, keys, clock, report, timeoutMs, onChange}, server))
  await refuseLateSecond({hub, record, timeoutMs}, clock)
  const problems = new Problems({clock, report}, (present) => (agent.problems = present))
  const {id, name, lattice, form, sources, url, server: identity} = await agent.state()
  const ready = {...running, url, readyAt: new Date(clock.now()).toISOString()}
  await writeRecord(folder, ready)
  supervisor.tell(agent, problems, ready)
  const {accepts} = agent
  report({kind: 'ready', pid: process.pid, id, name, lattice, form, sources, url, server: identity, remotes, accepts})
  const freshWake = (): AbortSignal => (wake = wake.signal.aborted ? new AbortController() : wake).signal
  const logFile = files.serverLog
  await watchLeaf({
    hub,
    record,
    agent,
    supervisor,
    problems,
    logFile,
    remotes,
    clock,
    timeoutMs,
    signal,
    everyMs,
    wake: freshWake,
  })
  report({kind: 'draining', reason: String(signal.reason)})
}

/** What is kept of a leaf node that does not run. */
function ended({agent: _agent, server: _server, url: _url, readyAt: _readyAt, ...rest}: LeafRecord): LeafRecord {
  return rest
}

/** One agent a folder. */
export class RunsAlreadyError extends ConflictError {
  constructor({name, lattice}: LeafRecord, pid: number) {
    super(`Leaf node '${name}' of lattice '${lattice}' runs here already, as process ${pid}.`, {
      suggestions: ['lattice leaf ls', `lattice leaf stop --name ${name}`, 'lattice leaf run --name OTHER'],
      details: {name, lattice, pid},
    })
  }
}

class OtherAccountError extends UsageError {
  constructor({name, account = ''}: LeafRecord, wanted: string) {
    super(`Leaf node '${name}' of this machine is of account '${account}', and these credentials are of '${wanted}'.`, {
      suggestions: ['lattice leaf run --name OTHER', '--context NAME   (of the account that it was made for)'],
      details: {name, account, wanted},
    })
  }
}
