import {entityName} from '../../entity/require.js'
import {endpointsOf, sinkOf} from '../../routing/endpoint.js'
import {finding, type Finding} from '../../routing/rule-book.js'
import {patternOf} from '../../routing/subject.js'
import type {ChangePlan} from '../draft.js'
import type {Session} from '../session.js'
import {readSubscribers} from './subscribers.js'

/** A request to a sink fails at once only while nobody at all hears it: whoever does turns the failure into a timeout. */
export async function judgeSinks(
  {lattice, system, account}: Session,
  {wanted: {entity, legs}}: ChangePlan,
): Promise<Finding[]> {
  const versions = [...new Set(legs.filter(({sink}) => sink).map(({version}) => version))]
  const sinks = endpointsOf(lattice, entity).flatMap(({source, addressOf}) =>
    versions.flatMap((version) => {
      const sink = sinkOf(addressOf(version) ?? '')
      return sink === undefined ? [] : [{source, version, sink}]
    }),
  )
  const findings = await Promise.all(
    sinks.map(async ({source, version, sink}) => {
      const [heard] = await readSubscribers(system, {account, subject: patternOf(sink)})
      if (heard === undefined) return []
      const sentence = `Somebody who listens on '${heard.subject}' hears what is dropped of '${entityName(entity)}@${version}', so its callers would wait for a timeout.`
      return [finding('sink-heard', 'refuse', {source, sentence})]
    }),
  )
  return findings.flat()
}
