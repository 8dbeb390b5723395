import type {Reconciliation} from '../routes/strategies/reconcile.js'
import type {Reconciled} from '../routes/strategies/restore.js'
import type {StepEvent} from '../routes/strategies/steps.js'
import {formatLegs} from './route.js'
import {table, type TableOptions} from './table.js'
import {clean} from './text.js'

/** How far a canary is, on a line. */
export function stepLine({event, entity, step, steps, weight, legs}: StepEvent, now: Date): string {
  const at = `${now.toISOString()} '${clean(entity)}'`
  switch (event) {
    case 'live':
      return `${at} step ${step} of ${steps}: ${weight} % (${formatLegs(legs)})`
    case 'done':
      return `${at} done: ${formatLegs(legs)}`
    case 'restored':
      return `${at} put back: ${formatLegs(legs)}`
  }
}

/** What reconcile did, a line a route; nothing where there was nothing to do. */
export function reconciliationView({dryRun, routes}: Reconciliation, {terminal}: TableOptions): string {
  if (routes.length === 0) return terminal ? 'Nothing to put back.' : ''
  return table(
    ['ENTITY', dryRun ? 'WOULD BE' : 'ACTION', 'LEGS', 'EXPIRED'],
    routes.map(({entity, action, legs, expiresAt = ''}) => [entity, actionWords[action], formatLegs(legs), expiresAt]),
    {terminal},
  )
}

const actionWords: Readonly<Record<Reconciled['action'], string>> = {
  restored: 'put back',
  completed: 'completed',
  takenBack: 'taken back',
  kept: 'kept',
}
