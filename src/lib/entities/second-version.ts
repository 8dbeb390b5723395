import type {Discovery} from '../control/discover.js'
import {runningVersions, type Entity, type Instance} from '../entity/entity.js'
import {entityName, versionName} from '../entity/require.js'
import {UnsafeError} from '../errors.js'
import {sameArtifact, type Artifact} from './artifact.js'
import type {StartOptions} from './start.js'

/** The two ways in which a second version may start. */
export const darkOrShare = [
  '--dark   (no traffic until a route gives it weight)',
  '--share   (an equal share of the traffic at once)',
]

/** What runs already is left as it is, unless the command asks for something that only a restart could give. */
export function refuseOtherState(entity: Entity, instance: Instance, {dark}: StartOptions): void {
  if (!dark || instance.dark) return
  const name = `${entityName(entity)}@${instance.version ?? '?'}`
  throw new UnsafeError(`'${name}' runs there already and takes traffic, so it cannot start dark.`, {
    suggestions: [`lattice stop ${versionName(entity, instance.version ?? '?')}`],
    details: {entity: entity.name, key: entity.key, host: instance.host},
  })
}

/** A host that does not show what it runs may run another version, with traffic. */
export function refuseBlind({silent}: Discovery, {dark, share}: StartOptions): void {
  if (dark || share || silent.length === 0) return
  throw new UnsafeError(`Host ${silent[0]!} does not show what it runs, so another version may have traffic.`, {
    suggestions: darkOrShare,
    details: {silent},
  })
}

/** Rule 2. */
export function refuseSecond(artifact: Artifact, entity: Entity | undefined, {dark, share}: StartOptions): void {
  if (dark || share) return
  if (artifact.key === undefined) {
    throw new UnsafeError(
      `'${artifact.ref}' cannot be read here, so it may be a second version of something that has traffic.`,
      {suggestions: darkOrShare},
    )
  }
  if (entity === undefined) return
  // One more host of a version that has its share already is no second version.
  if (entity.instances.some((instance) => sameArtifact(instance, artifact) && !instance.dark)) return
  const others = runningVersions(entity).filter((version) => version !== artifact.version)
  if (others.length === 0 && entity.instances.every(({version}) => version !== undefined)) return
  throw new UnsafeError(
    `'${entityName(entity)}' runs already as ${others.join(', ') || 'an unknown version'}, and '${artifact.version ?? '?'}' would take part of its traffic.`,
    {
      suggestions: darkOrShare,
      details: {entity: entity.name, key: entity.key, running: others, starting: artifact.version},
    },
  )
}
