import type {EntityRef} from '../entity/entity.js'
import type {Version} from '../entity/version.js'
import type {RouteRecord} from '../records/route.js'
import {routeKey, type Addressed} from '../routing/source.js'
import type {AskedSplit} from '../routing/weights.js'
import type {DeclaredServices} from './declared.js'
import type {ChangeOptions} from './draft.js'
import {readKnown, requireRouted, routeOf} from './find.js'
import type {SplitHints} from './infer.js'
import type {AdoptOptions} from './proof/adopt.js'
import type {RouteDifference} from './proof/diff.js'
import type {RouteHistory} from './proof/history.js'
import type {ObserveRouteOptions} from './proof/observed.js'
import type {TracedRoute, TraceRouteOptions} from './proof/trace.js'
import type {RouteVerification, VerifyOptions} from './proof/verify.js'
import {routeView, type RouteView} from './proof/view.js'
import type {RouteTick, WatchOptions} from './proof/watch.js'
import type {RouteChange} from './result.js'
import type {RouteDeps} from './session.js'
import {openStore} from './store/store.js'
import type {Held, Holding} from './strategies/hold.js'
import {openReady} from './strategies/ready.js'
import type {Reconciliation, ReconcileOptions} from './strategies/reconcile.js'
import {cutOver, splitTraffic, type PlaceOption} from './strategies/split.js'
import type {Stepped, SteppedCanary, Stepping} from './strategies/steps.js'
import type {Fault, Shift} from './strategies/strategies.js'
import {clearRoute, undoRoute, type UndoOptions} from './strategies/undo.js'
import type {Target, WrittenSubjects} from './target.js'
import type {LintAccountOptions, LintedAccount} from './text/lint-account.js'
import {changeMany, type AskedChange} from './text/many.js'
import type {RenderedRoutes, RenderOptions} from './text/render.js'

/** The routes of one lattice: how the traffic of its entities is split over their versions. */
export class Routes {
  readonly #deps: RouteDeps

  private constructor(deps: RouteDeps) {
    this.#deps = deps
  }

  static open(deps: RouteDeps): Promise<Routes> {
    return Promise.resolve(new Routes(deps))
  }

