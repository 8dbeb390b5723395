import type {RouteView} from '../routes/proof/view.js'
import type {Preview, RouteChange, ServerCount} from '../routes/result.js'
import type {MappingPlan} from '../routing/plan.js'
import type {Leg} from '../routing/weights.js'
import {legLabel} from '../routing/weights.js'
import {fields} from './fields.js'
import {table, type TableOptions} from './table.js'
import {clean} from './text.js'
import {formatAge} from './time.js'

/** What a route command did: before and after of each version, on which servers, and how to take it back. */
export function routeChangeView(change: RouteChange, options: TableOptions): string {
  const {lattice, context, reason, undo, mappings, dryRun} = change
  const where = `lattice '${lattice}'${context === undefined ? '' : `, context '${context}'`}`
  const lines = [
    `${headline(change)} in ${where}`,
    ...(change.legs.length === 0 && (change.previous?.length ?? 0) === 0 ? [] : [legsTable(change, options)]),
    reason === undefined ? undefined : clean(reason),
    serversLine(change),
    dryRun ? mappingLines(mappings ?? [], change.source) : undefined,
    ...(change.permissions ?? []).map((subject) => `Callers need to publish ${clean(subject)}`),
    ...(change.preview ?? []).map(previewLine),
    change.expiresAt === undefined ? undefined : `Until ${clean(change.expiresAt)}`,
    undo === undefined ? undefined : `Undo: ${clean(undo)}`,
  ]
  return lines.filter((line) => line !== undefined).join('\n')
}

/** How to call a version that gets no traffic. */
function previewLine({version, subjects, call}: Preview): string {
  return `Preview ${clean(version)}: ${clean(call)} (${subjects.map(clean).join(', ')})`
}

/** Routes as a table, a line each. */
export function routesView(views: readonly RouteView[], {terminal, now}: TableOptions & {readonly now: Date}): string {
  if (views.length === 0 && terminal) return 'No routes.'
  return table(
    ['ENTITY', 'LEGS', 'LIVE', 'STATE', 'CHANGED', 'REVISION', 'UNTIL'],
    views.map(({entity, recorded, effective, state}) => [
      entity,
      formatLegs(recorded?.legs),
      formatEffective(effective),
      state,
      recorded === undefined ? '' : terminal ? formatAge(new Date(recorded.when), now) : recorded.when,
      recorded === undefined ? '' : String(recorded.revision),
      recorded?.expiresAt ?? '',
    ]),
    {terminal},
  )
}

/** One route: what is recorded, what is live where, and what the versions share without a mapping. */
export function routeDetailsView({recorded, effective, ...view}: RouteView, now: Date): string {
  const who = recorded?.who
  return fields([
    ['entity', view.entity],
    ['key', view.key],
    ['link', view.link],
    ['lattice', view.lattice],
    ['source', view.source],
    ['state', stateText({state: view.state, effective})],
    ['recorded', recorded && formatLegs(recorded.legs)],
    ['before that', recorded && formatLegs(recorded.replaced)],
    ['live', formatEffective(effective)],
    ['servers', effective.visible ? serverStates(effective) : undefined],
    [
      'implicit',
      view.implicit &&
        `${view.implicit.map(({version, share}) => `${version ?? '?'} ${share} %`).join(', ')} (by subscriptions)`,
    ],
    ['changed', recorded && `${recorded.when} (${formatAge(new Date(recorded.when), now)}) by ${recorded.strategy}`],
    [
      'by',
      who &&
        [who.claimed?.['actor'] && `${who.claimed['actor']} (claimed)`, who.user, who.host].filter(Boolean).join(', '),
    ],
    ['until', recorded && untilText(recorded)],
    ['why', recorded?.why],
    ['revision', recorded && String(recorded.revision)],
  ])
}

/** `1.0.0 70 %, 2.0.0 30 %`, or `none`. */
export function formatLegs(legs: readonly Leg[] | undefined | null): string {
  if (legs === undefined || legs === null) return ''
  return legs.length === 0 ? 'none' : legs.map((leg) => `${legLabel(leg)} ${leg.weight} %`).join(', ')
}

