import type {Clock} from '../clock.js'
import {protectedContext, removeContexts} from './embedded-contexts.js'
import {removeEmbedded} from './embedded-create.js'
import type {EmbeddedEvent} from './embedded-events.js'
import {hostProcess} from './embedded-hosts.js'
import {embeddedLock, readState, writeState, type EmbeddedState} from './embedded-state.js'
import {withFileErrors} from './file-error.js'
import {withLock} from './lock.js'
import {endProcess, isRunning} from './process.js'

export interface DownOptions {
  readonly name: string
  /** Also removes keys, data and contexts. */
  readonly purge: boolean
  /** Look, and end nothing. */
  readonly dryRun?: boolean
  readonly clock: Clock
  /** Called with the name of a protected context before a purge removes it; rejects when the person does not agree. */
  readonly agree?: (context: string) => Promise<void>
  readonly report: (event: EmbeddedEvent) => void
}

/** What was ended and removed. */
export interface DownResult {
  readonly lattice: string
  /** False when nothing ran and nothing was to be removed. */
  readonly changed: boolean
  /** Pid of the server, when it ran. */
  readonly server?: number
  /** Ids of the hosts that ran. */
  readonly hosts: readonly string[]
  /** Keys, data and contexts are gone. */
  readonly removed: boolean
  readonly dryRun: boolean
}

const [hostGraceMs, serverGraceMs] = [30_000, 20_000]

/**
 * Ends an embedded lattice: the hosts first, which finish their calls, then the server. An ephemeral one is removed,
 * another one only with `purge`. Nothing happens when there is none.
 */
export async function downEmbedded(options: DownOptions): Promise<DownResult> {
  const {name, clock, report, agree, purge, dryRun = false} = options
  // Before the lock: a person takes longer than others wait for it.
  const guarded = purge && !dryRun ? await protectedContext(name) : undefined
  if (guarded !== undefined) await agree?.(guarded)
  const onWait = ({pid}: {pid: number}): void => report({kind: 'waiting', pid})
  return withFileErrors(`Could not take down lattice '${name}'`, () =>
    withLock(embeddedLock(name), {clock, waitMs: 60_000, onWait}, async () => {
      const state = await readState(name)
      if (state === undefined)
        return {lattice: name, changed: false, hosts: [], removed: false, dryRun: options.dryRun ?? false}
      return takeDown(state, options)
    }),
  )
}

async function takeDown(
  state: EmbeddedState,
  {purge, dryRun = false, clock, report}: DownOptions,
): Promise<DownResult> {
  const hosts = await Promise.all(
    state.hosts.map(async (host) => {
      const identity = hostProcess(host)
      if (identity === undefined || !(await isRunning(identity))) return []
      const clean = dryRun || (await endProcess(identity, hostGraceMs, clock))
      if (!clean) report({kind: 'killed', what: `host ${host.index}`, pid: identity.pid})
      return [host.id]
    }),
  )
  const server = state.server !== undefined && (await isRunning(state.server)) ? state.server : undefined
  if (server !== undefined && !dryRun && !(await endProcess(server, serverGraceMs, clock))) {
    report({kind: 'killed', what: 'nats-server', pid: server.pid})
  }
  const removed = purge || state.ephemeral
  if (removed && !dryRun) {
    await removeContexts(state.name)
    await removeEmbedded(state)
  } else if (!dryRun) {
    const {server: _server, ...rest} = state
    await writeState({...rest, hosts: state.hosts.map(({index, id}) => ({index, id}))})
  }
  const ended = hosts.flat()
  return {
    lattice: state.name,
    changed: removed || ended.length > 0 || server !== undefined,
    ...(server === undefined ? {} : {server: server.pid}),
    hosts: ended,
    removed,
    dryRun,
  }
}
