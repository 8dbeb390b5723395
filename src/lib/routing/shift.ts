import type {Version} from '../entity/version.js'
import {UsageError} from '../errors.js'
import {checkLegs, type Leg} from './weights.js'

/**
 * Whole numbers that sum to `total`, as close to the proportions of the weights as they can be. None of them is 0 unless
 * there are more of them than the total has units.
 */
export function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0)
  const quotas = weights.map((weight) => (weight * total) / sum)
  const least = total >= weights.length ? 1 : 0
  const parts = quotas.map((quota) => Math.max(least, Math.floor(quota)))
  const missing = (): number => total - parts.reduce((all, part) => all + part, 0)
  while (missing() > 0) parts[indexOfMost(quotas.map((quota, index) => quota - parts[index]!))]! += 1
  while (missing() < 0) {
    parts[indexOfMost(parts.map((part, index) => (part > least ? part - quotas[index]! : -Infinity)))]! -= 1
  }
  return parts
}

/**
 * The legs of one place with this share for a version; the others keep their proportions. Throws a UsageError where
 * nobody is there to have the rest.
 */
export function shiftLegs(legs: readonly Leg[], {version, weight}: Pick<Leg, 'version' | 'weight'>): Leg[] {
  const rest = legs.filter((leg) => leg.version !== version)
  if (rest.length === 0 && weight < 100) {
    throw new UsageError(`Version ${version} has all traffic, and no other version is known to get the rest.`)
  }
  const parts = rest.length === 0 ? [] : apportion(100 - weight, weightsOf(rest))
  return checkLegs([...rest.map((leg, index) => ({...leg, weight: parts[index]!})), {version, weight}])
}

/** The legs with so many percent of all traffic failing at once; each leg gives its share, and what failed before is no more. */
export function dropLegs(legs: readonly Leg[], percent: number): Leg[] {
  return mapPlaces(withoutSinks(legs), (place) => {
    const weights = weightsOf(place)
    const quotas = weights.map((weight) => (weight * percent) / 100)
    const dropped = quotas.map(Math.floor)
    const missing = (): number => percent - dropped.reduce((all, part) => all + part, 0)
    while (missing() > 0) dropped[indexOfMost(quotas.map((quota, index) => quota - dropped[index]!))]! += 1
    return place.flatMap((leg, index): Leg[] => [
      {...leg, weight: leg.weight - dropped[index]!},
      {...leg, weight: dropped[index]!, sink: true},
    ])
  })
}

/** The legs with all of one version's share failing at once; throws a UsageError where it has none. */
export function failLegs(legs: readonly Leg[], version: Version): Leg[] {
  const whole = withoutSinks(legs)
  if (!whole.some((leg) => leg.version === version)) {
    throw new UsageError(`Version ${version} has no traffic that could fail.`)
  }
  return checkLegs(whole.map((leg): Leg => (leg.version === version ? {...leg, sink: true} : leg)))
}

/** The legs without faults: what failed goes to its version again. */
export function withoutSinks(legs: readonly Leg[]): Leg[] {
  const whole = new Map<string, Leg>()
  for (const {version, weight, cluster} of legs) {
    const place = {version, ...(cluster === undefined ? {} : {cluster})}
    const key = JSON.stringify(place)
    whole.set(key, {...place, weight: weight + (whole.get(key)?.weight ?? 0)})
  }
  return checkLegs([...whole.values()])
}

/** The legs that callers at servers of a cluster have now: its own, else those for everywhere; without their cluster. */
export function legsAt(legs: readonly Leg[], cluster: string | undefined): Leg[] {
  const own = legs.filter((leg) => leg.cluster === cluster)
  const found = own.length > 0 ? own : legs.filter((leg) => leg.cluster === undefined)
  return found.map(({cluster: _, ...leg}) => leg)
}

/** The legs with those of one cluster replaced; a cluster that does as everywhere else needs none of its own. */
export function placeLegs(legs: readonly Leg[], cluster: string, own: readonly Leg[]): Leg[] {
  const others = legs.filter((leg) => leg.cluster !== cluster)
  const elsewhere = legsAt(others, undefined)
  const key = (list: readonly Leg[]): string => JSON.stringify(checkLegs(list).map((leg) => ({...leg, cluster: ''})))
  return checkLegs(key(own) === key(elsewhere) ? others : [...others, ...own.map((leg) => ({...leg, cluster}))])
}

/** Parses `5,25,50,100`: whole percents from 1 to 100 that grow; throws a UsageError. */
export function parseSteps(text: string): number[] {
  const weights = text.split(',').map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : NaN))
  if (weights.every((weight, index) => weight >= 1 && weight <= 100 && weight > (weights[index - 1] ?? 0)))
    return weights
  throw new UsageError(
    `${JSON.stringify(text)} are no steps: whole percents from 1 to 100 are wanted, each above the one before.`,
    {
      suggestions: ['--step 5,25,50,100'],
    },
  )
}

function mapPlaces(legs: readonly Leg[], change: (place: readonly Leg[]) => readonly Leg[]): Leg[] {
  const places = Map.groupBy(legs, ({cluster}) => cluster)
  return checkLegs([...places.values()].flatMap(change))
}

function weightsOf(legs: readonly Leg[]): number[] {
  return legs.map(({weight}) => weight)
}

function indexOfMost(values: readonly number[]): number {
  return values.indexOf(Math.max(...values))
}
