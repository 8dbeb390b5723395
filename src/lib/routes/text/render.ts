import type {TableView} from '../../apply/driver.js'
import {renderMappings} from '../../conf/mappings-text.js'
import type {Entity, EntityRef} from '../../entity/entity.js'
import {entityName} from '../../entity/require.js'
import {UsageError} from '../../errors.js'
import {decodeToken} from '../../keys/token.js'
import {planRoute, type MappingPlan} from '../../routing/plan.js'
import {renderClaims} from '../../routing/render-claims.js'
import type {RenderFormat} from '../../routing/render-formats.js'
import {planNsc, renderNsc} from '../../routing/render-nsc.js'
import {renderJson, renderYaml, sortedPlans} from '../../routing/render-plans.js'
import {judgeRecord, readBefore} from '../before.js'
import {knownRoutes, requireRouted, routeOf} from '../find.js'
import {openReader, type RouteDeps} from '../session.js'

/** Recorded routes as text for another tool. */
export interface RenderedRoutes {
  readonly lattice: string
  readonly format: RenderFormat
  readonly routes: readonly {readonly entity: string; readonly mappings: readonly MappingPlan[]}[]
  readonly text: string
  /** What the text does not say, a sentence each. */
  readonly notes: readonly string[]
}

export interface RenderOptions {
  readonly format: RenderFormat
  /** Name of the account in nsc's store; default: the one in its live token. */
  readonly account?: string | undefined
}

/**
 * The mappings as a server's configuration, claims of a token, lines for nsc, YAML or JSON. A source without
 * destinations is one to remove, which only lines can say.
 */
export async function renderPlans(plans: readonly MappingPlan[], {format, account}: RenderOptions): Promise<string> {
  const sorted = sortedPlans(plans)
  const mapped = sorted.filter(({destinations}) => destinations.length > 0)
  switch (format) {
    case 'config':
      return renderMappings(new Map(mapped.map(({source, destinations}) => [source, destinations])))
    case 'jwt':
      return renderClaims(mapped)
    case 'nsc': {
      if (account === undefined) {
        throw new UsageError('The name that nsc has for the account is not known here.', {
          suggestions: ['lattice route render --format nsc --account NAME'],
        })
      }
      // What nsc's store holds is not known: a source is deleted first, whatever it has.
      const changes = sorted.map(({source, destinations}) => ({source, present: undefined, wanted: destinations}))
      return renderNsc(planNsc(changes), account)
    }
    case 'yaml':
      return renderYaml(mapped)
    case 'json':
      return renderJson(mapped)
  }
}

/** The routes that are recorded, of one entity or all: subjects are computed anew from the legs. */
export async function renderRoutes(
  deps: RouteDeps,
  ref: EntityRef | undefined,
  options: RenderOptions,
): Promise<RenderedRoutes> {
  const target = {ref}
  const {store, view} = await openReader(deps)
  const known = await knownRoutes(deps, store, target)
  const entities = ref === undefined ? known.entities : [requireRouted(target, known, 'render')]
  const found = entities
    .flatMap((entity) => {
      const record = routeOf(entity, known)?.record
      if (record === undefined || record.legs.length === 0) return []
      const state = view && judgeRecord(record, readBefore(view, known.lattice, entity))
      const note = state === 'current' ? undefined : noteOf(entity, state)
      return [{entity: entityName(entity), mappings: planRoute(known.lattice, entity, record.legs), note}]
    })
    .sort((a, b) => (a.entity < b.entity ? -1 : 1))
  const account = options.account ?? (view && accountName(view))
  return {
    lattice: known.lattice,
    format: options.format,
    routes: found.map(({entity, mappings}) => ({entity, mappings})),
    text: await renderPlans(
      found.flatMap(({mappings}) => mappings),
      {...options, account},
    ),
    notes: found.flatMap(({note}) => (note === undefined ? [] : [note])),
  }
}

/** The name that an account has in its token, which is also the one that nsc knows it by. */
export function accountName({servers}: Pick<TableView, 'servers'>): string | undefined {
  const token = servers.map(({live}) => live?.token ?? '').find((text) => text !== '')
  const name = token === undefined ? undefined : decodeToken(token).payload['name']
  return typeof name === 'string' && name !== '' ? name : undefined
}

function noteOf(entity: Entity, state: 'interrupted' | 'drifted' | 'foreign' | 'none' | undefined): string {
  const name = entityName(entity)
  return state === undefined
    ? `Whether the route of '${name}' is live is not visible without system credentials.`
    : `The route of '${name}' is rendered as it is recorded, which is not what is live (${state}).`
}
