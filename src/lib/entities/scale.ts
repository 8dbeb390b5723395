import type {Clock} from '../clock.js'
import type {ControlClient} from '../control/client.js'
import type {HostPing} from '../control/dialect.js'
import {discover, type Discovery} from '../control/discover.js'
import {formatRef, runningVersions, type Entity, type EntityRef, type Instance} from '../entity/entity.js'
import {entityName} from '../entity/require.js'
import {requireEntity} from '../entity/require.js'
import {resolveEntity} from '../entity/resolve.js'
import type {Version} from '../entity/version.js'
import {NotFoundError, UnsafeError, UsageError} from '../errors.js'
import type {RouteRecord} from '../records/route.js'
import {requireHost, targetInstances} from './find.js'
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
  readonly changes: readonly InstanceChange[]
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
  if (stopped !== undefined) return scaleResult(control, stopped, [], {changed: false, dryRun: wish.dryRun})
  const entity = requireEntity(ref, discovery.entities, control.lattice)
  const host = wish.host === undefined ? undefined : requireHost(wish.host, discovery).id
  const targets = targetInstances(entity, ref, host)
  if (targets.length === 0) throw new NotRunningError(entity, ref, host)
  if (ref.version === undefined && !wish.allVersions)
    refuseSeveral(entity, targets, {host, commands: wish.commands(entity)})
  if (count === 0) refuseWeighted(entity, targets, {record: await wish.routeOf(entity), allowed: wish.allowInUse})
  else refuseUnscalable(entity, targets, share)
  const wanted = targets.filter((instance) => instance.count !== count || (share && instance.dark))
  if (!wish.dryRun) {
    for (const instance of wanted) await send(control, entity, instance, {count, share, hosts: discovery.hosts})
    if (wish.wait) await awaitCounts(control, entity, wanted, wish)
  }
  const changes = targets.map((instance) => changeOf(instance, count))
  return scaleResult(control, entityName(entity), changes, {
    changed: wanted.length > 0,
    dryRun: wish.dryRun,
    key: entity.key,
  })
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
      suggestions: runningVersions(entity).map((version) => `${entityName(entity)}@${version}`),
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
    one: (version) => `lattice scale ${name} --version ${version} --count ${count}`,
    all: `lattice scale ${name} --all-versions --count ${count}`,
  }
}

function stopCommands(entity: Entity): Commands {
  const name = entityName(entity)
  return {one: (version) => `lattice stop ${name}@${version}`, all: `lattice stop ${name} --all-versions`}
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

async function send(
  control: ControlClient,
  entity: Entity,
  instance: Instance,
  {count, share, hosts}: {count: number; share: boolean; hosts: readonly HostPing[]},
): Promise<void> {
  const version = versionFor(entity, instance, hosts)
  if (entity.kind === 'provider') {
    await control.stopProvider(instance.host, {
      key: entity.key,
      link: entity.link ?? 'default',
      contract: entity.contract ?? '',
      ...version,
    })
  } else if (count === 0) {
    await control.stopActor(instance.host, {key: entity.key, count: 0, ...version})
  } else {
    const dark = share ? {dark: false} : {}
    await control.scaleActor(instance.host, {key: entity.key, ref: instance.imageRef ?? '', count, ...version, ...dark})
  }
}

/** Hosts that do not announce versioned RPC would ignore a version and stop whatever runs: they are never sent one. */
function versionFor(entity: Entity, {version, host}: Instance, hosts: readonly HostPing[]): {version?: Version} {
  const versioned = hosts.find(({id}) => id === host)?.versioned === true
  if (versioned) return version === undefined ? {} : {version}
  const others = entity.instances.some((other) => other.host === host && other.version !== version)
  if (!others) return {}
  throw new UnsafeError(
    `Host ${host} cannot stop or scale one version among several: it does not speak versioned RPC.`,
    {
      details: {host, entity: entity.name, key: entity.key},
    },
  )
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
  entity: string,
  changes: readonly InstanceChange[],
  {key, ...outcome}: {changed: boolean; dryRun: boolean; key?: string},
): ScaleResult {
  return {entity, ...(key === undefined ? {} : {key}), lattice: control.lattice, changes, ...outcome}
}
