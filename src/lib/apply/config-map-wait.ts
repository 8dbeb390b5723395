import type {Clock} from '../clock.js'
import {shellWord} from '../entity/require.js'
import {LatticeError} from '../errors.js'
import type {Monitoring} from '../nats/system.js'
import type {ConfigMapName} from '../routing/config-map-name.js'
import {compareTables, type MappingTable} from '../routing/effective.js'
import {readServers} from './account-state.js'
import {readLoadTimes} from './config-reload.js'
import type {ServerOutcome, ServerView, TableChange, Verification} from './driver.js'

/** What is told while servers come to have a table, a line each where a person looks. */
export type RolloutEvent =
  | {readonly kind: 'applying'; readonly configMap: string}
  | {readonly kind: 'printed'; readonly line: string}
  | {readonly kind: 'waiting'; readonly servers: number; readonly withinMs: number}
  | {
      readonly kind: 'progress'
      /** Servers that have the whole new table, by name. */
      readonly live: readonly string[]
      /** Servers that do not have it yet. */
      readonly left: readonly string[]
      readonly elapsedMs: number
    }

/** A table on its way to every server. */
export interface Rollout {
  readonly seen: Monitoring
  readonly account: string
  readonly configMap: ConfigMapName
  readonly clock: Clock
  readonly table: MappingTable
  readonly change: TableChange
  /** When each server had loaded its configuration before the file was on its way. */
  readonly loaded: ReadonlyMap<string, string>
  /** The servers as they were then. */
  readonly servers: readonly ServerView[]
  readonly startedAt: number
  readonly signal: AbortSignal | undefined
  readonly report: (event: RolloutEvent) => void
}

/** Often at first, where somebody pushes the file along; else kubelets take their time. */
const [oftenMs, seldomMs, oftenForMs] = [250, 1000, 20_000]
/** A log in which nothing comes looks like one of a command that hangs. */
const againMs = 30_000

/**
 * Waits until every server has loaded its configuration again and serves the whole table, or until the time is over or
 * the signal comes: then what is missing is `pending`, because the file may still arrive.
 */
export async function waitForTable(rollout: Rollout, withinMs: number): Promise<Verification> {
  const {clock, startedAt, signal, report, configMap} = rollout
  // The chart names servers after their pods.
  const lookAt = (name: string): string =>
    `kubectl -n ${configMap.namespace} logs ${shellWord(name)} -c nats | grep 'Failed to reload'`
  const deadline = clock.now() + withinMs
  let told: {readonly text: string; readonly at: number} | undefined
  for (;;) {
    const outcomes = await look(rollout)
    const now = clock.now()
    const names = (live: boolean): string[] =>
      outcomes.filter(({outcome}) => (outcome === 'applied') === live).map(({server}) => server.name)
    const [live, left] = [names(true), names(false)]
    const text = live.join('\n')
    if (text !== told?.text || now - told.at >= againMs) {
      told = {text, at: now}
      report({kind: 'progress', live, left, elapsedMs: now - startedAt})
    }
    if (left.length === 0) return {outcomes, overtaken: false, confirmedAt: now, tookMs: now - startedAt}
    const interrupted = signal?.aborted === true
    if (interrupted || now >= deadline) {
      return {outcomes, overtaken: false, pending: interrupted ? 'interrupted' : 'late', looks: left.map(lookAt)}
    }
    const everyMs = now - startedAt < oftenForMs ? oftenMs : seldomMs
    await clock.sleep(Math.min(everyMs, deadline - now), signal).catch(() => undefined)
  }
}

/** Servers may restart meanwhile, also the one that we are connected to. */
async function look(rollout: Rollout): Promise<ServerOutcome[]> {
  const {seen, account, servers} = rollout
  try {
    const [views, times] = await Promise.all([readServers({system: seen, account}), readLoadTimes(seen)])
    const present = views.map((view) => judge(rollout, view, times.get(view.server.id)))
    const names = new Set(present.map(({server}) => server.name))
    const gone = servers.filter(({server}) => !names.has(server.name))
    return [...present, ...gone.map(silent)].sort((a, b) => (a.server.name < b.server.name ? -1 : 1))
  } catch (error) {
    if (error instanceof LatticeError) return servers.map(silent)
    throw error
  }
}

function silent({server: {id, name}}: ServerView): ServerOutcome {
  return {server: {id, name}, outcome: 'missing', reason: 'it does not answer'}
}

function judge({table, change, loaded, servers}: Rollout, view: ServerView, time: string | undefined): ServerOutcome {
  const {id, name} = view.server
  const server = {id, name}
  if (view.live === undefined) return {server, outcome: 'missing', reason: 'it does not know the account'}
  const former = servers.find((one) => one.server.id === id)?.live?.table
  const had = former !== undefined && compareTables(table, former).length === 0
  const moved = time !== undefined && time !== loaded.get(id)
  const has = compareTables(table, view.live.table).length === 0
  // A server that started meanwhile has a new id.
  if (has && (moved || had)) return {server, outcome: 'applied'}
  const how = moved
    ? 'it loaded its configuration again without the new mappings'
    : 'it has not loaded its configuration since'
  return {server, outcome: 'differs', reason: `${how}, and serves ${describe(view.live.table, change)}`}
}

/** What a server does with the sources of a change. */
function describe(table: MappingTable, change: TableChange): string {
  return change
    .map(({source}) => {
      const destinations = table.get(source)
      if (destinations === undefined) return `no mapping of ${source}`
      const shares = destinations.map(
        ({subject, weight, cluster}) => `${weight} % ${subject}${cluster === undefined ? '' : ` in ${cluster}`}`,
      )
      return `${source} to ${shares.join(' and ')}`
    })
    .join('; ')
}
