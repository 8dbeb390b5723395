import type {EntityRef} from '../../entity/entity.js'
import {shellWord} from '../../entity/require.js'
import {parseVersion, type Version} from '../../entity/version.js'
import {LatticeError} from '../../errors.js'
import type {AskedSplit} from '../../routing/weights.js'
import {changeRoute} from '../change.js'
import type {ChangeOptions, Strategy} from '../draft.js'
import {knownEntities, readStored} from '../find.js'
import {inferCutover, inferSplit, type Known, type SplitHints, type WantedSplit} from '../infer.js'
import type {RouteChange} from '../result.js'
import type {RouteDeps, Session} from '../session.js'
import {openStore, type StoredRoute} from '../store/store.js'
import {routableEntity} from '../target.js'
import {changePlace} from './place.js'
import {presentLegs} from './present.js'
import {openReady} from './ready.js'

/** Where a split is for. */
export interface PlaceOption {
  /** Callers at servers of that cluster; everybody without it. */
  readonly cluster?: string | undefined
}

/** Splits an entity's traffic over versions. */
export function splitTraffic(
  deps: RouteDeps,
  asked: AskedSplit,
  options: ChangeOptions & SplitHints & PlaceOption,
): Promise<RouteChange> {
  const ref = options.entity ?? (asked.kind === 'legs' ? asked.entity : undefined)
  // Legs that are written out are meant in the order in which they are written.
  const written = ref === undefined && options.addresses?.length ? options.addresses.map(versionOfLeg) : undefined
  const hints = {...options, versions: options.versions ?? (asked.kind === 'weights' ? written : undefined)}
  const decide: Decision['decide'] = (known, moment) =>
    inPlace(inferSplit(asked, hints, known), options.cluster, {known, moment})
  return decideAndChange(deps, {strategy: 'ab', ref, decide}, options)
}

function versionOfLeg(text: string): Version {
  return parseVersion(text.slice(0, text.indexOf('=')))
}

/** Moves all traffic of an entity to one version. */
export function cutOver(
  deps: RouteDeps,
  {to, entity: ref, cluster}: {readonly to: Version; readonly entity?: EntityRef | undefined} & PlaceOption,
  options: ChangeOptions,
): Promise<RouteChange> {
  const decide: Decision['decide'] = (known, moment) =>
    inPlace(inferCutover(to, ref, known), cluster, {known, moment, but: to})
  return decideAndChange(deps, {strategy: 'bluegreen', ref, decide}, options)
}

/** A split for one cluster leaves the legs of all others as they are; one for everywhere replaces all. */
async function inPlace(
  wanted: WantedSplit,
  cluster: string | undefined,
  {known, moment, but}: {readonly known: Known; readonly moment: Moment; readonly but?: Version},
): Promise<WantedSplit> {
  if (cluster === undefined) return wanted
  const stored = await moment.recordOf(wanted.entity)
  const facts = {stored, known, ...(but === undefined ? {} : {but})}
  const {explicit} = wanted
  return {
    ...wanted,
    legs: await changePlace(moment.session, wanted.entity, {
      cluster,
      present: presentLegs(moment.session, wanted.entity, facts),
      change: () => wanted.legs,
      entityFor: (legs) => routableEntity(wanted.entity, legs, facts).entity,
    }),
    ...(explicit === undefined ? {} : {explicit: `${explicit} --cluster ${shellWord(cluster)}`}),
  }
}

/** How a command finds what it wants among what runs. */
export interface Decision {
  readonly strategy: Strategy
  readonly ref: EntityRef | undefined
  readonly decide: (known: Known, moment: Moment) => WantedSplit | Promise<WantedSplit>
}

/** What a decision may rest on besides what runs. */
export interface Moment {
  readonly session: Session
  /** The record of an entity's route. */
  readonly recordOf: (entity: WantedSplit['entity']) => Promise<StoredRoute | undefined>
}

/** Finds what is meant and makes it live. What is missing is said before what is wrong, so the session's failure wins over the search's. */
export async function decideAndChange(
  deps: RouteDeps,
  {strategy, ref, decide}: Decision,
  options: ChangeOptions,
): Promise<RouteChange> {
  const searching = openStore(deps.connection, deps.spec, deps.access?.state).then((store) =>
    knownEntities(deps, store, {...options, ref}),
  )
  searching.catch(() => undefined)
  const session = await openReady(deps, options)
  const known = await searching
  const recordOf = async (entity: WantedSplit['entity']): Promise<StoredRoute | undefined> =>
    (await readStored(session.store, entity, options)).stored
  const wanted = await decide(known, {session, recordOf})
  const stored = await readStored(session.store, wanted.entity, options)
  const look = (facts: Known): ReturnType<typeof routableEntity> =>
    routableEntity(wanted.entity, wanted.legs, {stored: stored.stored, known: facts})
  const again = (): Promise<Known> => knownEntities(deps, session.store, {...options, ref})
  const {entity, warnings} = await orAgain(look, known, wanted.entity.kind === 'service' ? again : undefined)
  return changeRoute(session, {strategy, ...stored, ...wanted, entity, warnings}, options)
}

/** A busy instance may have answered too late to be seen, so a service is refused on the second look only. */
async function orAgain<T>(look: (known: Known) => T, known: Known, again?: () => Promise<Known>): Promise<T> {
  try {
    return look(known)
  } catch (error) {
    if (again === undefined || !(error instanceof LatticeError)) throw error
    return look(await again())
  }
}
