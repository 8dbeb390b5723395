import {hasOperatorKey} from '../nats/operator-key.js'
import type {ConnectSpec} from '../nats/spec.js'
import {hasSystemCredentials} from '../nats/system.js'
import {abilities, type Ability} from './needs.js'
import type {Level} from './permissions.js'

/** How far each ability is meant to be used, which decides what is missing and what is merely not there. */
export type Wanted = Readonly<Record<Ability, Level>>

export interface Wishes {
  /** The abilities that were named; undefined: those that the connection is set up for. */
  readonly named?: readonly Ability[] | undefined
  /** Nothing is to be changed. */
  readonly readOnly?: boolean
}

/**
 * What is wanted of a connection. Named abilities are; without names records and hosts are, calls where a cluster seed
 * is set, and routes as far as system credentials or an operator key are set.
 */
export function wantedOf(spec: ConnectSpec, {named, readOnly = false}: Wishes): Wanted {
  const most: Level = readOnly ? 'read' : 'write'
  // A call may change anything, so that only looking on is no call.
  const calls: Level = readOnly ? 'none' : 'write'
  if (named !== undefined) {
    const level = (ability: Ability): Level => (!named.includes(ability) ? 'none' : ability === 'calls' ? calls : most)
    return Object.fromEntries(abilities.map((ability) => [ability, level(ability)])) as Record<Ability, Level>
  }
  return {
    cache: most,
    control: most,
    calls: spec.clusterSeedFile === undefined ? 'none' : calls,
    routes: hasOperatorKey(spec) ? most : hasSystemCredentials(spec) ? 'read' : 'none',
  }
}

/** True when anything that is wanted goes through JetStream. */
export function wantsJetStream({cache, control, routes}: Wanted): boolean {
  // A stop looks whether its version has traffic, and routes are records.
  return cache !== 'none' || routes !== 'none' || control === 'write'
}

/** Why an ability is not wanted, in a few words. */
export function whyNotWanted(ability: Ability, {named, readOnly}: Wishes): string {
  if (named !== undefined && !named.includes(ability)) return 'it was not asked for'
  if (ability === 'calls') return readOnly === true ? 'a call may change something' : 'no cluster seed is set'
  return 'neither system credentials nor an operator key are set'
}
