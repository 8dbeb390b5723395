import type {CacheEntry} from '../cache/entry.js'
import {usesOf, type Running} from '../cache/in-use.js'
import {addressAt, bucketNames} from '../cache/key.js'
import {compareVersions} from '../entity/version.js'
import {formatClaims, isJsonRecord, type JsonRecord} from '../records/universal.js'
import {deletion, findingOf, routedEntity, type Audited, type Finding} from './finding.js'

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

/**
 * Claims of what runs on no host. What refers to them is deleted first; what was deleted for one of them no longer
 * keeps the next.
 */
export function findUnused(audited: Audited, running: readonly Running[]): Finding[] {
  const versions = new Map<string, Set<string | undefined>>()
  for (const {key, version} of running) versions.set(key, (versions.get(key) ?? new Set()).add(version))
  const around = entriesByKey(audited)
  return usable(audited).flatMap((entry) => {
    const key = claimedKey(entry)
    const runs = versions.get(key)
    const byVersion = entry.name.includes('@')
    // A host that does not tell versions may run any of them.
    if (runs !== undefined && (!byVersion || runs.has(undefined) || runs.has(entry.version))) return []
    const others = around.get(key)!.filter((other) => other !== entry)
    const uses = usesOf(addressAt(entry, audited.lattice), {self: entry, others, running, lattice: audited.lattice})
    around.set(
      key,
      others.filter((other) => !uses.some(({remedy}) => remedy !== undefined && isDeletedBy(other, remedy))),
    )
    const what = byVersion ? `version ${entry.version!} of it` : 'it'
    const first = uses.flatMap(({remedy}) => (remedy === undefined ? [] : [audited.line(ending(remedy))]))
    return [
      findingOf(entry, {
        rule: 'claims-unused',
        severity: 'warning',
        message: `No host that answers runs ${what}.`,
        repair: [...first, deletion(entry, audited)],
      }),
    ]
  })
}

/** Whoever repairs has seen the route already. */
function ending([topic = '', verb = '', ...words]: readonly string[]): string[] {
  return [topic, topic === 'route' && verb === 'show' ? 'clear' : verb, ...words]
}

/** All that is about a public key or refers to it. */
function entriesByKey({entries}: Audited): Map<unknown, readonly CacheEntry[]> {
  const byKey = new Map<unknown, CacheEntry[]>()
  for (const entry of entries) {
    for (const key of keysIn(entry)) {
      const same = byKey.get(key)
      if (same === undefined) byKey.set(key, [entry])
      else same.push(entry)
    }
  }
  return byKey
}

function keysIn(entry: CacheEntry): Set<unknown> {
  const {kind, key, value} = entry
  const fields = isJsonRecord(value) ? value : {}
  if (kind === 'claims') return new Set([claimedKey(entry)])
  if (kind === 'link') return new Set([fields['actor_id'], fields['provider_id']])
  if (kind === 'ref') return new Set([fields['public_key']])
  return kind === 'route' ? new Set([routedEntity(key).split('/')[0]]) : new Set()
}

function isDeletedBy({kind, name, key}: CacheEntry, remedy: readonly string[]): boolean {
  const [topic, verb, of, what] = remedy
  return topic === 'cache' && verb === 'del' && of === kind && (what === name || key === `LINKDEF_${what ?? ''}`)
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
