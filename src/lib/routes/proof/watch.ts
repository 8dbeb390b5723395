import {systemClock} from '../../clock.js'
import type {Entity} from '../../entity/entity.js'
import {LatticeError, TimeoutError} from '../../errors.js'
import type {Snapshot} from '../../observe/counters.js'
import {takeSnapshot, type ObserveSource} from '../../observe/observe.js'
import {tallySplit, type ObservedAddress} from '../../observe/split.js'
import {verifyByProbe, type ProbedServer} from '../../observe/verify-probe.js'
import {planRoute} from '../../routing/plan.js'
import {routeKey} from '../../routing/source.js'
import {knownRoutes, requireRouted} from '../find.js'
import {openReader, type RouteDeps} from '../session.js'
import type {Target} from '../target.js'
import {addressesOf, askedLegs, observeSource, withoutSilentSource} from './observed.js'
import {routeView, type RouteView} from './view.js'

/** A route at one moment: asked, applied, and observed over the window before it. */
export interface RouteTick extends RouteView {
  readonly time: string
  /** Every server has the route, and over a whole window every version got its share. */
  readonly stable: boolean
  /** What is missing to that. */
  readonly waitingFor?: string
  /** How servers send messages on, where mappings cannot be seen. */
  readonly probed?: readonly ProbedServer[]
}

export interface WatchOptions {
  /** How long messages are counted, in milliseconds. */
  readonly windowMs: number
  /** How often it is reported. */
  readonly everyMs: number
  readonly untilStable: boolean
  /** Longest wait for a route that is stable; for ever without it. */
  readonly withinMs?: number | undefined
  readonly signal: AbortSignal
  readonly report: (tick: RouteTick) => void | Promise<void>
}

/** The route did not become what was asked for. */
export class UnstableRouteError extends TimeoutError {
  constructor({entity, waitingFor = 'it was not measured'}: RouteTick, withinMs: number) {
    super(`The route of '${entity}' is not stable after ${Math.round(withinMs / 100) / 10} s: ${waitingFor}.`, {
      suggestions: [`lattice route show ${entity} --window 10s`],
      details: {entity, waitingFor, withinMs},
    })
  }
}

/**
 * Reports a route again and again until the signal, or with `untilStable` until it is; returns the last report. Throws an
 * UnstableRouteError when that takes too long.
 */
export async function watchRoute(
  deps: RouteDeps,
  target: Target,
  options: WatchOptions,
): Promise<RouteTick | undefined> {
  const {clock = systemClock} = deps
  const {signal, everyMs, withinMs, untilStable, report} = options
  const {store} = await openReader(deps)
  const entity = requireRouted(target, await knownRoutes(deps, store, target), 'watch')
  const watched = {deps, entity, source: await observeSource(deps), samples: new Samples(options.windowMs)}
  const deadline = untilStable && withinMs !== undefined ? clock.now() + withinMs : Infinity
  let last: RouteTick | undefined
  while (!signal.aborted) {
    const due = clock.now() + everyMs
    last = await tickOrSay(watched, last, options)
    if (last !== undefined) await report(last)
    if (untilStable && last?.stable === true) return last
    if (last !== undefined && clock.now() >= deadline) throw new UnstableRouteError(last, withinMs!)
    const pause = Math.min(due, deadline) - clock.now()
    await clock.sleep(Math.max(1, pause), signal).catch(ignoreIf(signal))
  }
  return last
}

interface Watched {
  readonly deps: RouteDeps
  readonly entity: Entity
  readonly source: ObserveSource
  readonly samples: Samples
}

/** Servers restart and connections break; what is known then is told as no longer certain. */
async function tickOrSay(
  watched: Watched,
  last: RouteTick | undefined,
  options: WatchOptions,
): Promise<RouteTick | undefined> {
  try {
    return await tick(watched, options)
  } catch (error) {
    if (!(error instanceof LatticeError) || last === undefined) throw error
    watched.samples.forget()
    const {observed: _, probed: __, ...rest} = last
    const {now} = watched.source.clock
    return {
      ...rest,
      time: new Date(now()).toISOString(),
      stable: false,
      unobserved: error.message,
      waitingFor: error.message.replace(/\.$/, ''),
    }
  }
}

