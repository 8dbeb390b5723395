import type {Entity, EntityRef} from '../../entity/entity.js'
import {entityName, requireEntity, shellWord} from '../../entity/require.js'
import type {Version} from '../../entity/version.js'
import {dropLegs, failLegs, shiftLegs} from '../../routing/shift.js'
import type {Leg} from '../../routing/weights.js'
import type {ChangeOptions, Strategy} from '../draft.js'
import {inferCutover, oneOf, type Known, type WantedSplit} from '../infer.js'
import type {RouteChange} from '../result.js'
import type {RouteDeps} from '../session.js'
import {routableEntity} from '../target.js'
import {changePlace} from './place.js'
import {presentLegs} from './present.js'
import {decideAndChange, type Decision, type PlaceOption} from './split.js'

/** A share for one version, the others keeping their proportions. */
export interface Shift extends PlaceOption {
  readonly to: Version
  /** Whole percent. */
  readonly weight: number
  readonly entity?: EntityRef | undefined
  /** All legs that the share is taken from; those there are now when undefined. */
  readonly base?: readonly Leg[] | undefined
}

/** Gives a version its share of an entity's traffic; what is left keeps its proportions. */
export function shiftTraffic(
  deps: RouteDeps,
  {to, weight, entity: ref, cluster, base}: Shift,
  options: ChangeOptions,
): Promise<RouteChange> {
  const place = cluster === undefined ? '' : ` --cluster ${shellWord(cluster)}`
  const words = (name: string): string => `canary ${name} --to ${shellWord(to)} --weight ${weight}${place}`
  const decide: Decision['decide'] = async (known, {session, recordOf}) => {
    const named = inferCutover(to, ref, known, words)
    const facts = {stored: await recordOf(named.entity), known, but: to}
    const legs = await changePlace(session, named.entity, {
      cluster,
      present: base ?? presentLegs(session, named.entity, facts),
      change: (present) => shiftLegs(present, {version: to, weight}),
      entityFor: (wanted) => routableEntity(named.entity, wanted, facts).entity,
    })
    return {...named, legs}
  }
  return decideAndChange(deps, {strategy: 'canary', ref, decide}, options)
}

/** A fault that callers shall see: some of all requests fail at once, or all that one version would get. */
export type Fault = ({readonly drop: number} | {readonly fail: Version}) & {
  /** For how long, as a suggested line says it. */
  readonly forMs?: number
}

/** Lets requests to an entity fail at once. */
export function simulateFault(
  deps: RouteDeps,
  {fault, entity: ref}: {readonly fault: Fault; readonly entity?: EntityRef | undefined},
  options: ChangeOptions,
): Promise<RouteChange> {
  const strategy: Strategy = 'drop' in fault ? 'drop' : 'fail'
  const time = fault.forMs === undefined ? '' : ` --for ${fault.forMs / 1000}s`
  const words = (name: string): string =>
    'drop' in fault ? `drop ${fault.drop} ${name}${time}` : `fail ${name} --version ${shellWord(fault.fail)}${time}`
  const decide: Decision['decide'] = async (known, {session, recordOf}) => {
    const named = inferAny(ref, known, words)
    const present = presentLegs(session, named.entity, {stored: await recordOf(named.entity), known})
    return {...named, legs: 'drop' in fault ? dropLegs(present, fault.drop) : failLegs(present, fault.fail)}
  }
  return decideAndChange(deps, {strategy, ref, decide}, options)
}

/** The entity that was named, else the only one there is. */
function inferAny(
  ref: EntityRef | undefined,
  known: Known,
  words: (name: string) => string,
): Pick<WantedSplit, 'entity' | 'explicit'> {
  if (ref !== undefined) return {entity: requireEntity(ref, known.entities, known.lattice)}
  const command = (one: Entity): string => `lattice route ${words(entityName(one))}`
  const entity = oneOf(known.entities, known, command)
  return entity.kind === 'subject' ? {entity} : {entity, explicit: command(entity)}
}
