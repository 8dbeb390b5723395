import type {ControlClient} from '../control/client.js'
import type {HostPing} from '../control/dialect.js'
import type {Entity, Instance} from '../entity/entity.js'
import type {Version} from '../entity/version.js'
import {UnsafeError} from '../errors.js'

export interface Resize {
  /** Greatest number of concurrent calls; 0 stops. */
  readonly count: number
  /** A dark one joins the others. */
  readonly share: boolean
  readonly hosts: readonly HostPing[]
}

/** Changes one version that runs on one host; throws an UnsafeError when that host cannot tell versions apart. */
export async function resizeInstance(
  control: ControlClient,
  entity: Entity,
  instance: Instance,
  {count, share, hosts}: Resize,
): Promise<void> {
  const {host, imageRef = ''} = instance
  const {key, link = 'default', contract = ''} = entity
  const versioned = hosts.find(({id}) => id === host)?.versioned === true
  const version = versionFor(entity, instance, versioned)
  if (entity.kind === 'provider') await control.stopProvider(host, {key, link, contract, ...version})
  else if (count === 0) await control.stopActor(host, {key, count: 0, ...version})
  else {
    // With a reference, what was stopped a moment ago would start again, and not dark. Other hosts cannot do without.
    const ref = versioned ? '' : imageRef
    await control.scaleActor(host, {key, ref, count, ...version, ...(share ? {dark: false} : {})})
  }
}

/** Hosts that do not announce versioned RPC would ignore a version and stop whatever runs: they are never sent one. */
function versionFor(entity: Entity, {version, host}: Instance, versioned: boolean): {version?: Version} {
  if (versioned) return version === undefined ? {} : {version}
  const others = entity.instances.some((other) => other.host === host && other.version !== version)
  if (!others) return {}
  throw new UnsafeError(
    `Host ${host} cannot stop or scale one version among several: it does not speak versioned RPC.`,
    {details: {host, entity: entity.name, key: entity.key}},
  )
}
