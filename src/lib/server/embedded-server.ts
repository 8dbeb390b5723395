import {mkdir, readdir, readFile, rm, statfs, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {Clock} from '../clock.js'
import {ServerError, type LatticeError} from '../errors.js'
import {renderServerConfig} from './config.js'
import type {EmbeddedEvent} from './embedded-events.js'
import {contextNames, embeddedFiles, writeState, type EmbeddedState} from './embedded-state.js'
import {withFileErrors} from './file-error.js'
import type {NatsServerBinary} from './find.js'
import {PortTakenError} from './port-taken-error.js'
import {probePort, type ServerInfo} from './probe.js'
import {endProcess, isRunning, lastLines, startDetached, worstLine, type DetachedProcess} from './process.js'

export interface ServerStart {
  readonly binary: NatsServerBinary
  readonly clock: Clock
  readonly report: (event: EmbeddedEvent) => void
  readonly port: PortChoice
  /** Milliseconds until the server must answer. */
  readonly timeoutMs: number
}

/** The port to try; -1 lets the system choose. */
export interface PortChoice {
  readonly number: number
  /** Nobody asked for just this one. */
  readonly mayChange: boolean
}

const defaultPort = 4222

/**
 * The port for a server that is to start: the one asked for, else the one it had, else the default one or, when that
 * is taken, any. Throws a PortTakenError when the port must be one that is in use.
 */
export async function choosePort(
  name: string,
  asked: number | undefined,
  recorded: number | undefined,
): Promise<PortChoice> {
  const anyPort = {number: -1, mayChange: false}
  const wanted = asked === undefined || asked === 0 ? recorded : asked
  if (wanted === undefined && asked === 0) return anyPort
  const use = await probePort(wanted ?? defaultPort)
  if (use.kind === 'free') return {number: wanted ?? defaultPort, mayChange: wanted === undefined}
  if (wanted === undefined || asked === 0) return anyPort
  throw new PortTakenError(name, wanted, use.kind === 'nats' ? `the nats-server '${use.info.name}'` : undefined)
}

/** True while the recorded process runs and is the one that answers on the recorded port. */
export async function serverIsUp({server, port}: EmbeddedState): Promise<boolean> {
  if (server?.id === undefined || port === undefined || !(await isRunning(server))) return false
  const use = await probePort(port)
  return use.kind === 'nats' && use.info.id === server.id
}

/**
 * Starts the server of an embedded lattice and records it; resolves when it answers with JetStream. Throws a
 * ConflictError when the port is taken, a ServerError when the server ends or does not answer in time.
 */
export async function startServer(state: EmbeddedState, start: ServerStart): Promise<EmbeddedState> {
  const {binary, clock, port} = start
  const files = embeddedFiles(state.folder)
  await withFileErrors(`Could not prepare the nats-server of lattice '${state.name}'`, () =>
    prepare(state, port.number),
  )
  const process = await startDetached({
    file: binary.path,
    args: ['-c', files.config],
    cwd: state.folder,
    env: serverEnv(),
    logFile: files.serverLog,
  })
  if (process === undefined) throw await serverEnded(state, start)
  const started = {...state, server: {...process.identity, version: binary.version}}
  try {
    // Recorded before it answers: whatever happens to this process, `down` finds it.
    await writeState(started)
    const {info, port: actual} = await waitForServer(started, process, start)
    const ready = {...started, port: actual, server: {...started.server, id: info.id}}
    await writeState(ready)
    return ready
  } catch (error) {
    await endProcess(process.identity, 5000, clock)
    throw error
  }
}

async function prepare(state: EmbeddedState, port: number): Promise<void> {
  const files = embeddedFiles(state.folder)
  await mkdir(state.storeFolder, {recursive: true, mode: 0o700})
  await checkSpace(state.storeFolder)
  // Begun anew, so that what is read of them belongs to this start.
  const old = (await readdir(state.folder)).filter((name) => name.endsWith('.ports'))
  for (const file of [files.serverPid, ...old.map((name) => join(state.folder, name))]) {
    await rm(file, {force: true})
  }
  const text = renderServerConfig({
    name: contextNames(state.name).user,
    port,
    operator: await readFile(files.operatorToken, 'utf8'),
    systemAccount: state.systemAccount,
    accountsFolder: files.accounts,
    storeFolder: state.storeFolder,
    portsFolder: state.folder,
    logFile: files.serverLog,
    pidFile: files.serverPid,
  })
  await writeFile(files.config, text, {mode: 0o600})
}

const neededBytes = 16 * 1024 * 1024

/** On a full disk the server starts all the same and then refuses every stream. */
async function checkSpace(folder: string): Promise<void> {
  const {bavail, bsize} = await statfs(folder)
  const free = bavail * bsize
  if (free >= neededBytes) return
  const megabytes = (free / 1024 / 1024).toFixed(1)
  throw new ServerError(`The disk of '${folder}' is full: ${megabytes} MB are free, and 16 MB are needed to start.`, {
    suggestions: [`df -h ${folder}`, 'lattice up --store-dir DIR'],
    details: {folder, freeBytes: free, neededBytes},
  })
}

/** Without NATS_* and LATTICE_* variables, which are about the user's connections. */
export function serverEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NATS|LATTICE)_/.test(name)))
}

async function waitForServer(
  state: EmbeddedState,
  process: DetachedProcess,
  start: ServerStart,
): Promise<{info: ServerInfo; port: number}> {
  const deadline = start.clock.now() + start.timeoutMs
  for (;;) {
    const port = start.port.number > 0 ? start.port.number : await readPort(state.folder, process.identity.pid)
    const use = port === undefined ? undefined : await probePort(port)
    if (!(await isRunning(process.identity))) throw await serverEnded(state, start)
    if (port !== undefined && use?.kind === 'nats' && use.info.name === contextNames(state.name).user) {
      if (use.info.jetstream) return {info: use.info, port}
      throw await serverFailed(state, start, 'The nats-server runs without JetStream')
    }
    if (start.clock.now() > deadline) throw await serverFailed(state, start, 'The nats-server did not answer in time')
    await start.clock.sleep(20)
  }
}

/** With port -1 the server writes down which one the system gave it, in a file named after program and process. */
async function readPort(folder: string, pid: number): Promise<number | undefined> {
  const file = (await readdir(folder)).find((name) => name.endsWith(`_${pid}.ports`))
  const text = file === undefined ? '' : await readFile(join(folder, file), 'utf8').catch(() => '')
  const port = /nats:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1]
  return port === undefined ? undefined : Number(port)
}

async function serverEnded(state: EmbeddedState, start: ServerStart): Promise<LatticeError> {
  const log = await lastLines(embeddedFiles(state.folder).serverLog, 20)
  if (log.some((line) => /address already in use/i.test(line))) return new PortTakenError(state.name, start.port.number)
  return serverFailed(state, start, 'The nats-server ended at start')
}

async function serverFailed({folder}: EmbeddedState, {report}: ServerStart, what: string): Promise<ServerError> {
  const file = embeddedFiles(folder).serverLog
  const log = await lastLines(file, 12)
  report({kind: 'log', file, lines: log})
  const worst = worstLine(log, /\[(FTL|ERR)\]|nats-server:/).replace(/^\[\d+\] \S+ \S+ \[\w+\] /, '')
  return new ServerError(`${what}: ${worst}.`, {details: {log}})
}
