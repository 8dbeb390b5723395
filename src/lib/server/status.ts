import {selectedContext} from '../nats/context-files.js'
import {hostIsRunning, openAdmin} from './embedded-hosts.js'
import {serverIsUp} from './embedded-server.js'
import {contextNames, embeddedFiles, hostFiles, listEmbedded, readState, type EmbeddedState} from './embedded-state.js'
import {isRunning} from './process.js'

/** What an embedded lattice is doing. */
export interface StatusResult {
  readonly lattice: string
  /** `partial` when some of its processes do not run or do not answer; `absent` when it was never made. */
  readonly state: 'running' | 'partial' | 'stopped' | 'absent'
  readonly url?: string
  readonly context?: string
  /** True when commands act on it without naming it. */
  readonly selected?: boolean
  readonly ephemeral?: boolean
  readonly server?: {
    readonly running: boolean
    readonly answers: boolean
    readonly pid?: number
    readonly id?: string
    readonly version?: string
    readonly log: string
  }
  readonly hosts?: readonly {
    readonly id: string
    readonly running: boolean
    readonly answers: boolean
    readonly pid?: number
    readonly log: string
  }[]
  readonly folder?: string
  readonly storeFolder?: string
  /** Other embedded lattices of this user, by name. */
  readonly others: readonly string[]
}

/** Looks at an embedded lattice without changing anything. */
export async function embeddedStatus(name: string): Promise<StatusResult> {
  const others = (await listEmbedded()).filter((other) => other !== name)
  const state = await readState(name)
  if (state === undefined) return {lattice: name, state: 'absent', others}
  const answers = await serverIsUp(state)
  const running = answers || (state.server !== undefined && (await isRunning(state.server)))
  const hosts = await readHosts(state, answers)
  const {user} = contextNames(name)
  const parts = [answers, ...hosts.map((host) => host.answers)]
  const anything = running || hosts.some((host) => host.running)
  return {
    lattice: name,
    state: anything ? (parts.includes(false) || hosts.length < state.hostCount ? 'partial' : 'running') : 'stopped',
    ...(state.port === undefined ? {} : {url: `nats://127.0.0.1:${state.port}`}),
    context: user,
    selected: (await selectedContext()) === user,
    ephemeral: state.ephemeral,
    server: {
      running,
      answers,
      ...(running && state.server !== undefined ? serverFields(state.server) : {}),
      log: embeddedFiles(state.folder).serverLog,
    },
    hosts,
    folder: state.folder,
    storeFolder: state.storeFolder,
    others,
  }
}

function serverFields({pid, id, version}: NonNullable<EmbeddedState['server']>) {
  return {pid, version, ...(id === undefined ? {} : {id})}
}

async function readHosts(state: EmbeddedState, serverAnswers: boolean): Promise<NonNullable<StatusResult['hosts']>> {
  const answering = serverAnswers && state.hosts.length > 0 ? await pingHosts(state) : new Set<string>()
  return Promise.all(
    state.hosts.map(async (host) => {
      const running = await hostIsRunning(host)
      return {
        id: host.id,
        running,
        answers: running && answering.has(host.id),
        ...(running && host.pid !== undefined ? {pid: host.pid} : {}),
        log: hostFiles(state.folder, host.index).log,
      }
    }),
  )
}

async function pingHosts(state: EmbeddedState): Promise<ReadonlySet<string>> {
  await using admin = await openAdmin(state)
  return new Set(await admin.ping(state.hosts.length))
}