async function tick({deps, entity, source, samples}: Watched, options: WatchOptions): Promise<RouteTick> {
  const {store, view: table} = await openReader(deps)
  const stored = await store.get(routeKey(entity))
  const view = routeView(deps.spec.lattice, entity, {stored, view: table})
  const addresses = addressesOf(view.lattice, entity, askedLegs(view))
  const servers = view.effective.visible ? view.effective.servers : []
  // What came in under another split would be taken for this one's.
  samples.keep(JSON.stringify([addresses, servers]))
  const window = samples.add(await takeSnapshot(source, addresses))
  const observed = window && withoutSilentSource(tallySplit(window.first, window.last, addresses))
  const whole = window?.whole === true
  const seen = {...view, ...(observed === undefined ? {} : {observed})}
  const waitingFor = missingTo(seen, {whole, addresses, known: stored?.record.servers ?? []})
  const shown = view.effective.visible && view.effective.unseen !== true
  const probing = options.untilStable && waitingFor === undefined && !shown
  const probed = probing ? await probe(deps, {entity, view}, options) : undefined
  const wrong = probed?.find(({outcome}) => outcome !== 'applied')
  const reason = waitingFor ?? (wrong && `server '${wrong.server.name}' ${wrong.outcome}: ${wrong.reason ?? ''}`)
  return {
    ...seen,
    time: new Date(source.clock.now()).toISOString(),
    stable: reason === undefined && (shown || probed !== undefined),
    ...(reason === undefined ? {} : {waitingFor: reason}),
    ...(probed === undefined ? {} : {probed}),
  }
}

/** Who may not see mappings can still see what becomes of messages. */
async function probe(
  {connection, spec}: RouteDeps,
  {entity, view}: {readonly entity: Entity; readonly view: RouteView},
  {signal}: WatchOptions,
): Promise<readonly ProbedServer[]> {
  const plans = planRoute(view.lattice, entity, askedLegs(view))
  const {servers} = await verifyByProbe({connection, spec}, plans, {withinMs: 0, clock: systemClock, signal})
  return servers
}

interface Measured {
  readonly whole: boolean
  readonly addresses: readonly ObservedAddress[]
  /** Names of the servers that the last change was made on. */
  readonly known: readonly string[]
}

/** In a few words, the first thing that keeps a route from being what was asked for. */
function missingTo(view: RouteView, {whole, addresses, known}: Measured): string | undefined {
  const {effective, observed, state} = view
  if (effective.visible && (state === 'drifted' || state === 'interrupted')) return `the route is ${state}`
  if (askedLegs(view).length === 0) return 'there is no route'
  const differing = effective.visible ? effective.servers.find((server) => server.state === 'differs') : undefined
  if (differing !== undefined) return `server '${differing.name}' has another mapping`
  const silent = effective.visible && effective.unseen !== true ? silentServer(known, effective.servers) : undefined
  if (silent !== undefined) return `server '${silent}' does not answer`
  if (observed === undefined || !whole) return 'a whole window was not measured yet'
  if (observed.messages === 0) return 'no message was sent in the window'
  if (addresses.every(({weight}) => weight === undefined)) return undefined
  const off = observed.legs.find(({agrees}) => agrees === false)
  if (off !== undefined) return `${off.version ?? 'what is not mapped'} gets ${off.share} % and not ${off.asked ?? 0} %`
  return observed.agrees ? undefined : (observed.gaps.at(-1)?.replace(/\.$/, '') ?? 'the shares differ')
}

/** One of those that took the last change and does not answer now; servers without a name get a new one at each start. */
function silentServer(known: readonly string[], present: readonly {readonly name: string}[]): string | undefined {
  return known.find((name) => !/^N[A-Z2-7]{55}$/.test(name) && !present.some((server) => server.name === name))
}

function ignoreIf(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error
  }
}

/** The snapshots of one window, oldest first. */
class Samples {
  readonly #windowMs: number
  #list: Snapshot[] = []
  #key = ''

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** Begins anew unless everything is as it was. */
  keep(key: string): void {
    if (key !== this.#key) this.forget()
    this.#key = key
  }

  forget(): void {
    this.#list = []
  }

  /** The window that ends now, as long as it can be by now; undefined for the first snapshot. */
  add(last: Snapshot): {readonly first: Snapshot; readonly last: Snapshot; readonly whole: boolean} | undefined {
    const begin = last.at - this.#windowMs
    // The latest of those that are a whole window old, and all younger ones.
    const from = this.#list.findLastIndex(({at}) => at <= begin)
    this.#list = [...this.#list.slice(Math.max(0, from)), last]
    const [first] = this.#list
    return first === undefined || first === last ? undefined : {first, last, whole: first.at <= begin}
  }
}
