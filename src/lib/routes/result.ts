import type {ServerOutcome, TableView} from '../apply/driver.js'
import type {Durability} from '../apply/durability.js'
import {formatRef, runningVersions, type Entity} from '../entity/entity.js'
import {entityName, shellWord, versionName} from '../entity/require.js'
import type {Version} from '../entity/version.js'
import type {RouteRecord} from '../records/route.js'
import type {DriverName} from '../routing/driver-names.js'
import {endpointsOf} from '../routing/endpoint.js'
import type {MappingPlan} from '../routing/plan.js'
import type {Finding} from '../routing/rule-book.js'
import type {Leg} from '../routing/weights.js'
import {mainSource} from './before.js'
import type {ChangePlan} from './draft.js'
import type {Session} from './session.js'

/** On how many servers a route is live. */
export interface ServerCount {
  readonly applied: number
  /** Nobody uses the account there: live when somebody does. */
  readonly stored: number
  readonly total: number
  readonly names: readonly string[]
}

/** What a route command did; the JSON of `ab`, `bluegreen`, `clear` and `undo`. */
export interface RouteChange {
  readonly entity: string
  readonly key: string
  readonly link?: string
  readonly lattice: string
  /** The context that the connection came from. */
  readonly context?: string
  readonly strategy: string
  /** Empty: no mapping, callers reach whoever listens on the source. */
  readonly legs: readonly Leg[]
  /** Null: there was no mapping, or none that lattice can read. */
  readonly previous: readonly Leg[] | null
  readonly source: string
  readonly changed: boolean
  readonly dryRun: boolean
  /** `printed`: written out for another tool, and nothing was changed here. */
  /** `rendered`: files wait to be brought to the servers. `unverified`: nothing shows what is live, and that was accepted. */
  readonly state: 'live' | 'planned' | 'printed' | 'rendered' | 'unverified'
  readonly driver: DriverName | 'print'
  readonly servers: ServerCount
  /** From sending the token to the last server's answer. */
  readonly pushMs?: number
  /** When the last server confirmed. */
  readonly liveAt?: string
  /** Of the route record; of a dry run, the one that it is based on, 0 for none. */
  readonly revision?: number
  /** When the route goes back by itself, by server time. */
  readonly expiresAt?: string
  /** Of a cutover: how to call the versions that have no traffic. */
  readonly preview?: readonly Preview[]
  /** The command that takes it back. */
  readonly undo?: string
  /** The command in full, where entity or versions were inferred. */
  readonly inferred?: string
  /** Why the route is not the one that was asked for. */
  readonly reason?: string
  readonly warnings?: readonly string[]
  /** What the change does not outlive: servers that forget it, and the step that makes it last. */
  readonly durability?: Omit<Durability, 'warning'>
  /** Of a dry run: what was found, refusals that were switched off too. */
  readonly findings?: readonly Finding[]
  /** Of a dry run: subjects that callers have to be allowed to publish, as far as nothing shows that they are. */
  readonly permissions?: readonly string[]
  /** Of a dry run: the mappings that would be written; empty: they would be removed. */
  readonly mappings?: readonly MappingPlan[]
  /** What another tool applies, with the print driver, or the manifest of a ConfigMap that nothing applied. */
  readonly printed?: string
  /** Files that wait for somebody to bring them to the servers. */
  readonly rendered?: readonly string[]
  /** Of a dry run: the record that would be written. */
  readonly record?: RouteRecord
}

/** Where one version can be called that the route leads nobody to. */
export interface Preview {
  readonly version: Version
  /** One an endpoint; wildcards as `$1`. */
  readonly subjects: readonly string[]
  readonly call: string
}

/** Counts outcomes; the names are those of all servers. */
export function countServers(outcomes: readonly ServerOutcome[]): ServerCount {
  const count = (wanted: ServerOutcome['outcome']): number => outcomes.filter(({outcome}) => outcome === wanted).length
  return {
    applied: count('applied'),
    stored: count('stored'),
    total: outcomes.length,
    names: outcomes.map(({server}) => server.name).sort(),
  }
}

/** The servers of an account that nothing has to be changed on. */
export function presentServers({servers}: TableView): ServerOutcome[] {
  return servers.map(({server, live}) => ({server, outcome: live === undefined ? 'stored' : 'applied'}))
}

/**
 * The command that takes a change back. Back to no mapping would be refused while several versions listen on the
 * source, so then it is the cutover to the version that had the traffic before.
 */
