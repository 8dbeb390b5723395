import type {ListedEndpoint} from '../entity/entity.js'
import {subjectsOverlap} from '../routing/subject.js'
import {isIncumbent, patternOf, protectedPrefix} from './mapping.js'

export interface CollapseOptions {
  /** Subjects and sources that the one wildcard must not catch: of other services, and of endpoints without a source. */
  readonly others?: readonly string[]
  readonly inboxPrefix?: string
}

/**
 * One wildcard source for all endpoints of an entity where their subjects differ in one token that every version carries
 * over: `orders.get` → `orders.v1.get` and `orders.put` → `orders.v1.put` become `orders.*` → `orders.v1.$1`. One source
 * is switched at once, several one by one, and each costs every message a comparison. The list as it was where a wildcard
 * would catch a leg address, one of `others` or what NATS needs, or where a version lacks an endpoint.
 */
export function collapseEndpoints(
  list: readonly ListedEndpoint[],
  {others = [], inboxPrefix}: CollapseOptions = {},
): readonly ListedEndpoint[] {
  const at = list.length < 2 ? undefined : onlyDifference(list.map(({source}) => source))
  // A first token that is a wildcard catches whatever the account has.
  if (at === undefined || at === 0) return list
  const source = withToken(list[0]!.source, at, '*')
  const versions = Object.keys(list[0]!.addresses)
  const collapsed = versions.map((version) => collapseVersion(list, version, at))
  const sameVersions = list.every(({addresses}) => Object.keys(addresses).length === versions.length)
  if (!sameVersions || versions.length === 0) return list
  const addresses: [string, string][] = []
  for (const [index, address] of collapsed.entries()) {
    if (address === undefined) return list
    addresses.push([versions[index]!, address])
  }
  const caught = [...others, ...addresses.flatMap(([, address]) => (address === source ? [] : [patternOf(address)]))]
  if (caught.some((subject) => subjectsOverlap(source, subject))) return list
  if (protectedPrefix(source, inboxPrefix) !== undefined) return list
  const queues = new Set(list.map(({queue}) => queue))
  const [queue] = queues
  return [
    {source, addresses: Object.fromEntries(addresses), ...(queues.size === 1 && queue !== undefined ? {queue} : {})},
  ]
}

/** The address of a version with its one differing token as `$1`; the source where all are incumbents. */
function collapseVersion(list: readonly ListedEndpoint[], version: string, at: number): string | undefined {
  const pairs = list.map(({source, addresses}) => ({
    source,
    address: Object.hasOwn(addresses, version) ? addresses[version]! : '',
  }))
  if (pairs.every(({source, address}) => isIncumbent(source, address))) return withToken(pairs[0]!.source, at, '*')
  const position = onlyDifference(pairs.map(({address}) => address))
  if (position === undefined) return undefined
  const carried = pairs.every(({source, address}) => address.split('.')[position] === source.split('.')[at])
  return carried ? withToken(pairs[0]!.address, position, '$1') : undefined
}

/** The one position in which literal subjects of the same length differ; undefined when there is none or several. */
function onlyDifference(subjects: readonly string[]): number | undefined {
  const [first, ...rest] = subjects.map((subject) => subject.split('.'))
  if (first === undefined || subjects.some((subject) => /(^|\.)([*>]|\$\d+)(\.|$)/.test(subject))) return undefined
  const differing = first.flatMap((token, index) => (rest.some((other) => other[index] !== token) ? [index] : []))
  return differing.length === 1 && rest.every(({length}) => length === first.length) ? differing[0] : undefined
}

function withToken(subject: string, at: number, token: string): string {
  return subject
    .split('.')
    .map((each, index) => (index === at ? token : each))
    .join('.')
}