function untilText({expiresAt, restores}: NonNullable<RouteView['recorded']>): string | undefined {
  return expiresAt === undefined ? undefined : `${expiresAt}, then back to ${formatLegs(restores) || 'what was before'}`
}

function headline({dryRun, changed, legs, entity, state, strategy}: RouteChange): string {
  const name = `'${clean(entity)}'`
  if (state === 'rendered') return `Wrote files for the route of ${name}`
  if (!changed)
    return legs.length === 0 ? `Nothing to change: ${name} has no mapping` : `Nothing to change: the route of ${name}`
  if (strategy === 'adopt') return dryRun ? `Would adopt the mapping of ${name}` : `Adopted the mapping of ${name}`
  if (legs.length === 0) return dryRun ? `Would clear the route of ${name}` : `Cleared the route of ${name}`
  return dryRun ? `Would change the route of ${name}` : `Changed the route of ${name}`
}

function legsTable({previous, legs}: RouteChange, options: TableOptions): string {
  const labels = [...new Set([...(previous ?? []), ...legs].map(legLabel))]
  const weight = (list: readonly Leg[] | null, label: string): string => {
    const found = list?.find((leg) => legLabel(leg) === label)
    return found === undefined ? '-' : `${found.weight} %`
  }
  return table(
    ['VERSION', 'BEFORE', 'AFTER'],
    labels.map((label) => [label, weight(previous, label), weight(legs, label)]),
    options,
  )
}

function serversLine({servers, pushMs, changed, dryRun, state}: RouteChange): string | undefined {
  if (state === 'rendered') return 'applied 0 servers yet: put the files in place, then lattice route verify'
  if (state === 'unverified') return 'unverified: nothing shows what is live'
  if (dryRun) return undefined
  const took = pushMs === undefined ? '' : ` in ${pushMs} ms`
  return changed ? `${serversText(servers)}${took}` : undefined
}

function serversText({applied, stored, total}: ServerCount): string {
  return stored === 0 ? `applied ${applied}/${total} servers` : `applied ${applied}/${total}, stored ${stored}/${total}`
}

function mappingLines(mappings: NonNullable<RouteChange['mappings']>, source: string): string {
  if (mappings.length === 0) return `Would remove the mapping of ${clean(source)}`
  return mappings
    .flatMap((mapping) => [`Would map ${clean(mapping.source)}`, ...mapping.destinations.map(destinationLine)])
    .join('\n')
}

function destinationLine({subject, weight, cluster}: MappingPlan['destinations'][number]): string {
  return `  ${weight} % to ${clean(subject)}${cluster === undefined ? '' : ` in cluster ${clean(cluster)}`}`
}

function formatEffective(effective: RouteView['effective']): string {
  if (!effective.visible) return 'mappings not visible'
  if (effective.mappings === null) return 'none'
  if (effective.legs !== null) return formatLegs(effective.legs)
  return effective.mappings
    .flatMap(({source, destinations}) =>
      destinations.map(({subject, weight}) => `${source}: ${weight} % to ${subject}`),
    )
    .join(', ')
}

/** What servers have; where they cannot be asked, what finds it out. */
export function serverStates({servers, unseen}: Extract<RouteView['effective'], {visible: true}>): string {
  if (unseen === true) return 'cannot be asked; lattice route verify tries what they do'
  return servers.map(({name, state}) => `${name} ${state}`).join(', ')
}

function stateText({state, effective}: Pick<RouteView, 'state' | 'effective'>): string {
  switch (state) {
    case 'current':
      return 'live as recorded'
    case 'interrupted':
      return 'interrupted: a change was begun and not completed; the next one heals it'
    case 'drifted':
      return 'drifted: the mapping is not the one that lattice applied'
    case 'foreign':
      return 'foreign: nobody recorded this mapping'
    case 'none':
      return 'no route'
    case 'unknown':
      return effective.visible ? 'unknown' : `unknown: ${clean(effective.reason).replace(/\.$/, '')}`
  }
}
