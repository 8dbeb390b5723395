import {predictTable, type MappingTable} from '../../routing/effective.js'
import {lintPlans} from '../../routing/lint.js'
import {finding, type Finding} from '../../routing/rule-book.js'
import {changesOf, type ChangePlan} from '../draft.js'
import type {Session} from '../session.js'
import {lowestVersion} from './server-versions.js'

/** Guards of the table, by the rules of the lowest server version and of the form that the servers read. */
export function judgeTable({deps, driver, view}: Session, plan: ChangePlan, all: readonly ChangePlan[]): Finding[] {
  const others = all.filter((other) => other !== plan)
  return lintPlans(tableWith(predictTable(view.mappings), others), plan.mappings, {
    form: driver.form,
    inboxPrefix: deps.spec.inboxPrefix,
    serverVersion: lowestVersion(view),
  })
}

/** The table as it will be with the other plans, for what one means to another. */
function tableWith(table: MappingTable, plans: readonly ChangePlan[]): MappingTable {
  const changed = new Map(table)
  for (const {source, destinations} of plans.flatMap(changesOf)) {
    if (destinations === undefined) changed.delete(source)
    else changed.set(source, destinations)
  }
  return changed
}

/** A token travels as one message, so what the plans add has to fit into it; a smaller one is never refused. */
export function judgeToken(
  {deps, driver, view}: Pick<Session, 'deps' | 'driver' | 'view'>,
  plans: readonly ChangePlan[],
): Finding[] {
  const present = Math.max(0, ...view.servers.map(({live}) => live?.token.length ?? 0))
  const limit = deps.connection.info?.max_payload
  if (driver.name !== 'jwt' || limit === undefined) return []
  const written = new Map(Object.entries(view.mappings))
  const added = plans.flatMap(changesOf).reduce((sum, {source, destinations}) => {
    const [now, then] = [written.get(source), destinations].map((list) =>
      list === undefined ? 0 : Buffer.byteLength(JSON.stringify({[source]: list})),
    ) as [number, number]
    return sum + then - now
  }, 0)
  const bytes = present + Math.ceil((added * 4) / 3)
  if (added <= 0 || bytes <= limit * 0.8) return []
  const sentence = `The account's token would have about ${bytes} bytes, and servers take ${limit}.`
  return [finding('token-size', bytes > limit ? 'refuse' : 'warn', {sentence})]
}
