import {systemClock} from '../../clock.js'
import type {Entity} from '../../entity/entity.js'
import {runningVersions} from '../../entity/entity.js'
import {LatticeError} from '../../errors.js'
import {MissingSystemCredentialsError} from '../../nats/system-user.js'
import {hasSystemCredentials} from '../../nats/system.js'
import type {ObserveSource} from '../../observe/observe.js'
import type {ObservedAddress, ObservedSplit} from '../../observe/split.js'
import {asDestination, endpointsOf} from '../../routing/endpoint.js'
import type {Leg} from '../../routing/weights.js'
import {openMonitoring, type RouteDeps} from '../session.js'
import {identify, UnknownAccountError} from '../who.js'
import type {RouteView} from './view.js'

export interface ObserveRouteOptions {
  /** How long messages are counted, in milliseconds. */
  readonly windowMs: number
  readonly signal?: AbortSignal | undefined
  /** Told what is known before the counting begins. */
  readonly begin?: ((view: RouteView) => void) | undefined
}

/** The legs that traffic is compared with: those that are recorded, unless somebody else mapped the source. */
export function askedLegs({
  effective,
  recorded,
  state,
}: Pick<RouteView, 'effective' | 'recorded' | 'state'>): readonly Leg[] {
  const foreign = state === 'drifted' || state === 'foreign'
  return (foreign && effective.visible ? effective.legs : recorded?.legs) ?? []
}

/**
 * Where messages of an entity arrive: each version's address, and the source for what is not mapped. Weights are told
 * where there is one for all callers; a share that is dropped reaches nobody and is not among them.
 */
export function addressesOf(lattice: string, entity: Entity, legs: readonly Leg[]): ObservedAddress[] {
  const comparable = legs.length > 0 && legs.every(({cluster}) => cluster === undefined)
  const weightOf = (version: string): number =>
    legs.reduce((sum, leg) => sum + (leg.version === version && leg.sink !== true ? leg.weight : 0), 0)
  const versions = [...new Set([...legs.map(({version}) => version), ...runningVersions(entity)])]
  return endpointsOf(lattice, entity).flatMap((endpoint) => {
    const queue = endpoint.queue === undefined ? {} : {queue: endpoint.queue}
    const addresses = versions.flatMap((version) => {
      const subject = endpoint.addressOf(version)
      return subject === undefined
        ? []
        : [{version, subject, ...queue, ...(comparable ? {weight: weightOf(version)} : {})}]
    })
    const own = asDestination(endpoint.source)
    const incumbent = addresses.some(({subject}) => subject === own)
    return incumbent ? addresses : [...addresses, {subject: own, ...queue, ...(comparable ? {weight: 0} : {})}]
  })
}

/** Whom to ask for counters: all servers by the system account or their monitoring ports, else by the own user. */
export async function observeSource(deps: RouteDeps): Promise<ObserveSource> {
  const {connection, spec, clock = systemClock} = deps
  const own = {connection, clock, account: ''}
  try {
    const system = hasSystemCredentials(spec) ? await deps.system() : await openMonitoring(deps)
    return system === undefined ? own : {...own, system, account: (await identify(connection, spec)).account}
  } catch (error) {
    if (error instanceof MissingSystemCredentialsError || error instanceof UnknownAccountError) return own
    throw error
  }
}

/** A row for what is not mapped only where somebody could get it. */
export function withoutSilentSource(split: ObservedSplit): ObservedSplit {
  return {...split, legs: split.legs.filter(({version, listeners}) => version !== undefined || listeners > 0)}
}

/** What a route's versions got over a window; in words why that cannot be told. */
export async function observeRoute(
  deps: RouteDeps,
  {entity, view}: {readonly entity: Entity; readonly view: RouteView},
  options: ObserveRouteOptions,
): Promise<Pick<RouteView, 'observed' | 'unobserved'>> {
  options.begin?.(view)
  const {observeSplit} = await import('../../observe/observe.js')
  const addresses = addressesOf(view.lattice, entity, askedLegs(view))
  try {
    const observed = await observeSplit(await observeSource(deps), {addresses, ...options})
    return {observed: withoutSilentSource(observed)}
  } catch (error) {
    if (error instanceof LatticeError) return {unobserved: error.message}
    if (options.signal?.aborted === true) return {unobserved: 'It was interrupted.'}
    throw error
  }
}
