import type {NatsConnection} from '@nats-io/transport-node'

import type {Clock} from '../clock.js'
import {LatticeError} from '../errors.js'
import {readLeaves} from '../leaf/client.js'
import type {LeafState} from '../leaf/state.js'
import {compareTables} from '../routing/effective.js'
import type {LeafAgent} from './agent.js'
import {splitAccount} from './config.js'
import {readWorkers, workersAmong} from './hub.js'
import {hubReason, logEnd, logSince} from './hub-reason.js'
import {isRival} from './join.js'
import type {LeafRecord} from './places.js'
import {isPassing, type Found, type Problems} from './problems.js'
import type {Supervisor} from './supervisor.js'
import {asTable} from './table.js'

export interface WatchOptions {
  readonly hub: NatsConnection
  readonly record: LeafRecord
  readonly agent: LeafAgent
  readonly supervisor: Supervisor
  readonly problems: Problems
  readonly logFile: string
  readonly remotes: readonly string[]
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Milliseconds between two looks; default 2000. */
  readonly everyMs?: number | undefined
  /** Aborted when there is something to look at right now. */
  readonly wake: () => AbortSignal
}

/** Looks after a running leaf node until the signal aborts; no problem ends it. */
export async function watchLeaf(options: WatchOptions): Promise<void> {
  const {clock, signal, wake, supervisor, agent, problems, logFile, everyMs = 2000} = options
  const link = {logFrom: await logEnd(logFile)}
  const hub = followHub(options.hub)
  while (!isOver(signal)) {
    const sooner = AbortSignal.any([signal, wake(), supervisor.ended])
    await clock.sleep(everyMs, sooner).catch(() => undefined)
    if (isOver(signal)) return
    await supervisor.mend(signal)
    if (isOver(signal)) return
    try {
      await agent.renewKeys()
      // Before the state: what is written while that is read may be why it is bad the next time.
      const logAt = await logEnd(logFile)
      const state = await agent.state()
      problems.tell(await find(options, {state, link, logAt, hubIsThere: hub.isThere()}))
    } catch (error) {
      if (!isPassing(error)) throw error
      problems.add({kind: 'files-lost', sentence: `The leaf node cannot be looked after: ${error.message}`})
    }
  }
}

function isOver({aborted}: AbortSignal): boolean {
  return aborted
}

interface Seen {
  readonly state: LeafState
  /** Where the log ended when the servers were last connected. */
  readonly link: {logFrom: number}
  readonly logAt: number
  readonly hubIsThere: boolean
}

async function find(options: WatchOptions, seen: Seen): Promise<Found[]> {
  const {state} = seen
  const link = await findLink(options, seen)
  const table = findTable(state)
  const here = [...link, ...table]
  if (state.form === 'beside') return [...here, ...(await findWorkersHere(options))]
  return link.length > 0 ? here : [...here, ...(await findOthers(options, state))]
}

async function findLink({logFile, remotes}: WatchOptions, {state, link, logAt, hubIsThere}: Seen): Promise<Found[]> {
  if (state.live === null) return [{kind: 'server-lost', sentence: 'The nats-server of the leaf node does not answer.'}]
  const where = remotes.map((url) => `'${url}'`).join(', ')
  if (!state.connected) {
    const reason = hubReason(await logSince(logFile, link.logFrom))?.replace(/ \(attempt \d+\)/, '')
    return [
      {
        kind: 'hub-lost',
        sentence: `The leaf node is not connected to ${where}${reason === undefined ? '' : `: ${reason}`}; its callers get no answers from there.`,
      },
    ]
  }
  link.logFrom = logAt
  if (hubIsThere) return []
  return [
    {
      kind: 'agent-lost',
      sentence: 'The leaf node splits, and its agent is not connected: it cannot be asked or changed.',
    },
  ]
}

/** Somebody wrote into the file, or the server took something else. */
function findTable({mappings, live}: LeafState): Found[] {
  if (live === null) return []
  const [other] = compareTables(asTable(mappings), new Map(Object.entries(live)))
  if (other === undefined) return []
  return [
    {
      kind: 'table-differs',
      sentence: `The nats-server of the leaf node splits '${other.source}' otherwise than its file says.`,
    },
  ]
}

/** Who listens on a source behind the leaf node would answer along with the workers at the account's servers. */
async function findWorkersHere({supervisor, record}: WatchOptions): Promise<Found[]> {
  const system = supervisor.server?.system
  if (system === undefined) return []
  try {
    const acc = splitAccount(record.form)
    const replies = await system.ask('CONNZ', {acc, subscriptions_detail: true, limit: 4096}, {expect: 1})
    return workersAmong(replies, record.sources)
      .slice(0, 1)
      .map((subject): Found => ({
        kind: 'worker-here',
        sentence: `A worker behind the leaf node listens on '${subject}': it hears calls from here only, and along with the workers at the account's servers.`,
      }))
  } catch (error) {
    if (error instanceof LatticeError) return []
    throw error
  }
}

/** What would have calls answered twice. */
async function findOthers({hub, record, agent, timeoutMs}: WatchOptions, {id, mappings}: LeafState): Promise<Found[]> {
  try {
    const [leaves, workers] = await Promise.all([
      readLeaves(hub, {lattice: record.lattice, timeoutMs, trusted: agent.accepts}),
      readWorkers(hub, Object.keys(mappings), timeoutMs),
    ])
    const rivals = leaves.filter((other) => other.id !== id && isRival(record, other))
    return [
      ...rivals.slice(0, 1).map(({server}): Found => ({
        kind: 'second-leaf',
        sentence: `Leaf node '${server.name}' splits for the whole account as well: each call is handled twice.`,
      })),
      ...workers.slice(0, 1).map((subject): Found => ({
        kind: 'doubling',
        sentence: `Workers at the account's servers listen on '${subject}', which the leaf node splits: each call is handled twice.`,
      })),
    ]
  } catch (error) {
    if (error instanceof LatticeError) return []
    throw error
  }
}

/** Whether the agent's own connection stands. */
function followHub(hub: NatsConnection): {readonly isThere: () => boolean} {
  let there = true
  const follow = async (): Promise<void> => {
    for await (const {type} of hub.status()) {
      if (type === 'disconnect') there = false
      if (type === 'reconnect') there = true
    }
  }
  void follow()
  return {isThere: () => there}
}
