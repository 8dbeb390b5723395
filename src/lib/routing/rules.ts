import {asDestination} from './endpoint.js'
import {finding, type Finding} from './rule-book.js'
import {judgeDestination, notASubject, type RuleOptions} from './rules-destination.js'
import {judgeWeights, sumsOf} from './rules-weight.js'
import {indexSources, type SourceIndex} from './source-index.js'
import {isSubject, protectedPrefixes, subjectsOverlap} from './subject.js'
import {destinationPattern} from './transform.js'
import type {WrittenMapping} from './written.js'

const obeyedSubjects = ['$SYS.>', '$JS.>', '$KV.>', '$O.>']
const [warnAbove, refuseAbove] = [200, 1000]

/** Every finding about the mappings of one account, in the order of the mappings. */
export function lintMappings(mappings: readonly WrittenMapping[], options: RuleOptions = {}): Finding[] {
  const index = indexSources(mappings.map(({source}) => source))
  const seen = new Map<string, WrittenMapping>()
  const found = mappings.flatMap((mapping) => {
    const {source, where} = mapping
    const earlier = seen.get(source)
    seen.set(source, mapping)
    return [
      ...(earlier === undefined ? [] : [duplicateSource(mapping, earlier)]),
      ...judgeMapping(mapping, options),
      ...judgeOverlaps(mapping, index),
      ...judgeChains(mapping, index).map(({subject, other}) =>
        finding('chained', 'refuse', {
          source,
          where,
          sentence: `The destination '${subject}' of '${source}' is itself mapped, by '${other}', and mappings are not chained.`,
        }),
      ),
    ]
  })
  return [...found, ...judgeSize(mappings.length)]
}

/** The findings about one mapping for itself: shape, subjects, weights, and subjects that NATS needs. */
export function judgeMapping(mapping: WrittenMapping, options: RuleOptions): Finding[] {
  const {source, where, destinations, malformed = []} = mapping
  const place = {source, where}
  const shape = malformed.map((sentence) => finding('shape', 'refuse', {...place, sentence}))
  const valid = isSubject(source) && source.isWellFormed()
  return [
    ...shape,
    ...(valid ? [] : [finding('subject', 'refuse', {...place, sentence: notASubject(source)})]),
    ...(valid ? judgeProtected(mapping, options) : []),
    ...(valid ? destinations.flatMap(({subject}) => judgeDestination(place, subject, options)) : []),
    ...(valid ? judgeOwn(mapping, options) : []),
    ...(shape.length > 0 ? [] : judgeWeights(mapping, options)),
  ]
}

/** Destinations that another source maps on; each with the first such source. */
export function judgeChains(
  {source, destinations}: WrittenMapping,
  index: SourceIndex,
): {readonly subject: string; readonly other: string}[] {
  return destinations.flatMap(({subject}) => {
    if (subject === source || subject === asDestination(source)) return []
    const [other] = index.overlapping(destinationPattern(subject), source)
    return other === undefined ? [] : [{subject, other}]
  })
}

/** The finding about so many mappings in one account. */
export function judgeSize(size: number, verb = 'has'): Finding[] {
  if (size <= warnAbove) return []
  const sentence = `The account ${verb} ${size} mappings, and every message is compared with each.`
  return size <= refuseAbove
    ? [finding('many-mappings', 'warn', {sentence})]
    : [finding('too-many-mappings', 'refuse', {sentence})]
}

function duplicateSource({source, where}: WrittenMapping, earlier: WrittenMapping): Finding {
  const first = earlier.where === undefined ? '' : `, first ${earlier.where}`
  return finding('duplicate-source', 'refuse', {
    source,
    where,
    sentence: `The source '${source}' stands there more than once${first}.`,
  })
}

function judgeOverlaps({source, where}: WrittenMapping, index: SourceIndex): Finding[] {
  const [first, ...others] = index.overlapping(source, source, 3)
  if (first === undefined) return []
  const and = others.length === 0 ? '' : ' and others'
  const sentence = `The source '${source}' overlaps '${first}'${and}, and which of them wins is random.`
  return [finding('overlap', 'refuse', {source, where, sentence})]
}

function judgeProtected({source, where, destinations}: WrittenMapping, {inboxPrefix}: RuleOptions): Finding[] {
  return [
    ...protectedPrefixes(source, inboxPrefix).map((prefix) => {
      const sentence = `The source '${source}' would catch '${prefix}', which NATS itself needs.`
      return finding('protected-source', 'refuse', {source, where, sentence})
    }),
    ...destinations.flatMap(({subject}) => {
      const prefix = obeyedSubjects.find((one) => subject.startsWith(one.slice(0, -1)))
      if (prefix === undefined || subject === source) return []
      const sentence = `The destination '${subject}' of '${source}' lies in '${prefix}', where messages are obeyed.`
      return [finding('protected-destination', 'warn', {source, where, sentence})]
    }),
  ]
}

function judgeOwn(mapping: WrittenMapping, options: RuleOptions): Finding[] {
  const {source, where, destinations} = mapping
  const own = asDestination(source)
  const others = destinations.filter(({subject}) => subject !== own && subject !== source)
  if (others.length === 0) {
    // Listed literally and below 100 it drops the rest, which is something.
    if (
      destinations.some(({subject}) => subject === source) &&
      [...sumsOf(mapping, options).values()].some((sum) => sum < 100)
    )
      return []
    const sentence = `The mapping of '${source}' leaves every message where it is.`
    return [finding('no-op', 'warn', {source, where, sentence})]
  }
  return others
    .filter(({subject}) => subjectsOverlap(destinationPattern(subject), source))
    .map(({subject}) => {
      const sentence = `The destination '${subject}' is matched by its own source '${source}'.`
      return finding('own-destination', 'warn', {source, where, sentence})
    })
}
