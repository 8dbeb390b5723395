import type {CacheEntry} from '../cache/entry.js'
import {bucketNames} from '../cache/key.js'
import type {Entity} from '../entity/entity.js'
import {compareVersions} from '../entity/version.js'
import {formatClaims, isJsonRecord, type JsonRecord} from '../records/universal.js'
import {deletion, findingOf, type Audited, type Finding} from './finding.js'

/** The public key that claims are about. */
export function claimedKey({name}: CacheEntry): string {
  return name.split('@')[0]!
}

/** Call aliases that several actors claim: some hosts then call the first of them, and some the last. */
export function findSharedAliases(audited: Audited): Finding[] {
  const holders = new Map<string, CacheEntry[]>()
  for (const entry of usable(audited)) {
    const alias = (entry.value as JsonRecord)['call_alias']
    if (typeof alias !== 'string' || alias === '') continue
    holders.set(alias, [...(holders.get(alias) ?? []), entry])
  }
  return [...holders].flatMap(([alias, entries]) => {
    const [first, ...others] = [...entries].sort((a, b) => (a.created < b.created ? -1 : 1))
    return others.flatMap((entry) => {
      if (first === undefined || claimedKey(entry) === claimedKey(first)) return []
      return [sharedAlias(entry, audited, {alias, holder: first})]
    })
  })
}

function sharedAlias(
  entry: CacheEntry,
  {line}: Audited,
  {alias, holder}: {readonly alias: string; readonly holder: CacheEntry},
): Finding {
  const named = holder.title === undefined ? '' : ` (${holder.title})`
  return findingOf(entry, {
    rule: 'duplicate-alias',
    severity: 'error',
    message: `Its alias '${alias}' is that of '${claimedKey(holder)}'${named} too: hosts do not agree on which is called.`,
    repair: [
      line(['cache', 'put', 'claims', entry.name, '--set', 'call_alias=', '--revision', String(entry.revision)]),
    ],
  })
}

/** Keys of which only versions are stored: a host that knows no versions does not know them. */
export function findWithoutBase(audited: Audited): Finding[] {
  const {data} = bucketNames(audited.lattice)
  const claims = audited.entries.filter(({kind}) => kind === 'claims')
  const based = new Set(claims.filter(({bucket}) => bucket === data).map(claimedKey))
  const highest = new Map<string, CacheEntry>()
  for (const entry of usable(audited)) {
    const key = claimedKey(entry)
    const other = highest.get(key)
    if (based.has(key)) continue
    if (other === undefined || compareVersions(other.version!, entry.version!) < 0) highest.set(key, entry)
  }
  return [...highest].flatMap(([key, entry]) => {
    const text = universal(entry.value)
    return [
      findingOf(entry, {
        rule: 'claims-without-base',
        severity: 'error',
        message: `Hosts that know no versions do not know '${key}': it has claims by version only.`,
        repair: [
          text === undefined
            ? deletion(entry, audited)
            : audited.line(['cache', 'put', 'claims', key, text, '--create']),
        ],
      }),
    ]
  })
}

/** Claims of what runs on no host. */
export function findUnused(audited: Audited, running: readonly Entity[]): Finding[] {
  const instances = new Map<string, Set<string | undefined>>()
  for (const {key, instances: found} of running) {
    const versions = instances.get(key) ?? new Set()
    for (const {version} of found) versions.add(version)
    instances.set(key, versions)
  }
  return usable(audited).flatMap((entry) => {
    const versions = instances.get(claimedKey(entry))
    const byVersion = entry.name.includes('@')
    // A host that does not tell versions may run any of them.
    if (versions !== undefined && (!byVersion || versions.has(undefined) || versions.has(entry.version))) return []
    const what = byVersion ? `version ${entry.version!} of it` : 'it'
    return [
      findingOf(entry, {
        rule: 'claims-unused',
        severity: 'warning',
        message: `No host that answers runs ${what}.`,
        repair: [deletion(entry, audited)],
      }),
    ]
  })
}

function usable({entries}: Audited): CacheEntry[] {
  return entries.filter(({kind, problem, value}) => kind === 'claims' && problem === undefined && isJsonRecord(value))
}

function universal(value: unknown): string | undefined {
  try {
    return formatClaims(value as JsonRecord)
  } catch {
    return undefined
  }
}
