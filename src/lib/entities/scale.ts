import type {Clock} from '../clock.js'
import type {ControlClient} from '../control/client.js'
import type {HostPing} from '../control/dialect.js'
import {discover, type Discovery} from '../control/discover.js'
import {formatRef, runningVersions, type Entity, type EntityRef, type Instance} from '../entity/entity.js'
import {entityName, requireEntity, shellWord, versionName} from '../entity/require.js'
import {resolveEntity} from '../entity/resolve.js'
import type {Version} from '../entity/version.js'
import {LatticeError, NotFoundError, PartialError, UnsafeError, UsageError} from '../errors.js'
import type {RouteRecord} from '../records/route.js'
import {requireHost, targetInstances} from './find.js'
import {resizeInstance} from './resize.js'
import {AmbiguousVersionError, refuseWeighted} from './refusals.js'
import {awaitInventory} from './wait.js'

export interface ChangeOptions {
  readonly host?: string | undefined
  readonly allVersions: boolean
  /** The user wrote `--allow in-use`. */
  readonly allowInUse: boolean
  readonly dryRun: boolean
  readonly wait: boolean
  readonly timeoutMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Name of the context, for the result. */
  readonly context?: string | undefined
  /** The route of an entity, if it has one. */
  readonly routeOf: (entity: Entity) => Promise<RouteRecord | undefined>
}

/** One version on one host, before and after. */
export interface InstanceChange {
  readonly version?: Version
  readonly host: string
  readonly from: number
  readonly to: number
}

export interface ScaleResult {
  readonly entity: string
  /** Absent when nothing of it runs any more. */
  readonly key?: string
  readonly lattice: string
  readonly context?: string
  readonly changes: readonly InstanceChange[]
  /** Lines that put back what was before. */
  readonly undo: readonly string[]
  readonly changed: boolean
  readonly dryRun: boolean
}

/**
 * Sets how many calls one version of an actor serves at once, on each host where it runs; 0 stops it. Refuses what is
 * ambiguous and what would take traffic away from a version with weight, before anything is sent.
 */
export function scaleEntity(
  control: ControlClient,
  ref: EntityRef,
  options: ChangeOptions & {readonly count: number; readonly share: boolean},
): Promise<ScaleResult> {
  return changeInstances(control, ref, {...options, commands: (entity) => scaleCommands(entity, options.count)})
}

/** Stops versions of an entity; refuses what is ambiguous and what has traffic, before anything is sent. */
export function stopEntity(control: ControlClient, ref: EntityRef, options: ChangeOptions): Promise<ScaleResult> {
  return changeInstances(control, ref, {...options, count: 0, share: false, commands: stopCommands})
}

interface Wish extends ChangeOptions {
  readonly count: number
  readonly share: boolean
  readonly commands: (entity: Entity) => Commands
}

async function changeInstances(control: ControlClient, ref: EntityRef, wish: Wish): Promise<ScaleResult> {
  const {count, share} = wish
  const discovery = await discover(control)
  const stopped = count === 0 ? await stoppedAlready(control, ref, discovery) : undefined
  if (stopped !== undefined) return scaleResult(control, wish, {entity: stopped, changes: [], undo: [], changed: false})
  const entity = requireEntity(ref, discovery.entities, control.lattice)
  const host = wish.host === undefined ? undefined : requireHost(wish.host, discovery).id
  const targets = targetInstances(entity, ref, host)
  if (targets.length === 0) throw new NotRunningError(entity, ref, host)
  if (ref.version === undefined && !wish.allVersions)
    refuseSeveral(entity, targets, {host, commands: wish.commands(entity)})
  const record = count === 0 ? await wish.routeOf(entity) : undefined
  if (count === 0) refuseWeighted(entity, targets, {record, allowed: wish.allowInUse})
  else refuseUnscalable(entity, targets, share)
  const wanted = targets.filter((instance) => instance.count !== count || (share && instance.dark))
  if (!wish.dryRun) await sendAll(control, entity, wanted, {...wish, hosts: discovery.hosts})
  return scaleResult(control, wish, {
    entity: entityName(entity),
    key: entity.key,
    changes: targets.map((instance) => changeOf(instance, count)),
    undo: wanted.map((instance) => undoLine(entity, instance, {...wish, routed: record !== undefined})),
    changed: wanted.length > 0,
  })
}

/** A host that fails after another one did its part leaves a state that must be told. */
async function sendAll(
  control: ControlClient,
  entity: Entity,
  wanted: readonly Instance[],
  wish: Wish & {readonly hosts: readonly HostPing[]},
): Promise<void> {
  for (const [index, instance] of wanted.entries()) {
    try {
      await resizeInstance(control, entity, instance, wish)
    } catch (error) {
      if (index === 0 || !(error instanceof LatticeError)) throw error
      throw new HalfDoneError(entity, wanted, index, error)
    }
  }
  if (wish.wait) await awaitCounts(control, entity, wanted, wish)
}

class HalfDoneError extends PartialError {
  constructor(entity: Entity, wanted: readonly Instance[], done: number, cause: LatticeError) {
    super(`Of ${wanted.length} instances of '${entityName(entity)}' ${done} were changed, then: ${cause.message}`, {
      suggestions: [`lattice entity inspect ${entityName(entity)}`],
      details: {done: wanted.slice(0, done).map(where), left: wanted.slice(done).map(where)},
      cause,
    })
  }
}

