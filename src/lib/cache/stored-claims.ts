import {compareVersions, type Version} from '../entity/version.js'
import type {LatticeCache} from './cache.js'
import type {CacheEntry} from './entry.js'

/** The claims of one version of one key, as `claims ls` tells them. */
export interface StoredClaims {
  readonly key: string
  readonly kind: 'actor' | 'provider'
  /** Name in the claims; the key where they have none. */
  readonly name: string
  readonly version?: Version
  readonly callAlias?: string
  readonly capabilities: readonly string[]
  readonly contract?: string
  readonly issuer?: string
  readonly imageRef?: string
  /** True for the version last started, which is the one that hosts without versions know. */
  readonly last: boolean
  /** True when it is stored under its version as well. */
  readonly versioned: boolean
  /** Of the newer of the two records. */
  readonly revision: number
  readonly created: string
  /** Why the record cannot be trusted. */
  readonly problem?: string
}

/** All stored claims, one entry a version, sorted by name, key and version. */
export async function listClaims(cache: LatticeCache): Promise<StoredClaims[]> {
  const merged = new Map<string, StoredClaims>()
  for (const entry of await cache.list('claims')) {
    const found = fromEntry(entry)
    const id = `${found.key}@${found.version ?? ''}`
    const other = merged.get(id)
    merged.set(id, other === undefined ? found : join(other, found))
  }
  return [...merged.values()].sort(compareClaims)
}

function compareClaims(a: StoredClaims, b: StoredClaims): number {
  const [left, right] = [`${a.name}\n${a.key}`, `${b.name}\n${b.key}`]
  return left === right ? compareVersions(a.version ?? '', b.version ?? '') : left < right ? -1 : 1
}

function join(a: StoredClaims, b: StoredClaims): StoredClaims {
  const newer = a.created < b.created ? b : a
  return {...newer, last: a.last || b.last, versioned: a.versioned || b.versioned}
}

function fromEntry({name, title, version, value, revision, created, problem}: CacheEntry): StoredClaims {
  const [key = '', versioned] = name.split('@')
  const text = (...names: string[]): string | undefined => {
    for (const field of names) {
      const found = (value as Record<string, unknown> | null)?.[field]
      if (typeof found === 'string' && found !== '') return found
      if (Array.isArray(found)) return found.filter((item) => typeof item === 'string').join(',')
    }
    return undefined
  }
  const optional = {
    version,
    callAlias: text('call_alias'),
    contract: text('contract_id'),
    issuer: text('iss', 'issuer'),
    imageRef: text('image_ref'),
    problem,
  }
  return {
    key,
    kind: key.startsWith('V') ? 'provider' : 'actor',
    name: title ?? key,
    capabilities: (text('caps', 'capabilities') ?? '').split(',').filter((capability) => capability !== ''),
    last: versioned === undefined,
    versioned: versioned !== undefined,
    revision,
    created,
    ...present(optional),
  }
}

/** Absent keys instead of undefined ones. */
function present<T extends object>(fields: T): {[K in keyof T]?: Exclude<T[K], undefined>} {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}
