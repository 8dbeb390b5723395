import {entityName, requireEntity} from '../../entity/require.js'
import {UsageError} from '../../errors.js'
import {routeKey} from '../../routing/source.js'
import {changeRoutes} from '../change.js'
import type {ChangeOptions, PlannedState, Strategy, WantedRoute} from '../draft.js'
import {knownRoutes, readStored} from '../find.js'
import type {RouteChange} from '../result.js'
import type {RouteDeps, Session} from '../session.js'
import {openReady} from '../strategies/ready.js'
import {planUnmapped} from '../strategies/unmap.js'
import {isPlain, plainEntity, routableEntity} from '../target.js'
import type {AskedRoute} from './manifest.js'

/** A route of a file or a plan. */
export interface AskedChange extends AskedRoute {
  /** What the plan that it comes from rests on. */
  readonly planned?: PlannedState
}

/** Changes several routes in one step: all of them are live, or none. */
export async function changeMany(
  deps: RouteDeps,
  {strategy, asked}: {readonly strategy: Strategy; readonly asked: readonly AskedChange[]},
  options: ChangeOptions,
): Promise<RouteChange[]> {
  const session = await openReady(deps, options)
  const known = asked.every(({target}) => isPlain(target))
    ? {lattice: session.lattice, entities: [], services: [], routes: []}
    : await knownRoutes(deps, session.store)
  const wanted: WantedRoute[] = []
  for (const {target, legs, why, planned} of asked) {
    const named = isPlain(target)
      ? await plainEntity(target, session.store)
      : requireEntity(target.ref!, [...known.entities, ...(known.idle ?? [])], known.lattice)
    if (wanted.some(({entity}) => routeKey(entity) === routeKey(named))) {
      throw new UsageError(`The file asks for the route of '${entityName(named)}' twice.`)
    }
    const found = await readStored(session.store, named, options)
    const {entity, warnings} = routableEntity(named, legs, {stored: found.stored, known})
    const unmapped = legs.length > 0 ? {legs} : await unmap(session, entity, options)
    wanted.push({
      strategy: legs.length > 0 ? strategy : 'clear',
      entity,
      ...found,
      ...unmapped,
      warnings: [...warnings, ...('warnings' in unmapped ? (unmapped.warnings ?? []) : [])],
      ...(why === undefined ? {} : {why}),
      ...(planned === undefined ? {} : {planned}),
    })
  }
  return changeRoutes(session, wanted, options)
}

function unmap(
  session: Session,
  entity: WantedRoute['entity'],
  {share = false}: ChangeOptions,
): ReturnType<typeof planUnmapped> {
  return planUnmapped(session, entity, {share, command: `lattice route clear ${entityName(entity)}`})
}