function where({version, host}: Instance): {version: string; host: string} {
  return {version: version ?? '?', host}
}

/** What brings an instance back to how it was. */
function undoLine(
  entity: Entity,
  {version, host, count, dark, imageRef}: Instance,
  {count: to, share, routed}: Wish & {readonly routed: boolean},
): string {
  const name = entityName(entity)
  if (to > 0) {
    const light = share && dark ? '   (it stays live; stop and start it --dark to change that)' : ''
    return `lattice scale ${name}${version === undefined ? '' : ` --version ${shellWord(version)}`} --count ${count} --host ${host}${light}`
  }
  // Beside others it comes back without traffic where a route decides, and with its share where none does.
  const others = entity.instances.some((other) => other.version !== version)
  const state = dark || (others && routed) ? ' --dark' : others ? ' --share' : ''
  const link = entity.link === undefined || entity.link === 'default' ? '' : ` --link ${entity.link}`
  const size = entity.kind === 'actor' ? ` --count ${count}` : ''
  return `lattice start ${imageRef === undefined ? '<artifact>' : shellWord(imageRef)}${size}${link} --host ${host}${state}`
}

/** Name of what a reference means when it was started once and does not run now: a stop that is repeated is no error. */
async function stoppedAlready(
  control: ControlClient,
  ref: EntityRef,
  {entities}: Discovery,
): Promise<string | undefined> {
  const resolution = resolveEntity(ref, entities)
  const running =
    resolution.kind === 'found' && targetInstances(resolution.entity, {...ref, name: ''}, undefined).length > 0
  if (running || resolution.kind === 'ambiguous') return undefined
  const claims = await control.claims().catch(() => [])
  const known = claims.some(
    ({sub, name, call_alias: alias, version}) =>
      [sub, name, alias].includes(ref.name) && (ref.version === undefined || ref.version === version),
  )
  return known ? formatRef(ref) : undefined
}

/** The entity runs, but not the version or not on the host that was named. */
class NotRunningError extends NotFoundError {
  constructor(entity: Entity, ref: EntityRef, host: string | undefined) {
    const where = host === undefined ? '' : ` on host ${host}`
    super(`'${formatRef(ref)}' does not run${where}.`, {
      suggestions: runningVersions(entity).map((version) => versionName(entity, version)),
      details: {entity: formatRef(ref), running: runningVersions(entity), ...(host === undefined ? {} : {host})},
    })
  }
}

interface Commands {
  readonly one: (version: Version) => string
  readonly all: string
}

function scaleCommands(entity: Entity, count: number): Commands {
  const name = entityName(entity)
  return {
    one: (version) => `lattice scale ${name} --version ${shellWord(version)} --count ${count}`,
    all: `lattice scale ${name} --all-versions --count ${count}`,
  }
}

function stopCommands(entity: Entity): Commands {
  const name = entityName(entity)
  return {one: (version) => `lattice stop ${versionName(entity, version)}`, all: `lattice stop ${name} --all-versions`}
}

/** Rule 1. */
function refuseSeveral(
  entity: Entity,
  targets: readonly Instance[],
  {host, commands}: {host: string | undefined; commands: Commands},
): void {
  if (new Set(targets.map(({version}) => version)).size === 1) return
  const onHost = (command: string): string => (host === undefined ? command : `${command} --host ${host}`)
  throw new AmbiguousVersionError(entity, targets, (version) => onHost(commands.one(version)), onHost(commands.all))
}

function refuseUnscalable(entity: Entity, targets: readonly Instance[], share: boolean): void {
  if (entity.kind === 'provider') {
    throw new UsageError(`'${entityName(entity)}' is a provider: it has no count to scale.`, {
      suggestions: [`lattice stop ${entityName(entity)}`],
    })
  }
  if (share && targets.some(({version}) => version === undefined)) {
    throw new UnsafeError(`A version of '${entityName(entity)}' is unknown, so it cannot be made to share traffic.`)
  }
}

async function awaitCounts(
  control: ControlClient,
  entity: Entity,
  targets: readonly Instance[],
  {count, ...options}: ChangeOptions & {count: number},
): Promise<void> {
  for (const {host, version} of targets) {
    await awaitInventory(control, host, {
      ...options,
      what: `'${entityName(entity)}${version === undefined ? '' : `@${version}`}' on host ${host}`,
      check: `lattice host inspect ${host}`,
      reached: (inventory) => {
        const found =
          entity.kind === 'provider'
            ? inventory.providers.filter(({key, link}) => key === entity.key && link === entity.link)
            : inventory.actors.filter(({key}) => key === entity.key).flatMap(({instances}) => instances)
        const mine = found.filter((instance) => version === undefined || instance.version === version)
        return count === 0
          ? mine.length === 0
          : mine.some((instance) => 'count' in instance && instance.count === count)
      },
    })
  }
}

function changeOf({version, host, count: from}: Instance, to: number): InstanceChange {
  return {...(version === undefined ? {} : {version}), host, from, to}
}

function scaleResult(
  control: ControlClient,
  {dryRun, context}: Wish,
  outcome: Omit<ScaleResult, 'lattice' | 'context' | 'dryRun'>,
): ScaleResult {
  return {...outcome, lattice: control.lattice, ...(context === undefined ? {} : {context}), dryRun}
}
