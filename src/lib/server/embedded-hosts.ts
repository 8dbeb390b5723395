import {join} from 'node:path'

import {z} from 'zod'

import type {Clock} from '../clock.js'
import {ServerError} from '../errors.js'
import {packageFolder} from '../files/package.js'
import {openConnection} from '../nats/connect.js'
import {requestMany} from '../nats/request.js'
import type {ConnectSpec} from '../nats/spec.js'
import {createHost} from './embedded-create.js'
import type {EmbeddedEvent} from './embedded-events.js'
import {serverEnv} from './embedded-server.js'
import {
  contextNames,
  embeddedFiles,
  hostFiles,
  writeState,
  type EmbeddedHost,
  type EmbeddedState,
} from './embedded-state.js'
import {endProcess, isRunning, lastLines, startDetached, worstLine, type ProcessIdentity} from './process.js'

export interface HostsStart {
  readonly clock: Clock
  readonly report: (event: EmbeddedEvent) => void
  /** Milliseconds until all must have answered a ping. */
  readonly timeoutMs: number
  /** The program that runs `host run`; default: this one. */
  readonly program?: readonly [file: string, ...args: string[]]
}

const thisProgram = join(packageFolder(), 'bin', 'run.js')

/** The identity of a host's process; undefined when it was never started. */
export function hostProcess({pid, startTime}: EmbeddedHost): ProcessIdentity | undefined {
  return pid === undefined || startTime === undefined ? undefined : {pid, startTime}
}

/** Every process that was recorded, running or not: hosts first. */
export function processesOf({hosts, server}: EmbeddedState): ProcessIdentity[] {
  return [...hosts.map(hostProcess), server].filter((identity) => identity !== undefined)
}

export async function hostIsRunning(host: EmbeddedHost): Promise<boolean> {
  const identity = hostProcess(host)
  return identity !== undefined && (await isRunning(identity))
}

export interface StartedHosts {
  readonly state: EmbeddedState
  /** How many did not run before. */
  readonly started: number
}

/**
 * Starts the hosts that do not run and waits until all have answered a ping; those that do run are left alone. Throws
 * a ServerError when one ends or does not answer in time, and ends those that were started here.
 */
export async function startHosts(state: EmbeddedState, start: HostsStart): Promise<StartedHosts> {
  const started: ProcessIdentity[] = []
  let current = {...state, hosts: state.hosts.slice(0, state.hostCount)}
  try {
    for (let index = 0; index < state.hostCount; index++) {
      const known = current.hosts.find((host) => host.index === index) ?? (await createHost(state.folder, index))
      if (await hostIsRunning(known)) continue
      const identity = await startHost(current, known, start)
      started.push(identity)
      const others = current.hosts.filter((host) => host.index !== index)
      current = {...current, hosts: [...others, {...known, ...identity}].sort((a, b) => a.index - b.index)}
      await writeState(current)
    }
    await waitForHosts(current, start)
    await writeState(current)
    return {state: current, started: started.length}
  } catch (error) {
    await Promise.all(started.map((identity) => endProcess(identity, 5000, start.clock)))
    throw error
  }
}

async function startHost(state: EmbeddedState, host: EmbeddedHost, start: HostsStart): Promise<ProcessIdentity> {
  const [file, ...args] = start.program ?? [process.execPath, thisProgram]
  const files = hostFiles(state.folder, host.index)
  const issuers = [state.issuer, ...state.allowedIssuers].flatMap((issuer) => ['--allowed-issuer', issuer])
  const folders = state.allowFiles.flatMap((folder) => ['--allow-files', folder])
  const running = await startDetached({
    file,
    args: [
      ...args,
      ...['host', 'run', '--lattice', state.name, '--context', contextNames(state.name).user],
      ...['--host-seed-file', files.seed, '--cluster-seed-file', embeddedFiles(state.folder).clusterSeed],
      ...['--state-file', files.state],
      ...issuers,
      ...folders,
    ],
    cwd: state.folder,
    env: serverEnv(),
    logFile: files.log,
  })
  if (running === undefined) throw await hostFailed(state, host, start, 'ended at start')
  return running.identity
}

async function waitForHosts(state: EmbeddedState, start: HostsStart): Promise<void> {
  const deadline = start.clock.now() + start.timeoutMs
  const missing = new Map(state.hosts.map((host) => [host.id, host]))
  if (missing.size === 0) return
  await using connection = await openAdmin(state)
  while (missing.size > 0) {
    for (const id of await connection.ping(state.hosts.length)) {
      if (missing.delete(id)) start.report({kind: 'host-ready', id})
    }
    for (const host of missing.values()) {
      if (!(await hostIsRunning(host))) throw await hostFailed(state, host, start, 'ended at start')
      if (start.clock.now() > deadline) throw await hostFailed(state, host, start, 'did not answer in time')
    }
    if (missing.size > 0) await start.clock.sleep(25)
  }
}

const pingSchema = z.object({id: z.string()})

/** A connection to the embedded lattice that does not depend on contexts. */
export async function openAdmin(state: EmbeddedState) {
  const nc = await openConnection(embeddedSpec(state), {name: 'lattice up'})
  return {
    /** Ids of the hosts that answer; at most `expect`. */
    async ping(expect: number): Promise<string[]> {
      const subject = `wasmbus.ctl.${state.name}.ping.hosts`
      const replies = await requestMany(nc, subject, new Uint8Array(), {timeoutMs: 500, stallMs: 200, expect})
      return replies.map((reply) => pingSchema.parse(reply.json()).id)
    },
    [Symbol.asyncDispose]: () => nc.close(),
  }
}

/** How to reach an embedded lattice; its port must be known. */
export function embeddedSpec({name, port, folder}: EmbeddedState): ConnectSpec {
  const files = embeddedFiles(folder)
  return {
    servers: [`nats://127.0.0.1:${port ?? 0}`],
    credentials: {kind: 'creds', file: files.creds},
    sysCreds: files.sysCreds,
    operatorKeyFile: files.operatorSigningSeed,
    clusterSeedFile: files.clusterSeed,
    lattice: name,
    protected: false,
    timeoutMs: 5000,
    connectTimeoutMs: 5000,
  }
}

async function hostFailed(
  {folder}: EmbeddedState,
  {index, id}: EmbeddedHost,
  {report}: HostsStart,
  what: string,
): Promise<ServerError> {
  const file = hostFiles(folder, index).log
  const log = await lastLines(file, 12)
  report({kind: 'log', file, lines: log})
  return new ServerError(`Host ${index} (${id}) ${what}: ${worstLine(log, /error/i)}.`, {
    details: {host: id, log},
  })
}
