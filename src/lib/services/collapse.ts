import type {ListedEndpoint} from '../entity/entity.js'
import {covers, patternOf, protectedPrefix, subjectsOverlap} from '../routing/subject.js'
import {isIncumbent} from './mapping.js'

export interface CollapseOptions {
  /** Subjects that the one wildcard must not catch: of other services, and of endpoints that are not in the list. */
  readonly others?: readonly string[]
  /** Subjects that the account listens on; taps on more than the wildcard do not matter. Undefined: nobody can tell. */
  readonly heard: readonly string[] | undefined
  /** Sources of the route that is there: it keeps their form, because a change from one to the other is two steps. */
  readonly recorded?: readonly string[]
  readonly inboxPrefix?: string
}

/**
 * One wildcard source for all endpoints of an entity where their subjects differ in one token that every version carries
 * over: `orders.get` → `orders.v1.get` and `orders.put` → `orders.v1.put` become `orders.*` → `orders.v1.$1`. One source
 * is switched at once, several one by one, and each costs every message a comparison. The list as it was where a wildcard
 * would catch a leg address, one of `others`, what somebody else hears, or what NATS needs.
 */
export function collapseEndpoints(
  list: readonly ListedEndpoint[],
  {others = [], heard, recorded = [], inboxPrefix}: CollapseOptions,
): readonly ListedEndpoint[] {
  const collapsed = collapse(list)
  if (collapsed === undefined || protectedPrefix(collapsed.source, inboxPrefix) !== undefined) return list
  const {source} = collapsed
  if (recorded.length > 0) return recorded.includes(source) ? [collapsed] : list
  // Other messages may have the same first tokens, and a wildcard would take them away from whoever listens.
  if (heard === undefined) return list
  const own = new Set(list.map((each) => each.source))
  const strangers = heard.filter((subject) => covers(source, subject) && !own.has(subject))
  return [...others, ...strangers].some((subject) => subjectsOverlap(source, subject)) ? list : [collapsed]
}

function collapse(list: readonly ListedEndpoint[]): ListedEndpoint | undefined {
  const at = list.length < 2 ? undefined : onlyDifference(list.map(({source}) => source))
  // A first token that is a wildcard catches whatever the account has.
  if (at === undefined || at === 0) return undefined
  const source = withToken(list[0]!.source, at, '*')
  const addresses = new Map<string, string>()
  for (const version of new Set(list.flatMap((each) => Object.keys(each.addresses)))) {
    const address = collapseVersion(list, version, at)
    if (address === undefined) return undefined
    if (address !== source && subjectsOverlap(source, patternOf(address))) return undefined
    addresses.set(version, address)
  }
  const queues = new Set(list.map(({queue}) => queue))
  const [queue] = queues
  return {
    source,
    addresses: Object.fromEntries(addresses),
    ...(queues.size === 1 && queue !== undefined ? {queue} : {}),
  }
}

/** The address of a version with its one differing token as `$1`; the source where all are incumbents. */
function collapseVersion(list: readonly ListedEndpoint[], version: string, at: number): string | undefined {
  const pairs = list.flatMap(({source, addresses}) =>
    Object.hasOwn(addresses, version) ? [{source, address: addresses[version]!}] : [],
  )
  if (pairs.every(({source, address}) => isIncumbent(source, address))) return withToken(pairs[0]!.source, at, '*')
  const carried = ({source, address}: (typeof pairs)[number], position: number): boolean =>
    address.split('.')[position] === source.split('.')[at]
  const position = pairs.length === 1 ? onlyToken(pairs[0]!, at) : onlyDifference(pairs.map(({address}) => address))
  if (position === undefined || !pairs.every((pair) => carried(pair, position))) return undefined
  return withToken(pairs[0]!.address, position, '$1')
}

/** Where in an address the token of its source stands, when it stands there once. */
function onlyToken(
  {source, address}: {readonly source: string; readonly address: string},
  at: number,
): number | undefined {
  const token = source.split('.')[at]
  const found = address.split('.').flatMap((each, index) => (each === token ? [index] : []))
  return found.length === 1 && isLiteralAddress(address) ? found[0] : undefined
}

function isLiteralAddress(address: string): boolean {
  return !/(^|\.)([*>]|\$\d+)(\.|$)/.test(address)
}

/** The one position in which literal subjects of the same length differ; undefined when there is none or several. */
function onlyDifference(subjects: readonly string[]): number | undefined {
  const [first, ...rest] = subjects.map((subject) => subject.split('.'))
  if (first === undefined || !subjects.every(isLiteralAddress)) return undefined
  const differing = first.flatMap((token, index) => (rest.some((other) => other[index] !== token) ? [index] : []))
  return differing.length === 1 && rest.every(({length}) => length === first.length) ? differing[0] : undefined
}

function withToken(subject: string, at: number, token: string): string {
  return subject
    .split('.')
    .map((each, index) => (index === at ? token : each))
    .join('.')
}
