import type {Entity} from '../../entity/entity.js'
import {entityName, shellWord} from '../../entity/require.js'
import {AmbiguousError, ConnectionError, NotFoundError, UnsafeError} from '../../errors.js'
import type {ServerIdentity} from '../../nats/system.js'
import {asDestination, endpointsOf} from '../../routing/endpoint.js'
import {legsAt, placeLegs} from '../../routing/shift.js'
import type {Leg} from '../../routing/weights.js'
import type {Session} from '../session.js'

/** Legs for one place: everywhere, or the servers of one cluster. */
export interface PlaceChange {
  readonly cluster: string | undefined
  /** All legs as they are. */
  readonly present: readonly Leg[]
  /** What the place gets, of what it has. */
  readonly change: (legs: readonly Leg[]) => readonly Leg[]
  /** The entity as these legs need it. */
  readonly entityFor: (legs: readonly Leg[]) => Entity
}

/**
 * Changes the legs of one cluster and leaves those of all others; without a cluster, those for everywhere. Throws what
 * checkCluster throws, an AmbiguousError where clusters have legs of their own and none is named, and an UnsafeError for
 * what NATS cannot express.
 */
export async function changePlace(session: Session, entity: Entity, place: PlaceChange): Promise<readonly Leg[]> {
  const {cluster, present, change, entityFor} = place
  const clusters = [...new Set(present.flatMap((leg) => leg.cluster ?? []))]
  if (cluster === undefined) {
    if (clusters.length > 0) throw new SeveralPlacesError(entity, clusters)
    return change(present)
  }
  await checkCluster(session, cluster)
  const legs = placeLegs(present, cluster, change(legsAt(present, cluster)))
  refuseTwice(session, entityFor(legs), legs)
  return legs
}

/** Mappings of a cluster need servers of 2.10 or newer everywhere, and a cluster that is there. */
async function checkCluster({system}: Session, cluster: string): Promise<void> {
  const servers = await system.servers()
  const names = [...new Set(servers.flatMap((server) => server.cluster ?? []))].sort()
  if (!names.includes(cluster)) {
    throw new NotFoundError(`No server belongs to a cluster '${cluster}'.`, {
      suggestions: names.map((name) => `--cluster ${shellWord(name)}`),
      details: {cluster, clusters: names},
    })
  }
  const old = servers.filter(({version}) => isBefore210(version))
  if (old.length > 0) throw new OldClusterServersError(old)
}

/** In one source a server takes each destination once, whatever the cluster; what stays on the source needs no name. */
function refuseTwice({lattice}: Session, entity: Entity, legs: readonly Leg[]): void {
  const places = Map.groupBy(legs, ({version, sink = false}) => JSON.stringify([version, sink]))
  const twice = [...places.values()].find(
    ([leg, ...more]) =>
      more.length > 0 &&
      endpointsOf(lattice, entity).some(({source, addressOf}) => addressOf(leg!.version) !== asDestination(source)),
  )
  if (twice === undefined) return
  const {version} = twice[0]!
  const where = twice
    .map(({cluster}) => (cluster === undefined ? 'everywhere else' : `in cluster ${cluster}`))
    .reverse()
  const name = entityName(entity)
  throw new UnsafeError(
    `Version ${version} of '${name}' would get traffic ${where.join(' and ')}, and NATS takes each destination of a source once for all clusters together.`,
    {
      suggestions: legs.flatMap((leg) =>
        leg.cluster === undefined || leg.version === version
          ? []
          : [`lattice route bluegreen ${name} --to ${shellWord(leg.version)} --cluster ${shellWord(leg.cluster)}`],
      ),
      details: {entity: entity.name, key: entity.key, version, rule: 'duplicate'},
    },
  )
}

function isBefore210(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  return major < 2 || (major === 2 && minor < 10)
}

/** Clusters have legs of their own, and which of them are meant was not said. */
class SeveralPlacesError extends AmbiguousError {
  constructor(entity: Entity, clusters: readonly string[]) {
    const name = entityName(entity)
    super(`'${name}' has legs of its own in ${clusters.join(', ')}, so which of its legs are meant is open.`, {
      suggestions: [
        ...clusters.map((cluster) => `--cluster ${shellWord(cluster)}`),
        `lattice route bluegreen ${name} --to VERSION   (the same everywhere)`,
      ],
      details: {entity: entity.name, key: entity.key, clusters},
    })
  }
}

/** A server would take the legs of a cluster for legs of everywhere. */
class OldClusterServersError extends ConnectionError {
  constructor(servers: readonly ServerIdentity[]) {
    const named = servers.map(({name, version}) => `${name} (${version})`).join(', ')
    super(`Legs of a cluster need nats-server 2.10 or newer everywhere, and these are older: ${named}.`, {
      suggestions: ['Upgrade these servers first.'],
      details: {servers: servers.map(({name, version}) => ({name, version}))},
    })
  }
}
