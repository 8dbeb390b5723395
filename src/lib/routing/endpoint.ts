import type {Entity, ListedEndpoint} from '../entity/entity.js'
import {decodeVersion, encodeVersion, type Version} from '../entity/version.js'
import {queueGroup, sourceOf} from './source.js'

/** What of an entity its subjects are made of. */
export type Routed = Pick<Entity, 'kind' | 'key' | 'link' | 'endpoints'>

/** One subject that callers of an entity publish to, and where each version listens behind it. */
export interface Endpoint {
  /** May hold `*` tokens and end in `>` where the entity is a service or a subject. */
  readonly source: string
  /** Queue group that answers, where it is known. */
  readonly queue: string | undefined
  /** The subject of a version, its wildcards written `$1`; the source itself for an incumbent. Undefined: it has none. */
  addressOf: (version: string) => string | undefined
  /** The version that an address or its sink stands for; undefined for any other subject. */
  versionOf: (subject: string) => {readonly version: Version; readonly sink: boolean} | undefined
}

/** The endpoints of an entity; all of them change in one step. Throws a UsageError where its key makes no subject. */
export function endpointsOf(lattice: string, entity: Routed): readonly Endpoint[] {
  if (entity.kind === 'service' || entity.kind === 'subject') return (entity.endpoints ?? []).map(listedEndpoint)
  const source = sourceOf(lattice, entity)
  return [
    {
      source,
      queue: queueGroup(lattice, entity),
      addressOf: (version) => `${source}.${encodeVersion(version)}`,
      versionOf: (subject) =>
        readAddress(subject, (address) =>
          address.startsWith(`${source}.`) ? decodeVersion(address.slice(source.length + 1)) : undefined,
        ),
    },
  ]
}

/** The source as a destination of itself: its n-th `*` is written `$n`. */
export function asDestination(source: string): string {
  let wildcards = 0
  return source
    .split('.')
    .map((token) => (token === '*' ? `$${++wildcards}` : token))
    .join('.')
}

const sinkSuffix = '-lattice-drop'

/**
 * The subject beside an address that nobody listens on: what is sent there fails at once. It has as many tokens as the
 * address, so that grants with wildcards hold for it too. Undefined for an address of wildcards alone.
 */
export function sinkOf(address: string): string | undefined {
  const tokens = address.split('.')
  const last = tokens.findLastIndex((token) => token !== '>' && !/^(\$\d+|\{\{.*\}\})$/.test(token))
  if (last < 0) return undefined
  return tokens.map((token, index) => (index === last ? `${token}${sinkSuffix}` : token)).join('.')
}

function listedEndpoint({source, addresses, queue}: ListedEndpoint): Endpoint {
  const incumbent = asDestination(source)
  const entries = Object.entries(addresses).map(
    ([version, address]) => [version as Version, address === source ? incumbent : address] as const,
  )
  const known = new Map<string, string>(entries)
  return {
    source,
    queue,
    addressOf: (version) => known.get(version),
    versionOf: (subject) => readAddress(subject, (address) => entries.find(([, other]) => other === address)?.[0]),
  }
}

function readAddress(
  subject: string,
  versionAt: (address: string) => Version | undefined,
): ReturnType<Endpoint['versionOf']> {
  const exact = subject.includes(sinkSuffix) ? undefined : versionAt(subject)
  if (exact !== undefined) return {version: exact, sink: false}
  const dropped = subject.includes(sinkSuffix) ? versionAt(subject.replace(sinkSuffix, '')) : undefined
  return dropped === undefined ? undefined : {version: dropped, sink: true}
}
