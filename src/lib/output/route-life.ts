import type {RouteDifference} from '../routes/proof/diff.js'
import type {RouteHistory} from '../routes/proof/history.js'
import type {RouteVerification} from '../routes/proof/verify.js'
import {legLabel} from '../routing/weights.js'
import {formatLegs} from './route.js'
import {table, type TableOptions} from './table.js'
import {clean} from './text.js'
import {formatAge} from './time.js'

/** The changes of a route, newest first, a line each. */
export function routeHistoryView(
  {revisions}: RouteHistory,
  {terminal, now}: TableOptions & {readonly now: Date},
): string {
  return table(
    ['REVISION', 'CHANGED', 'BY', 'COMMAND', 'BEFORE', 'AFTER', 'TOOK', 'WHY'],
    revisions.map(({revision, when, who, strategy, state, before, legs, durationMs, why}) => [
      String(revision),
      terminal ? formatAge(new Date(when), now) : when,
      who.claimed?.['actor'] === undefined ? (who.user ?? '') : `${who.claimed['actor']} (claimed)`,
      state === 'applying' ? `${strategy} (not completed)` : strategy,
      formatLegs(before),
      formatLegs(legs),
      durationMs === undefined ? '' : `${durationMs} ms`,
      why ?? '',
    ]),
    {terminal},
  )
}

/** What the servers make of each recorded route. */
export function routeVerificationView({routes, by}: RouteVerification, options: TableOptions): string {
  if (routes.length === 0) return options.terminal ? 'No routes.' : ''
  const rows = routes.flatMap(({entity, legs, state, servers}) =>
    servers.map(({server, outcome, reason}, index) => [
      index === 0 ? entity : '',
      index === 0 ? formatLegs(legs) : '',
      index === 0 ? (state === 'unknown' ? `by ${by}` : state) : '',
      server.name,
      outcome,
      reason ?? '',
    ]),
  )
  return table(['ENTITY', 'RECORDED', 'STATE', 'SERVER', 'OUTCOME', 'REASON'], rows, options)
}

/** What differs between records and live mappings; nothing where nothing does. */
export function routeDifferencesView(differences: readonly RouteDifference[], options: TableOptions): string {
  const rows = differences.flatMap(({entity, legs, foreign, servers, state}) => [
    ...(legs ?? []).map((leg) => [entity, legLabel(leg), `${leg.recorded} %`, `${leg.live} %`, '']),
    ...(foreign ? [[entity, '', '', '', 'leads to subjects that are no versions of it']] : []),
    ...(servers.length > 0 ? [[entity, '', '', '', `differs on ${servers.map(clean).join(', ')}`]] : []),
    ...(state === 'interrupted' ? [[entity, '', '', '', 'a change was begun and not completed']] : []),
    ...(legs === null ? [[entity, '', '', '', 'mappings not visible without system credentials']] : []),
  ])
  if (rows.length === 0) return options.terminal ? 'Nothing differs.' : ''
  return table(['ENTITY', 'VERSION', 'RECORDED', 'LIVE', 'NOTE'], rows, options)
}
