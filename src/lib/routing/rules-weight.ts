import {finding, type Finding} from './rule-book.js'
import {levelBelow, type RuleOptions} from './rules-destination.js'
import type {WrittenDestination, WrittenMapping} from './written.js'

/** The findings about the weights of one mapping: each of them, their sums, and what they leave. */
export function judgeWeights(mapping: WrittenMapping, options: RuleOptions): Finding[] {
  const place = {source: mapping.source, where: mapping.where}
  const {destinations} = mapping
  const each = destinations.flatMap((destination) => judgeWeight(mapping, destination, options))
  const duplicates = [...repeated(destinations.map(({subject}) => subject))].map((subject) =>
    finding('duplicate', 'refuse', {
      ...place,
      sentence: `The mapping of '${mapping.source}' names the destination '${subject}' twice.`,
    }),
  )
  // What one weight is worth is unknown where it is none: no sum is told of such.
  const sums = each.some(({rule}) => rule === 'weight') ? [] : judgeSums(mapping, options)
  return [...each, ...duplicates, ...sums]
}

/** What servers make of a weight: in a token 0 or none is 100, a configuration file may write `90%`. */
export function weightOf({weight}: WrittenDestination, {form}: RuleOptions): number | undefined {
  if (weight === undefined) return form === 'config' ? undefined : 100
  if (typeof weight === 'string' && form === 'config') {
    return /^\d+%?$/.test(weight) ? wholePercent(Number(weight.replace('%', ''))) : undefined
  }
  if (weight === 0 && form !== 'config') return 100
  return typeof weight === 'number' ? wholePercent(weight) : undefined
}

/** The weights of each cluster summed up; those without a cluster under the empty name. */
export function sumsOf(mapping: WrittenMapping, options: RuleOptions): Map<string, number> {
  const sums = new Map<string, number>([['', 0]])
  for (const destination of mapping.destinations) {
    const {cluster = ''} = destination
    sums.set(cluster, (sums.get(cluster) ?? 0) + (weightOf(destination, options) ?? 0))
  }
  return sums
}

function judgeWeight(
  {source, where, destinations}: WrittenMapping,
  destination: WrittenDestination,
  options: RuleOptions,
): Finding[] {
  const {subject, weight} = destination
  const from = `'${source}' to '${subject}'`
  if (weightOf(destination, options) === undefined) {
    const sentence =
      weight === undefined
        ? `The weight of ${from} is missing.`
        : `The weight ${shown(weight)} of ${from} is not a whole percent from 0 to 100.`
    return [finding('weight', 'refuse', {source, where, sentence})]
  }
  if (Number(String(weight).replace('%', '')) === 0) {
    const [level, sentence] =
      options.form === 'config'
        ? (['warn', `The weight of ${from} is 0, so it is never picked.`] as const)
        : (['refuse', `The weight of ${from} is 0, which means 100.`] as const)
    return [finding('weight-zero', level, {source, where, sentence})]
  }
  if (weight === undefined && destinations.length > 1) {
    const sentence = `The weight of ${from} is missing, which means 100.`
    return [finding('weight-zero', 'refuse', {source, where, sentence})]
  }
  return []
}

function judgeSums(mapping: WrittenMapping, options: RuleOptions): Finding[] {
  const {source, where, destinations} = mapping
  const sums = sumsOf(mapping, options)
  const above = [...sums].filter(([, sum]) => sum > 100)
  const total = [...sums.values()].reduce((all, sum) => all + sum, 0)
  const level = sums.size > 1 && total > 100 && above.length === 0 ? levelBelow('2.10.0', options) : undefined
  return [
    ...above.map(([cluster, sum]) =>
      finding('sum', 'refuse', {source, where, sentence: `${weightsOf(source, cluster)} sum to ${sum}, above 100.`}),
    ),
    ...(level === undefined
      ? []
      : [
          finding('cluster-sum', level, {
            source,
            where,
            sentence: `The weights of '${source}' in all clusters sum to ${total}, which servers below 2.10.0 refuse.`,
          }),
        ]),
    ...[...sums].flatMap(([cluster, sum]) => {
      if (sum >= 100 || (cluster === '' && destinations.length === 0)) return []
      const lossy = destinations.some(({subject}) => subject === source)
      const goes = lossy ? 'are dropped' : 'stay on the source'
      const sentence = `${weightsOf(source, cluster)} sum to ${sum}: ${100 - sum} % ${goes}.`
      return [finding(lossy ? 'loss' : 'rest', 'warn', {source, where, sentence})]
    }),
  ]
}

function weightsOf(source: string, cluster: string): string {
  return `The weights of '${source}'${cluster === '' ? '' : ` in cluster '${cluster}'`}`
}

function wholePercent(value: number): number | undefined {
  return Number.isInteger(value) && value >= 0 && value <= 100 ? value : undefined
}

/** Numbers that a double cannot hold are objects with their own text. */
function shown(weight: unknown): string {
  return JSON.stringify(weight).slice(0, 40)
}

function repeated(texts: readonly string[]): Set<string> {
  const seen = new Set<string>()
  return new Set(texts.filter((text) => (seen.has(text) ? true : (seen.add(text), false))))
}
