import type {Clock} from '../clock.js'
import type {ControlClient} from '../control/client.js'
import type {HostInventory, HostPing} from '../control/dialect.js'
import {discover, type Discovery} from '../control/discover.js'
import {formatRef, runningVersions, type Entity, type Instance} from '../entity/entity.js'
import {shellWord} from '../entity/require.js'
import type {Version} from '../entity/version.js'
import {AmbiguousError, ConflictError, NotFoundError, UnsafeError} from '../errors.js'
import {readArtifact, sameArtifact, type Artifact} from './artifact.js'
import {requireHost} from './find.js'
import {resizeInstance} from './resize.js'
import {darkOrShare, refuseBlind, refuseOtherState, refuseSecond} from './second-version.js'
import {awaitInventory} from './wait.js'

export interface StartOptions {
  readonly host?: string | undefined
  /** Name of the context, for the result. */
  readonly context?: string | undefined
  /** Greatest number of concurrent calls. */
  readonly count: number
  readonly link: string
  readonly dark: boolean
  readonly share: boolean
  readonly dryRun: boolean
  readonly wait: boolean
  readonly timeoutMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

export interface StartResult {
  readonly entity: string
  readonly key?: string
  readonly version?: Version
  readonly host: string
  readonly ref: string
  /** Actors only. */
  readonly count?: number
  readonly dark: boolean
  readonly lattice: string
  readonly context?: string
  /** The line that takes it back; absent when nothing changed. */
  readonly undo?: string
  readonly changed: boolean
  readonly dryRun: boolean
}

/**
 * Starts one artifact on one host and waits until the host shows it. A second version of something that runs is
 * refused unless it starts dark or is told to share; repeated for what runs already, nothing changes.
 */
export async function startArtifact(control: ControlClient, text: string, options: StartOptions): Promise<StartResult> {
  const artifact = await readArtifact(text, options.clock.now())
  const discovery = await discover(control)
  const host = chooseHost(discovery, options.host)
  refuseForeignDark(host, options.dark)
  const entity = knownEntity(artifact, discovery, options.link)
  const running = entity?.instances.find((instance) => instance.host === host.id && sameArtifact(instance, artifact))
  if (running !== undefined && entity !== undefined) refuseOtherState(entity, running, options)
  else {
    refuseBlind(discovery, options)
    refuseSecond(artifact, entity, options)
  }
  const changed = running === undefined || (artifact.kind === 'actor' && differs(running, options))
  if (changed && !options.dryRun) {
    if (running === undefined && mustStartAlone(artifact, entity, {host, options}))
      await startAlone(control, host.id, {artifact, options})
    else if (running === undefined) await sendStart(control, host.id, artifact, options)
    else await resizeInstance(control, entity!, running, {...options, hosts: discovery.hosts})
  }
  const inventory =
    changed && !options.dryRun && options.wait
      ? await awaitInventory(control, host.id, {
          ...options,
          what: `The start of '${artifact.ref}' on host ${host.id}`,
          check: `lattice host inspect ${host.id}`,
          reached: (inventory) => findStarted(inventory, artifact, options) !== undefined,
        })
      : undefined
  const started = inventory === undefined ? undefined : findStarted(inventory, artifact, options)
  const dark = running === undefined ? options.dark : running.dark && !options.share
  return startResult(control, {artifact: {...artifact, ...started}, host, changed, options: {...options, dark}})
}

function differs({count, dark}: Instance, wanted: StartOptions): boolean {
  return count !== wanted.count || (dark && wanted.share)
}

function chooseHost({hosts}: Discovery, wanted: string | undefined): HostPing {
  if (wanted !== undefined) return requireHost(wanted, {hosts})
  if (hosts.length === 0) {
    throw new NotFoundError('No host answers, so nothing can be started.', {
      suggestions: ['lattice up', 'lattice host ls'],
    })
  }
  if (hosts.length > 1) {
    throw new AmbiguousError(`${hosts.length} hosts answer and none was named.`, {
      suggestions: hosts.map(({id, name}) => `--host ${id}${name ? `   (${name})` : ''}`),
      details: {hosts: hosts.map(({id}) => id)},
    })
  }
  return hosts[0]!
}

function refuseForeignDark({id, versioned}: HostPing, dark: boolean): void {
  if (dark && !versioned) {
    throw new UnsafeError(`Host ${id} cannot start anything dark: it does not speak versioned RPC.`, {
      details: {host: id},
    })
  }
}

function knownEntity({key, kind}: Artifact, {entities}: Discovery, link: string): Entity | undefined {
  return entities.find((entity) => entity.key === key && (kind === 'actor' || entity.link === link))
}

/** The first version of an actor, on a host that can start it dark: another first version may be starting somewhere now. */
function mustStartAlone(
  {kind, key, version}: Artifact,
  entity: Entity | undefined,
  {host, options: {dark, share}}: {readonly host: HostPing; readonly options: StartOptions},
): boolean {
  const known = kind === 'actor' && key !== undefined && version !== undefined
  return known && entity === undefined && host.versioned && !dark && !share
}

/** Starts dark, looks again, and only then takes traffic: of two first versions at once at most one does. */
async function startAlone(
  control: ControlClient,
  host: string,
  {artifact, options}: {readonly artifact: Artifact; readonly options: StartOptions},
): Promise<void> {
  await sendStart(control, host, artifact, {...options, dark: true})
  const entity = knownEntity(artifact, await discover(control), options.link)
  const others = entity === undefined ? [] : runningVersions(entity).filter((version) => version !== artifact.version)
  const [key, version] = [artifact.key!, artifact.version!]
  if (others.length === 0) {
    await control.scaleActor(host, {key, ref: '', count: options.count, version, dark: false})
    return
  }
  await control.stopActor(host, {key, count: 0, version})
  throw new ConflictError(
    `Another version of '${artifact.name ?? key}' was started in the meantime (${others.join(', ')}), so this one was stopped again.`,
    {suggestions: darkOrShare, details: {key, version, running: others}},
  )
}

async function sendStart(
  control: ControlClient,
  host: string,
  {kind, ref}: Artifact,
  {count, link, dark}: StartOptions,
): Promise<void> {
  const flags = dark ? {dark} : {}
  await (kind === 'provider'
    ? control.startProvider(host, {ref, link, ...flags})
    : control.startActor(host, {ref, count, ...flags}))
}

type Started = Pick<Artifact, 'key' | 'name' | 'version'>

function findStarted(
  {actors, providers}: HostInventory,
  {ref, kind, version}: Artifact,
  {link, count}: StartOptions,
): Started | undefined {
  if (kind === 'provider') return providers.find((provider) => provider.imageRef === ref && provider.link === link)
  for (const actor of actors) {
    const instance = actor.instances.find(
      (one) => one.imageRef === ref && (version === undefined || one.version === version),
    )
    if (instance?.count === count) {
      return {
        key: actor.key,
        ...(actor.name === undefined ? {} : {name: actor.name}),
        ...(instance.version === undefined ? {} : {version: instance.version}),
      }
    }
  }
  return undefined
}

function startResult(
  control: ControlClient,
  {artifact, host, changed, options}: {artifact: Artifact; host: HostPing; changed: boolean; options: StartOptions},
): StartResult {
  const {key, name, version, ref} = artifact
  return {
    entity: name ?? key ?? ref,
    ...(key === undefined ? {} : {key}),
    ...(version === undefined ? {} : {version}),
    host: host.id,
    ref,
    ...(artifact.kind === 'actor' ? {count: options.count} : {}),
    dark: options.dark,
    lattice: control.lattice,
    ...(options.context === undefined ? {} : {context: options.context}),
    ...(changed ? {undo: `lattice stop ${undoRef(artifact, options)} --host ${host.id}`} : {}),
    changed,
    dryRun: options.dryRun,
  }
}

/** What a stop would name: by key where the name could not be pasted. */
function undoRef({kind, key, name, version, ref}: Artifact, {link}: StartOptions): string {
  const plain = name !== undefined && /^[\w.-]+$/.test(name) ? name : (key ?? ref)
  return shellWord(
    formatRef({name: plain, ...(kind === 'provider' ? {link} : {}), ...(version === undefined ? {} : {version})}),
  )
}
