import type {Clock} from '../clock.js'
import type {ControlClient} from '../control/client.js'
import type {HostPing} from '../control/dialect.js'
import {formatRef, runningVersions, type Entity, type EntityRef, type Instance} from '../entity/entity.js'
import {entityName} from '../entity/require.js'
import type {Version} from '../entity/version.js'
import {NotFoundError, UnsafeError, UsageError} from '../errors.js'
import type {RouteRecord} from '../records/route.js'
import {findEntity, requireHost, targetInstances} from './find.js'
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
  readonly key: string
  readonly lattice: string
  readonly changes: readonly InstanceChange[]
  readonly changed: boolean
  readonly dryRun: boolean
}

/**
 * Sets how many calls one version of an actor serves at once, on each host where it runs; 0 stops it. Refuses what is
 * ambiguous and what would take traffic away from a version with weight, before anything is sent.
 */
export async function scaleEntity(
  control: ControlClient,
  ref: EntityRef,
  {count, share, ...options}: ChangeOptions & {readonly count: number; readonly share: boolean},
): Promise<ScaleResult> {
  const {entity, discovery} = await findEntity(control, ref)
  if (entity.kind === 'provider' && count > 0) {
    throw new UsageError(`'${entityName(entity)}' is a provider: it has no count to scale.`, {
      suggestions: [`lattice stop ${entityName(entity)}`],
    })
  }
  const {host, targets} = chooseTargets(entity, ref, options, discovery.hosts)
  if (host === undefined || targets.length > 0)
    refuseSeveral(entity, targets, ref, options, scaleCommands(entity, count))
  if (targets.length === 0) throw new NotRunningError(entity, ref, host)
  if (count === 0) refuseWeighted(entity, targets, {record: await options.routeOf(entity), allowed: options.allowInUse})
  if (share) refuseSharing(entity, targets)
  const changes = targets.map((instance) => changeOf(instance, count))
  const wanted = targets.filter((instance) => instance.count !== count || (share && instance.dark))
  if (!options.dryRun) {
    for (const instance of wanted) await send(control, entity, instance, {count, share, hosts: discovery.hosts})
    if (options.wait) await awaitCounts(control, entity, wanted, {...options, count})
  }
  return result(control, entity, changes, {changed: wanted.length > 0, dryRun: options.dryRun})
}

/** Stops versions of an entity; refuses what is ambiguous and what has traffic, before anything is sent. */
export async function stopEntity(control: ControlClient, ref: EntityRef, options: ChangeOptions): Promise<ScaleResult> {
  const {entity, discovery} = await findEntity(control, ref)
  const {host, targets} = chooseTargets(entity, ref, options, discovery.hosts)
  refuseSeveral(entity, targets, ref, options, stopCommands(entity))
  if (targets.length === 0) throw new NotRunningError(entity, ref, host)
  refuseWeighted(entity, targets, {record: await options.routeOf(entity), allowed: options.allowInUse})
  if (!options.dryRun) {
    for (const instance of targets)
      await send(control, entity, instance, {count: 0, share: false, hosts: discovery.hosts})
    if (options.wait) await awaitCounts(control, entity, targets, {...options, count: 0})
  }
  return result(
    control,
    entity,
    targets.map((instance) => changeOf(instance, 0)),
    {changed: true, dryRun: options.dryRun},
  )
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

function chooseTargets(
  entity: Entity,
  ref: EntityRef,
  options: ChangeOptions,
  hosts: readonly HostPing[],
): {host: string | undefined; targets: Instance[]} {
  const host = options.host === undefined ? undefined : requireHost(options.host, {hosts}).id
  return {host, targets: targetInstances(entity, ref, host)}
}

/** Rule 1. */
function refuseSeveral(
  entity: Entity,
  targets: readonly Instance[],
  ref: EntityRef,
  options: ChangeOptions,
  commands: Commands,
): void {
  if (ref.version !== undefined || options.allVersions) return
  const host = options.host === undefined ? '' : ` --host ${options.host}`
  const context = (command: string): string => `${command}${host}`
  if (new Set(targets.map(({version}) => version)).size > 1) {
    throw new AmbiguousVersionError(entity, targets, (version) => context(commands.one(version)), context(commands.all))
  }
}

/** Rule 2: a dark version may listen beside others only when that was said. */
function refuseSharing(entity: Entity, targets: readonly Instance[]): void {
  if (targets.some(({version}) => version === undefined)) {
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

function result(
  control: ControlClient,
  entity: Entity,
  changes: readonly InstanceChange[],
  {changed, dryRun}: {changed: boolean; dryRun: boolean},
): ScaleResult {
  return {entity: entityName(entity), key: entity.key, lattice: control.lattice, changes, changed, dryRun}
}