export function undoCommand(entity: Entity, previous: readonly Leg[] | undefined, legs: readonly Leg[]): string {
  const name = entityName(entity)
  // Versions of what has subjects of its own do not meet on the source.
  if (previous !== undefined || entity.endpoints !== undefined) return `lattice route undo ${name}`
  const light = lightVersions(entity)
  const lit = new Set([...light, ...legs.map(({version}) => version)])
  return lit.size > 1 && light.length === 1
    ? `lattice route bluegreen ${name} --to ${shellWord(light[0]!)}`
    : `lattice route undo ${name}`
}

/** Versions that listen on the source itself, lowest first. */
export function lightVersions(entity: Entity): ReturnType<typeof runningVersions> {
  return runningVersions({...entity, instances: entity.instances.filter(({dark}) => !dark)})
}

/** What a change came to, besides its plan. */
export interface ChangeOutcome {
  readonly changed: boolean
  readonly outcomes: readonly ServerOutcome[]
  readonly pushMs?: number
  /** Milliseconds since the epoch. */
  readonly confirmedAt?: number
  readonly revision?: number
  /** Of a dry run. */
  readonly record?: RouteRecord
  /** Files that wait for somebody to bring them to the servers. */
  readonly rendered?: readonly string[]
}

/** The result of a change, as it is printed. */
export function changeResult({lattice, deps, driver}: Session, plan: ChangePlan, outcome: ChangeOutcome): RouteChange {
  const {wanted, before, mappings, warnings} = plan
  const {entity, legs, explicit, reason} = wanted
  const {changed, outcomes, pushMs, confirmedAt, revision, record} = outcome
  const dry = record !== undefined
  const recorded = deps.access?.state?.kind !== 'none'
  return {
    entity: formatRef(entity),
    key: entity.key,
    ...(entity.link === undefined ? {} : {link: entity.link}),
    lattice,
    ...(deps.spec.context === undefined ? {} : {context: deps.spec.context}),
    strategy: wanted.strategy,
    legs,
    previous: before.legs ?? null,
    source: mainSource(lattice, entity),
    changed,
    dryRun: dry,
    state: stateOf(outcome),
    driver: driver.name,
    servers: countServers(outcomes),
    ...(pushMs === undefined ? {} : {pushMs}),
    ...(confirmedAt === undefined ? {} : {liveAt: new Date(confirmedAt).toISOString()}),
    ...(revision === undefined || !recorded ? {} : {revision}),
    ...(plan.options.expiresAt === undefined ? {} : {expiresAt: plan.options.expiresAt}),
    ...(wanted.strategy === 'bluegreen' ? previewOf(lattice, entity, dry ? (before.legs ?? []) : legs) : {}),
    // What was put back is what undo leads to.
    ...(changed && stateOf(outcome) === 'live' && recorded && wanted.strategy !== 'restore'
      ? {undo: undoCommand(entity, before.legs, legs)}
      : {}),
    ...(explicit === undefined ? {} : {inferred: explicit}),
    ...(reason === undefined ? {} : {reason}),
    ...(warnings.length === 0 ? {} : {warnings}),
    ...(driver.durability === undefined ? {} : {durability: withoutWarning(driver.durability)}),
    ...(outcome.rendered === undefined ? {} : {rendered: outcome.rendered}),
    ...(dry ? {...examined(plan), mappings, record} : {}),
  }
}

function examined({findings = [], permissions = []}: ChangePlan): Pick<RouteChange, 'findings' | 'permissions'> {
  return {...(findings.length === 0 ? {} : {findings}), ...(permissions.length === 0 ? {} : {permissions})}
}

function stateOf({record, rendered, outcomes}: ChangeOutcome): RouteChange['state'] {
  if (record !== undefined) return 'planned'
  if (rendered !== undefined) return 'rendered'
  return outcomes.some(({outcome}) => outcome === 'unverified') ? 'unverified' : 'live'
}

/** The versions that get nothing by these legs; without a mapping, those that do not listen on the source. */
function previewOf(lattice: string, entity: Entity, legs: readonly Leg[]): {preview?: readonly Preview[]} {
  const busy = new Set(legs.length === 0 ? lightVersions(entity) : legs.map(({version}) => version))
  const preview = runningVersions(entity)
    .filter((version) => !busy.has(version))
    .map((version) => ({
      version,
      subjects: endpointsOf(lattice, entity).flatMap(({addressOf}) => addressOf(version) ?? []),
      call: `lattice call ${versionName(entity, version)} ${entity.kind === 'service' ? 'ENDPOINT' : 'OPERATION'}`,
    }))
  return preview.length === 0 ? {} : {preview}
}

/** The warning is among the warnings. */
function withoutWarning({kind, servers, step}: Durability): Omit<Durability, 'warning'> {
  return {kind, servers, step}
}
