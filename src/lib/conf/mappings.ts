import type {ConfigProblem} from './facts.js'
import {effective, placeOf, type ConfigMap, type ConfigNode, type Origin} from './resolve.js'
import type {Place} from './tree.js'

/** One target as the file gives it; unlike in a token, a weight of 0 is never picked. */
export interface ConfigDestination {
  readonly subject: string
  readonly weight: number
  readonly cluster?: string
  readonly at: Place
}

/** One source and where it goes. */
export interface ConfigMapping {
  readonly source: string
  readonly at: Place
  readonly destinations: readonly ConfigDestination[]
}

/** Reads what stands behind `mappings`; what the server would refuse is left out and added to the problems. */
export function readMappings(block: ConfigNode, problems: ConfigProblem[]): ConfigMapping[] {
  if (block.kind !== 'map') {
    problems.push({at: placeOf(block), reason: "'mappings' is not a map"})
    return []
  }
  const last = effective(block)
  for (const setting of block.settings) {
    if (last.get(setting.key) === setting) continue
    problems.push({
      at: placeOf(setting),
      reason: `the source '${setting.key}' is mapped again below, and only that counts`,
    })
  }
  return [...last.values()].map((setting) => ({
    source: setting.key,
    at: placeOf(setting),
    destinations: readDestinations(setting.value, problems),
  }))
}

function readDestinations(value: ConfigNode, problems: ConfigProblem[]): ConfigDestination[] {
  if (value.kind === 'string') return [{subject: value.value, weight: 100, at: placeOf(value)}]
  const items = value.kind === 'array' ? value.items : [value]
  return items.flatMap((item) => {
    const found = item.kind === 'map' ? readDestination(item) : problem(item, 'a destination is a map or one subject')
    if ('subject' in found) return [found]
    problems.push(found)
    return []
  })
}

function readDestination(map: ConfigMap): ConfigDestination | ConfigProblem {
  let [subject, cluster, weight]: [string | undefined, string | undefined, number | undefined] = [
    undefined,
    undefined,
    undefined,
  ]
  for (const {key, value} of effective(map).values()) {
    const name = key.toLowerCase()
    if (name === 'weight') {
      weight = readWeight(value)
      if (weight === undefined) return problem(value, 'a weight is a whole number from 0 to 100, with or without %')
    } else if (value.kind !== 'string') return problem(value, `'${key}' is not a string`)
    else if (name === 'dest' || name === 'destination') subject = value.value
    else if (name === 'cluster') cluster = value.value
    else return problem(value, `a destination has no '${key}'`)
  }
  if (subject === undefined) return problem(map, 'a destination without subject')
  if (weight === undefined) return problem(map, `the destination '${subject}' has no weight`)
  return {subject, weight, ...(cluster ? {cluster} : {}), at: placeOf(map)}
}

function readWeight(value: ConfigNode): number | undefined {
  const weight =
    value.kind === 'number'
      ? value.value
      : value.kind === 'string' && /^[+-]?\d+%?$/.test(value.value)
        ? Number.parseInt(value.value, 10)
        : Number.NaN
  return Number.isInteger(weight) && weight >= 0 && weight <= 100 ? Math.abs(weight) : undefined
}

function problem(at: Origin, reason: string): ConfigProblem {
  return {at: placeOf(at), reason}
}
