import {readFacts} from '../../apply/account-state.js'
import {openConfigDriver} from '../../apply/config-driver.js'
import type {Driver} from '../../apply/driver.js'
import {systemClock, type Clock} from '../../clock.js'
import {UsageError} from '../../errors.js'
import {hasSystemCredentials, type Monitoring, type SystemClient} from '../../nats/system.js'
import type {ConfigMapName} from '../../routing/config-map-name.js'
import type {RouteAccess} from '../access.js'
import {OwnMonitoring} from '../proof/own-monitoring.js'
import {openMonitoring, type RouteDeps, type Session, type SessionOptions} from '../session.js'
import {pendingChanges} from '../store/pending.js'
import {openStore, type RouteStore} from '../store/store.js'
import {tornTables} from '../store/torn.js'
import type {Who} from '../who.js'
import {allOrMissing} from './missing.js'
import {needJetStream, openSystem} from './needs.js'

/**
 * Accounts that stand in configuration files: reloaded by the system account, by whoever may signal the server, or by
 * what watches the ConfigMap that they are in.
 */
export async function openByFiles(deps: RouteDeps, who: Who, {repair = false}: SessionOptions): Promise<Session> {
  const {connection, spec, clock = systemClock, access = {}} = deps
  const {account} = who
  refuseMixed(access)
  const [system, , store, monitors] = await allOrMissing([
    hasSystemCredentials(spec) ? openSystem(deps) : undefined,
    needJetStream(deps),
    openStore(connection, spec, access.state),
    openMonitoring(deps),
  ])
  const found = {deps, account, clock, system, monitors, store}
  const {driver, seen} =
    access.configMap === undefined ? await openFiles(found) : await openConfigMap(found, access.configMap)
  const shown = system ?? monitors ?? seen
  const monitoring = shown ?? new OwnMonitoring(connection, spec.timeoutMs)
  const [facts, view] = await Promise.all([readFacts({system: monitoring, clock}), driver.read({newest: repair})])
  const blind = shown === undefined
  return {deps, clock, lattice: spec.lattice, store, driver, system: monitoring, account, facts, who, view, blind}
}

interface Found {
  readonly deps: RouteDeps
  readonly account: string
  readonly clock: Clock
  readonly system: SystemClient | undefined
  readonly monitors: Monitoring | undefined
  readonly store: RouteStore
}

interface Opened {
  readonly driver: Driver
  readonly seen?: Monitoring | undefined
}

async function openFiles({deps, account, clock, system, monitors, store}: Found): Promise<Opened> {
  const {spec, access = {}} = deps
  const driver = await openConfigDriver({
    system,
    monitoring: monitors,
    account,
    files: access.files ?? [],
    mappingsFile: access.mappingsFile,
    pid: access.pid,
    render: access.renderTo,
    clock,
    timeoutMs: spec.timeoutMs,
    isTorn: tornTables(store, spec.lattice),
  })
  return {driver, seen: driver.seen}
}

/** How long kubelets take at most to bring a ConfigMap to all pods, and then some. */
const waitMs = 180_000

async function openConfigMap(
  {deps, account, clock, system, monitors, store}: Found,
  configMap: ConfigMapName,
): Promise<Opened> {
  const {spec, access = {}} = deps
  const {openConfigMapDriver} = await import('../../apply/config-map-driver.js')
  const driver = openConfigMapDriver({
    configMap,
    applyWith: access.applyWith,
    render: access.renderTo,
    waitMs: access.waitMs ?? Math.max(waitMs, spec.timeoutMs),
    seen: system ?? monitors,
    account,
    clock,
    report: access.rollout?.report ?? (() => undefined),
    signal: access.rollout?.signal,
    isTorn: tornTables(store, spec.lattice),
    pending: () => pendingChanges(store, spec.lattice),
  })
  return {driver}
}

/** What is for files here and what is for a ConfigMap cannot both be meant. */
function refuseMixed({configMap, applyWith, files = [], pid, mappingsFile, renderTo}: RouteAccess): void {
  if (applyWith !== undefined && configMap === undefined) {
    throw new UsageError('A command that applies a ConfigMap needs the name of one.', {
      suggestions: ['--configmap NAMESPACE/NAME (or LATTICE_CONFIGMAP)'],
    })
  }
  if (applyWith !== undefined && renderTo !== undefined) {
    throw new UsageError('A ConfigMap is either applied or written to a folder.', {
      suggestions: ['Leave out --apply-with (and LATTICE_APPLY_WITH), or --render-to.'],
    })
  }
  if (configMap !== undefined && (files.length > 0 || pid !== undefined || mappingsFile !== undefined)) {
    throw new UsageError('The mappings are either in a ConfigMap or in files that are here.', {
      suggestions: ['Leave out --config, --mappings-file and --pid (and LATTICE_SERVER_CONFIG), or --configmap.'],
    })
  }
}
