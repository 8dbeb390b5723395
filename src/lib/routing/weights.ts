import {parseRef, type EntityRef} from '../entity/entity.js'
import {compareVersions, type Version} from '../entity/version.js'
import {UsageError} from '../errors.js'

/** One version's share of an entity's traffic, in whole percent. */
export interface Leg {
  readonly version: Version
  readonly weight: number
  /** For publishers at servers of that cluster only; legs without it are for all others. */
  readonly cluster?: string
  /** The share fails at once instead of reaching the version. */
  readonly sink?: true
}

/** A leg without its weight, as a person reads it; what makes it different from the other legs of a route. */
export function legLabel({version, cluster, sink}: Omit<Leg, 'weight'>): string {
  return `${version}${sink === true ? ' (dropped)' : ''}${cluster === undefined ? '' : ` in cluster ${cluster}`}`
}

/** What a user asked for: weights alone, versions to be found; or whole legs of a named entity. */
export type AskedSplit =
  | {readonly kind: 'weights'; readonly weights: readonly number[]}
  | {readonly kind: 'legs'; readonly entity: EntityRef; readonly legs: readonly Leg[]}

/** Parses `70/30` into whole percents that sum to 100; throws a UsageError with the reason. */
export function parseWeights(text: string): number[] {
  const weights = text.split('/').map(parseWeight)
  checkSum(weights, text)
  return weights
}

/** Parses the arguments of a split: one `70/30`, or one `name@version=weight` a leg, all of the same entity. */
export function parseSplit(words: readonly string[]): AskedSplit {
  const [first, ...rest] = words
  if (first === undefined) throw new UsageError('A split needs weights.', {suggestions: howToWrite})
  if (!first.includes('=')) {
    if (rest.length > 0) throw new UsageError(`${quote(first)} is not a leg.`, {suggestions: howToWrite})
    return {kind: 'weights', weights: parseWeights(first)}
  }
  const legs = words.map(parseLeg)
  const {version: _, ...entity} = legs[0]!.ref
  const other = legs.find(({ref}) => ref.name !== entity.name || (ref.link ?? 'default') !== (entity.link ?? 'default'))
  if (other !== undefined) {
    throw new UsageError(`A split is of one entity, and ${quote(entity.name)} and ${quote(other.ref.name)} are two.`, {
      suggestions: howToWrite,
    })
  }
  return {kind: 'legs', entity, legs: checkLegs(legs.map(({version, weight}) => ({version, weight})))}
}

/**
 * The legs sorted by version, without those of weight 0; throws a UsageError unless those of each cluster, and those for
 * everywhere else, are a whole split.
 */
export function checkLegs(legs: readonly Leg[]): Leg[] {
  const seen = new Set<string>()
  for (const leg of legs) {
    const label = legLabel(leg)
    if (seen.has(label)) throw new UsageError(`Version ${quote(label)} stands in the split more than once.`)
    seen.add(label)
  }
  for (const {weight} of legs) checkWeight(weight, String(weight))
  const groups = Map.groupBy(legs, ({cluster}) => cluster)
  if (!groups.has(undefined)) throw new UsageError('A split needs legs for callers outside the clusters that it names.')
  for (const group of groups.values()) {
    const weights = group.map(({weight}) => weight)
    checkSum(weights, weights.join('/'))
  }
  return legs.filter(({weight}) => weight > 0).toSorted(compareLegs)
}

function compareLegs(a: Leg, b: Leg): number {
  const [mine, other] = [`${a.cluster ?? ''} ${a.sink ?? ''}`, `${b.cluster ?? ''} ${b.sink ?? ''}`]
  return compareVersions(a.version, b.version) || (mine < other ? -1 : mine > other ? 1 : 0)
}

const howToWrite = [
  'lattice route ab 70/30',
  'lattice route ab 70/30 --entity echo --versions 1.0.0,2.0.0',
  'lattice route ab echo@1.0.0=70 echo@2.0.0=30',
]

function parseLeg(word: string): Leg & {readonly ref: EntityRef} {
  const at = word.lastIndexOf('=')
  if (at < 0) throw new UsageError(`${quote(word)} is not a leg.`, {suggestions: howToWrite})
  const ref = parseRef(word.slice(0, at))
  if (ref.version === undefined) {
    throw new UsageError(`The leg ${quote(word)} names no version.`, {suggestions: howToWrite})
  }
  return {ref, version: ref.version, weight: parseWeight(word.slice(at + 1))}
}

function parseWeight(text: string): number {
  const weight = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  checkWeight(weight, text)
  return weight
}

function checkWeight(weight: number, text: string): void {
  if (Number.isNaN(weight)) throw new UsageError(`${quote(text)} is not a weight.`, {suggestions: howToWrite})
  if (!Number.isInteger(weight)) {
    throw new UsageError(`The weight ${text} is not a whole percent, and NATS splits traffic by whole percents only.`)
  }
  if (weight < 0 || weight > 100) throw new UsageError(`The weight ${text} is not between 0 and 100.`)
}

function checkSum(weights: readonly number[], text: string): void {
  const sum = weights.reduce((total, weight) => total + weight, 0)
  if (sum !== 100) throw new UsageError(`The weights ${text} sum to ${sum}, not to 100.`, {details: {weights, sum}})
}

function quote(text: string): string {
  return JSON.stringify(text)
}
