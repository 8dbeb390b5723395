import {runningVersions, type Entity} from '../../entity/entity.js'
import {entityName, shellWord, versionName} from '../../entity/require.js'
import type {Version} from '../../entity/version.js'
import {AmbiguousError, UnsafeError} from '../../errors.js'
import type {Leg} from '../../routing/weights.js'
import {mainSource, readBefore} from '../before.js'
import {DriftedRouteError} from '../failure.js'
import type {Known} from '../infer.js'
import {lightVersions} from '../result.js'
import type {Session} from '../session.js'
import type {StoredRoute} from '../store/store.js'
import {routableEntity} from '../target.js'

export interface PresentQuestion {
  readonly stored: StoredRoute | undefined
  readonly known: Pick<Known, 'services' | 'declared'>
  /** The version that is about to come, and so has nothing yet. */
  readonly but?: Version
}

/**
 * The legs that an entity's traffic takes now: those of its mapping, else the one version that listens on the source.
 * Refused where several share it, because nobody knows in what proportion.
 */
export function presentLegs(session: Session, named: Entity, {stored, known, but}: PresentQuestion): readonly Leg[] {
  const {entity} = routableEntity(named, [], {stored, known})
  const before = readBefore(session.view, session.lattice, entity)
  if (before.legs !== undefined) return before.legs
  if (before.mapped) {
    const state = stored === undefined ? 'foreign' : 'drifted'
    throw new DriftedRouteError(entity, state, {record: stored?.record, before})
  }
  const light = lightVersions(entity)
  const others = runningVersions(entity).filter((version) => version !== but)
  const candidates = light.length > 0 ? light : others
  const [only, ...more] = candidates
  if (only === undefined) throw new NobodyServesError(entity, mainSource(session.lattice, entity))
  if (more.length > 0) throw new SharedTrafficError(entity, candidates)
  return [{version: only, weight: 100}]
}

/** Several versions share the traffic without a mapping, so there is no split to start from. */
class SharedTrafficError extends AmbiguousError {
  constructor(entity: Entity, versions: readonly Version[]) {
    const name = entityName(entity)
    super(
      `'${name}' has no route and runs in versions ${versions.join(', ')}, so which of them has the traffic is open.`,
      {
        suggestions: versions.map((version) => `lattice route bluegreen ${name} --to ${shellWord(version)}`),
        details: {
          entity: entity.name,
          key: entity.key,
          versions,
          candidates: versions.map((v) => versionName(entity, v)),
        },
      },
    )
  }
}

/** Nothing is known to have the traffic that should be shared. */
class NobodyServesError extends UnsafeError {
  constructor(entity: Entity, source: string) {
    super(
      `'${entityName(entity)}' has no route and no version of it is known to listen, so there is no traffic to share.`,
      {
        suggestions: [`lattice entity inspect ${entityName(entity)}`, 'lattice entity ls'],
        details: {entity: entity.name, key: entity.key, source},
      },
    )
  }
}
