import {UsageError} from '../errors.js'
import {compareVersions, parseVersion, type Version} from './version.js'

/** What a user names: an entity and, where it matters, one version of it. */
export interface EntityRef {
  /** Public key, unique key prefix, claims name, call alias, component id or service name. */
  readonly name: string
  /** Link name of a provider, when it was written. */
  readonly link?: string
  readonly version?: Version
}

/** Hosts run actors and providers; services answer `$SRV`; a subject is whatever somebody listens on. */
export type EntityKind = 'actor' | 'provider' | 'service' | 'subject'

/** What answers on NATS in some lattice, with the versions of it that were found. */
export interface Entity {
  readonly kind: EntityKind
  /** Public key `M…` or `V…`, service name, or source subject. */
  readonly key: string
  /** Name from its claims, or the key. */
  readonly name: string
  readonly callAlias?: string
  /** Link name; providers only. */
  readonly link?: string
  /** Contract id; providers only. */
  readonly contract?: string
  /** Where a service or subject is called and where its versions listen; others have theirs by convention. */
  readonly endpoints?: readonly ListedEndpoint[]
  /** Running instances, sorted by version, then host. */
  readonly instances: readonly Instance[]
}

/** One subject that callers use, and the subject of each version that stands behind it. */
export interface ListedEndpoint {
  /** May hold `*` tokens and end in `>`. */
  readonly source: string
  /** Version → subject; what the n-th `*` of the source stood for is `$n`. The source itself for an incumbent. */
  readonly addresses: Readonly<Record<string, string>>
  /** Queue group of its instances, where it is known. */
  readonly queue?: string
}

/** The running copies of one version on one host. */
export interface Instance {
  /** Undefined when the host does not tell: such an instance cannot be a leg. */
  readonly version?: Version
  readonly host: string
  /** Greatest number of concurrent calls (our hosts) or number of copies (others). */
  readonly count: number
  /** Listens on its versioned subject only. */
  readonly dark: boolean
  readonly imageRef?: string
}

/** The versions of an entity that run somewhere, lowest first, each once. */
export function runningVersions(entity: Entity): Version[] {
  const versions = entity.instances.flatMap(({version}) => (version === undefined ? [] : [version]))
  return [...new Set(versions)].sort(compareVersions)
}

/** The reference as a user types it: `name[/link][@version]`. */
export function formatRef({name, link, version}: EntityRef): string {
  return `${name}${link === undefined || link === 'default' ? '' : `/${link}`}${version === undefined ? '' : `@${version}`}`
}

const token = /^[A-Za-z0-9_-]+$/
const latticeName = /^[A-Za-z0-9_-]{1,64}$/

/** Parses `name[/link][@version]`; throws a UsageError with the reason. */
export function parseRef(text: string): EntityRef {
  const at = text.indexOf('@')
  const identity = at < 0 ? text : text.slice(0, at)
  const slash = identity.indexOf('/')
  const name = slash < 0 ? identity : identity.slice(0, slash)
  const link = slash < 0 ? undefined : identity.slice(slash + 1)
  if (at >= 0 && text.includes('@', at + 1)) throw badRef(text, 'it has more than one @')
  if (name === '') throw badRef(text, 'it has no name')
  // A claims name may hold spaces; what would break a subject or a terminal may not stand in a reference.
  if (!/^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(name) || name.trim() !== name || !hasLegalWildcards(name))
    throw badRef(text, 'the name holds characters that no entity has')
  if (link !== undefined && !token.test(link))
    throw badRef(text, 'the link name may hold letters, digits, - and _ only')
  return {
    name,
    ...(link === undefined ? {} : {link}),
    ...(at < 0 ? {} : {version: parseVersion(text.slice(at + 1))}),
  }
}

/** Parses a lattice name, which is one subject token and part of bucket names; `flag` is where it was given. */
export function parseLatticeName(text: string, flag = 'lattice'): string {
  if (latticeName.test(text)) return text
  throw new UsageError(
    `${JSON.stringify(text)} is not a lattice name: it may hold letters, digits, - and _ only, at most 64 of them.`,
    {
      suggestions: [
        `--${flag} ${
          text
            .replace(/[^A-Za-z0-9_-]/g, '-')
            .replace(/^-+/, '')
            .slice(0, 64) || 'default'
        }`,
      ],
    },
  )
}

/** A plain service is named by its source, which may have wildcard tokens; nothing else has such characters. */
function hasLegalWildcards(name: string): boolean {
  if (!/[*>]/.test(name)) return true
  const tokens = name.split('.')
  return (
    tokens.length > 1 &&
    tokens.every((token, index) => /^([^*>\s]+|\*)$/.test(token) || (token === '>' && index === tokens.length - 1))
  )
}

function badRef(text: string, reason: string): UsageError {
  return new UsageError(`${JSON.stringify(text)} is not an entity reference: ${reason}.`, {
    suggestions: ['Write name, name@version or name/link@version, such as echo@1.2.0.'],
  })
}

/** A reference with the version of a `--version` flag; both at once is a usage error. */
export function withVersion(ref: EntityRef, version: Version | undefined): EntityRef {
  if (version === undefined) return ref
  if (ref.version === undefined) return {...ref, version}
  throw new UsageError(`The version was given twice: '${formatRef(ref)}' and --version ${version}.`, {
    suggestions: [formatRef(ref), formatRef({...ref, version})],
  })
}
