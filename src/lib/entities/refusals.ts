import {runningVersions, type Entity, type Instance} from '../entity/entity.js'
import {entityName, shellWord} from '../entity/require.js'
import type {Version} from '../entity/version.js'
import {AmbiguousError, UnsafeError} from '../errors.js'
import type {RouteRecord} from '../records/route.js'

type Leg = RouteRecord['legs'][number]

/** Several versions run and none was named; rule 1. */
export class AmbiguousVersionError extends AmbiguousError {
  constructor(entity: Entity, instances: readonly Instance[], commandFor: (version: Version) => string, all: string) {
    const rows = instances.map(({version, host, count}) => ({version: version ?? '?', host, count}))
    const versions = runningVersions({...entity, instances})
    const list = rows.map(({version, host, count}) => `${version} × ${count} on ${host.slice(0, 8)}…`).join(', ')
    super(`'${entityName(entity)}' runs in ${versions.length} versions and none was named: ${list}.`, {
      suggestions: [...versions.map(commandFor), all],
      details: {entity: entity.name, key: entity.key, running: rows},
    })
  }
}

/** The change would take the last instances of a version that has traffic; rule 2. */
export class WeightedVersionError extends UnsafeError {
  constructor(
    entity: Entity,
    {version, weight}: Leg,
    {legs, again}: {legs: readonly Leg[]; again?: string | undefined},
  ) {
    const other = legs.find((leg) => leg.version !== version)?.version
    const name = entityName(entity)
    const share = `${weight} % of the traffic of route '${name}'`
    const has = again === undefined ? `has ${share}` : `gets ${share} again at ${again}`
    super(`'${name}@${version}' ${has}, and this would take its last instance away.`, {
      suggestions: [
        ...(other === undefined ? [] : [`lattice route bluegreen ${name} --to ${shellWord(other)}`]),
        `lattice route show ${name}`,
        '--allow in-use',
      ],
      details: {entity: entity.name, key: entity.key, version, weight},
    })
  }
}

/** Throws when `gone` would take the last instances of a leg with weight, unless that was allowed. */
export function refuseWeighted(
  entity: Entity,
  gone: readonly Instance[],
  {record, allowed}: {record: RouteRecord | undefined; allowed: boolean},
): void {
  if (record === undefined || allowed) return
  const left = new Set(entity.instances.filter((instance) => !gone.includes(instance)).map(({version}) => version))
  const legs = liveLegs(record)
  const taken = ({version, weight}: Leg): boolean =>
    weight > 0 && gone.some((instance) => instance.version === version) && !left.has(version)
  const now = legs.find(taken)
  if (now !== undefined) throw new WeightedVersionError(entity, now, {legs})
  // A route for some time goes back to what needs these instances.
  const later = record.restores?.find(taken)
  if (later !== undefined) throw new WeightedVersionError(entity, later, {legs, again: record.expiresAt})
}

/** Until a change was verified, and for good when it was interrupted, the legs it replaces may have the traffic. */
function liveLegs({state, legs, replaced}: RouteRecord): Leg[] {
  return state === 'live' ? legs : [...legs, ...replaced]
}
