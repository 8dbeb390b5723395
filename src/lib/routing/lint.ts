import type {MappingTable} from './effective.js'
import type {MappingPlan} from './plan.js'
import {finding, type Finding} from './rule-book.js'
import type {RuleOptions} from './rules-destination.js'
import {sumsOf} from './rules-weight.js'
import {judgeChains, judgeMapping, judgeSize} from './rules.js'
import {indexSources} from './source-index.js'

export type {Finding} from './rule-book.js'
export type LintOptions = RuleOptions

/** The version whose rules hold where the servers' is not known: what comes of a plan is verified anyway. */
const newestKnown = '2.15.2'

/**
 * The findings about putting plans into a token's table together. Only what they add is judged; foreign mappings are not
 * ours to lint, and what they are is no business of a log.
 */
export function lintPlans(table: MappingTable, plans: readonly MappingPlan[], options: LintOptions = {}): Finding[] {
  const sources = new Set([...table.keys(), ...plans.map(({source}) => source)])
  const index = indexSources(sources)
  const known = {...options, serverVersion: options.serverVersion ?? newestKnown}
  const added = plans.some(({source}) => !table.has(source))
  return [
    ...plans.flatMap((plan) => {
      const {source} = plan
      const overlapping = index.overlapping(source, source).map(() =>
        finding('overlap', 'refuse', {
          source,
          sentence: `The source '${source}' overlaps another mapping of the account, and which of them wins is random.`,
        }),
      )
      const chained = judgeChains(plan, index).map(({subject}) =>
        finding('chained', 'refuse', {
          source,
          sentence: `The destination '${subject}' is itself mapped, and mappings are not chained.`,
        }),
      )
      return [...judgePlan(plan, known), ...overlapping, ...chained]
    }),
    ...(added ? judgeSize(sources.size, 'would have') : []),
  ]
}

/** A plan shares out everything: what it leaves is a mistake, unless an incumbent is left to some cluster. */
function judgePlan(plan: MappingPlan, options: LintOptions): Finding[] {
  const {source, destinations} = plan
  const regional = destinations.some(({cluster}) => cluster !== undefined)
  const below = [...sumsOf(plan, options)].filter(([, sum]) => sum < 100 && !regional)
  return [
    ...judgeMapping(plan, options).filter(({rule}) => rule !== 'rest' && rule !== 'loss'),
    ...below.map(([, sum]) =>
      finding('sum', 'refuse', {source, sentence: `The weights of '${source}' sum to ${sum}, not to 100.`}),
    ),
  ]
}