  /** Splits an entity's traffic over versions; entity and versions are inferred where that leaves no choice. */
  split(asked: AskedSplit, options: ChangeOptions & SplitHints & PlaceOption = {}): Promise<RouteChange> {
    return splitTraffic(this.#deps, asked, options)
  }

  /** Moves all of an entity's traffic to one version. */
  cutOver(
    to: Version,
    options: ChangeOptions & PlaceOption & {readonly entity?: EntityRef | undefined} = {},
  ): Promise<RouteChange> {
    return cutOver(this.#deps, {to, entity: options.entity, cluster: options.cluster}, options)
  }

  /** Gives one version its share of an entity's traffic; the others keep their proportions. */
  async shift(shift: Shift, options: ChangeOptions = {}): Promise<RouteChange> {
    const {shiftTraffic} = await import('./strategies/strategies.js')
    return shiftTraffic(this.#deps, shift, options)
  }

  /** Lets some or all requests to a version fail at once. */
  async fault(
    fault: Fault,
    {entity, ...options}: ChangeOptions & {readonly entity?: EntityRef | undefined} = {},
  ): Promise<RouteChange> {
    const {simulateFault} = await import('./strategies/strategies.js')
    return simulateFault(this.#deps, {fault, entity}, options)
  }

  /** Makes a change for some time, and puts back what was before. */
  async hold(
    act: (options: ChangeOptions) => Promise<RouteChange>,
    held: {readonly options: ChangeOptions; readonly holding: Holding},
  ): Promise<Held> {
    const {holdRoute} = await import('./strategies/hold.js')
    return holdRoute(this.#deps, act, held)
  }

  /** Raises a version's share step by step. */
  async step(canary: SteppedCanary, stepping: Stepping): Promise<Stepped> {
    const {stepTraffic} = await import('./strategies/steps.js')
    return stepTraffic(this.#deps, canary, stepping)
  }

  /** Puts back what should be back by now, and ends what died. */
  async reconcile(options: ReconcileOptions = {}): Promise<Reconciliation> {
    const {reconcileRoutes} = await import('./strategies/reconcile.js')
    return reconcileRoutes(this.#deps, options)
  }

  /** For work that opens its routes anew; see Reopen. */
  use<T>(work: (deps: RouteDeps) => Promise<T>): Promise<T> {
    return work(this.#deps)
  }

  /** Changes several routes in one step, as a file or a plan asks. */
  changeMany(asked: readonly AskedChange[], options: ChangeOptions = {}): Promise<RouteChange[]> {
    return changeMany(this.#deps, {strategy: 'apply', asked}, options)
  }

  /** Removes an entity's mapping; without a reference, that of the only route. */
  async clear(ref: EntityRef | undefined, options: ChangeOptions = {}): Promise<RouteChange> {
    return clearRoute(await openReady(this.#deps, options), ref, options)
  }

  /** Takes the last change of an entity's route back; a second undo redoes. */
  async undo(ref: EntityRef | undefined, options: UndoOptions = {}): Promise<RouteChange> {
    return undoRoute(await openReady(this.#deps, options), ref, options)
  }

  /** Every route that is recorded, sorted by entity; with system credentials, what is live as well. */
  async list(): Promise<RouteView[]> {
    const {reader, known} = await readKnown(this.#deps, {}, {lenient: true})
    const {view, hidden} = reader
    return known.entities
      .flatMap((entity) => {
        const stored = routeOf(entity, known)
        return stored === undefined ? [] : [routeView(known.lattice, entity, {stored, view, hidden})]
      })
      .filter(
        ({recorded, effective}) =>
          (recorded?.legs.length ?? 0) > 0 || (effective.visible && effective.mappings !== null),
      )
      .sort((a, b) => (a.entity < b.entity ? -1 : 1))
  }

  /** The route of one entity; without a reference, the only one there is. With a window, what its versions get in it. */
  async show(
    ref: EntityRef | undefined,
    {observe, ...written}: WrittenSubjects & {readonly observe?: ObserveRouteOptions | undefined} = {},
  ): Promise<RouteView> {
    const target = {...written, ref}
    const {reader, known} = await readKnown(this.#deps, target, {lenient: true})
    const {store, view, hidden} = reader
    const entity = requireRouted(target, known, 'show')
    // A list may come from a server that has just started and lags behind.
    const stored = await store.get(routeKey(entity))
    const shown = routeView(known.lattice, entity, {stored, view, hidden})
    if (observe === undefined) return shown
    const {observeRoute} = await import('./proof/observed.js')
    return {...shown, ...(await observeRoute(this.#deps, {entity, view: shown}, observe))}
  }

  /** Reports the route of one entity again and again; without a reference, of the only one there is. */
  async watch(target: Target, options: WatchOptions): Promise<RouteTick | undefined> {
    const {watchRoute} = await import('./proof/watch.js')
    return watchRoute(this.#deps, target, options)
  }

  /** Where messages would go now, by messages that nobody gets: to a subject, or to those of an entity. */
  async trace(target: Target | string, options: TraceRouteOptions): Promise<TracedRoute> {
    const {tracePlain, traceRoute} = await import('./proof/trace.js')
    return typeof target === 'string'
      ? tracePlain(this.#deps, target, options)
      : traceRoute(this.#deps, target, options)
  }

  /** Who changed a route, when, why and from what to what. */
  async history(ref: EntityRef | undefined, written: WrittenSubjects = {}): Promise<RouteHistory> {
    const {routeHistory} = await import('./proof/history.js')
    return routeHistory(this.#deps, ref, written)
  }

  /** How what is recorded differs from what is live; of one route, or of all. */
  async diff(ref: EntityRef | undefined, written: WrittenSubjects = {}): Promise<RouteDifference[]> {
    const {differenceOf} = await import('./proof/diff.js')
    const named = ref !== undefined || (written.sources?.length ?? 0) > 0
    const views = named ? [await this.show(ref, written)] : await this.list()
    return views.map(differenceOf)
  }

  /** Whether what is recorded is live on every server; of one route, or of all. */
  async verify(ref: EntityRef | undefined, options: VerifyOptions = {}): Promise<RouteVerification> {
    const {verifyRoutes} = await import('./proof/verify.js')
    return verifyRoutes(this.#deps, ref, options)
  }

  /** Makes what is recorded live again where it is not. */
  async repair(verification: RouteVerification, options: ChangeOptions = {}): Promise<RouteChange[]> {
    const {repairRoutes} = await import('./proof/repair.js')
    return repairRoutes(this.#deps, verification, options)
  }

  /** Takes over a mapping that was made elsewhere. */
  async adopt(ref: EntityRef | undefined, options: AdoptOptions = {}): Promise<RouteChange> {
    const {adoptRoute} = await import('./proof/adopt.js')
    return adoptRoute(this.#deps, ref, options)
  }

  /** What is wrong with the mappings of the account as it is now. */
  async lint(options: LintAccountOptions = {}): Promise<LintedAccount> {
    const {lintAccount} = await import('./text/lint-account.js')
    return lintAccount(this.#deps, options)
  }

  /** The recorded routes as text for another tool; of one entity or all. */
  async render(ref: EntityRef | undefined, options: RenderOptions): Promise<RenderedRoutes> {
    const {renderRoutes} = await import('./text/render.js')
    return renderRoutes(this.#deps, ref, options)
  }

  /** The services that a file declares, for whoever lists what runs. */
  async declared(ref?: EntityRef): Promise<DeclaredServices> {
    const {openDeclared} = await import('./declared.js')
    return openDeclared(this.#deps, ref)
  }

  /** Keys of records that nobody can read: their routes are live and unknown. */
  async unreadable(): Promise<readonly string[]> {
    return (await openStore(this.#deps.connection, this.#deps.spec, this.#deps.access?.state)).unreadable()
  }

  /** The record of an entity's route; undefined when there is none. For what stops and scales versions. */
  async recordOf(entity: Addressed): Promise<RouteRecord | undefined> {
    const store = await openStore(this.#deps.connection, this.#deps.spec, this.#deps.access?.state)
    return (await store.get(routeKey(entity)))?.record
  }
}
