import {isLive, type ServerOutcome} from '../apply/driver.js'
import type {ChangePlan, WantedRoute} from './draft.js'
import type {Session} from './session.js'

/** What cannot be shown may be accepted, and never what is known to be otherwise. */
export function isFine({deps}: Session, outcome: ServerOutcome): boolean {
  return isLive(outcome) || (deps.access?.acceptUnverified === true && outcome.outcome === 'unverified')
}

/** Servers seen at the last change, or named by their neighbours, that did not answer. Unnamed ones get a new name at each start. */
export function absentServers(
  {facts}: Session,
  outcomes: readonly ServerOutcome[],
  plans: readonly ChangePlan[],
): ServerOutcome[] {
  const present = new Set(outcomes.flatMap(({server}) => [server.name, server.id]))
  const before = plans
    .flatMap(({wanted}) => wanted.stored?.record.servers ?? [])
    .filter((name) => !/^N[A-Z2-7]{55}$/.test(name))
  const names = [...new Set([...before, ...facts.silent.map(({name}) => name)])]
  return names
    .filter((name) => !present.has(name))
    .map((name) => ({server: {name, id: name}, outcome: 'missing', reason: 'it does not answer'}))
}

/** What plans are about, as errors name it. */
export function entitiesOf(plans: readonly ChangePlan[]): WantedRoute['entity'][] {
  return plans.map(({wanted}) => wanted.entity)
}
