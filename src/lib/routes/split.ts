import type {EntityRef} from '../entity/entity.js'
import type {Version} from '../entity/version.js'
import type {AskedSplit} from '../routing/weights.js'
import {changeRoute} from './change.js'
import type {ChangeOptions} from './draft.js'
import {knownEntities, readStored} from './find.js'
import {inferCutover, inferSplit, type Known, type SplitHints, type WantedSplit} from './infer.js'
import type {RouteChange} from './result.js'
import {openSession, type RouteDeps} from './session.js'

/** Splits an entity's traffic over versions. */
export function splitTraffic(
  deps: RouteDeps,
  asked: AskedSplit,
  options: ChangeOptions & SplitHints,
): Promise<RouteChange> {
  const refs = [options.entity, asked.kind === 'legs' ? asked.entity : undefined]
  return decideAndChange(deps, {strategy: 'ab', refs, decide: (known) => inferSplit(asked, options, known)}, options)
}

/** Moves all traffic of an entity to one version. */
export function cutOver(
  deps: RouteDeps,
  {to, entity}: {readonly to: Version; readonly entity?: EntityRef | undefined},
  options: ChangeOptions,
): Promise<RouteChange> {
  const decide = (known: Known): WantedSplit => inferCutover(to, entity, known)
  return decideAndChange(deps, {strategy: 'bluegreen', refs: [entity], decide}, options)
}

interface Decision {
  readonly strategy: 'ab' | 'bluegreen'
  readonly refs: readonly (EntityRef | undefined)[]
  readonly decide: (known: Known) => WantedSplit
}

/** What is missing is said before what is wrong, so the session's failure wins over the search's. */
async function decideAndChange(
  deps: RouteDeps,
  {strategy, refs, decide}: Decision,
  options: ChangeOptions,
): Promise<RouteChange> {
  const searching = knownEntities(deps, refs)
  searching.catch(() => undefined)
  const session = await openSession(deps, options)
  const wanted = decide(await searching)
  const stored = await readStored(session.store, wanted.entity, options)
  return changeRoute(session, {strategy, ...stored, ...wanted}, options)
}
