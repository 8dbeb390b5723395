import type {EntityRef} from '../../entity/entity.js'
import {entityName} from '../../entity/require.js'
import {NotFoundError, UnsafeError} from '../../errors.js'
import {mappingDigest, type MappingPlan} from '../../routing/plan.js'
import {routeKey} from '../../routing/source.js'
import {judgeRecord, readBefore} from '../before.js'
import {adoptedRecord, type ChangeOptions, type ChangePlan} from '../draft.js'
import {knownRoutes, readStored, requireRouted} from '../find.js'
import {changeResult, presentServers, type RouteChange} from '../result.js'
import {openSession, type RouteDeps} from '../session.js'
import {requireRecords} from '../store/store.js'
import {routableEntity} from '../target.js'

export interface AdoptOptions extends ChangeOptions {
  /** Shown what is there, says whether it is to be taken over; false leaves everything as it is. */
  readonly agree?: ((found: RouteChange) => Promise<boolean>) | undefined
}

/**
 * Takes over a mapping that was made elsewhere: the record says from now on what is there; nothing is pushed. Throws a
 * NotFoundError where nothing is mapped, and an UnsafeError where the mapping is no whole split over known versions.
 */
export async function adoptRoute(
  deps: RouteDeps,
  ref: EntityRef | undefined,
  options: AdoptOptions,
): Promise<RouteChange> {
  requireRecords(deps.access?.state, 'What lattice makes of a mapping')
  const session = await openSession(deps, {dryRun: true})
  const {lattice, view, store} = session
  const target = {...options, ref}
  const known = await knownRoutes(deps, store, target)
  const named = requireRouted(target, known, 'adopt')
  const {stored, unreadable} = await readStored(store, named, {repair: true})
  const {entity} = routableEntity(named, [], {stored, known})
  const before = readBefore(view, lattice, entity)
  const name = entityName(entity)
  if (!before.mapped) {
    throw new NotFoundError(`No source of '${name}' is mapped, so there is nothing to adopt.`, {
      suggestions: [`lattice route show ${name}`],
      details: {entity: entity.name, key: entity.key},
    })
  }
  const mappings = before.mappings.flatMap(({source, destinations}): MappingPlan[] =>
    destinations === undefined ? [] : [{source, destinations}],
  )
  if (before.legs === undefined) throw new UnknownLegsError(name, mappings)
  const wanted = {strategy: 'adopt', entity, legs: before.legs, stored, ...(unreadable ? {unreadable} : {})} as const
  const plan: ChangePlan = {wanted, options, before, mappings, warnings: []}
  const outcomes = presentServers(view)
  const revision = stored?.revision ?? unreadable ?? 0
  if (judgeRecord(stored?.record, before) === 'current' && stored?.record.state === 'live') {
    return changeResult(session, plan, {changed: false, outcomes, revision})
  }
  const record = adoptedRecord(session, plan)
  const found = changeResult(session, plan, {changed: true, outcomes, revision, record})
  if (options.dryRun || (options.agree !== undefined && !(await options.agree(found)))) return found
  const servers = outcomes.map(({server}) => server.name)
  const written = await store.put(routeKey(entity), {...record, servers}, revision)
  return changeResult(session, plan, {changed: true, outcomes, revision: written})
}

/** The mapping leads to subjects that no known version listens on. */
export class UnknownLegsError extends UnsafeError {
  constructor(name: string, mappings: readonly MappingPlan[]) {
    const subjects = mappings.flatMap(({destinations}) => destinations.map(({subject}) => subject))
    super(`The mapping of '${name}' is no whole split over its versions, so it cannot be adopted as it is.`, {
      suggestions: [
        `Name the version of each subject: ${subjects.map((subject) => `--leg VERSION=${subject}`).join(' ')}`,
      ],
      details: {entity: name, mappings, digest: mappingDigest(mappings)},
    })
  }
}
