import type {CacheEntry} from '../cache/entry.js'
import {isPublicKey} from '../keys/nkey.js'
import {builtinHttpserver} from '../records/builtin.js'
import {routeSchema} from '../records/route.js'
import {isJsonRecord, isPlainLink, isPlainRef} from '../records/universal.js'
import {isRawConfig} from '../records/v1-form.js'
import {claimedKey} from './claims.js'
import {deletion, findingOf, routedEntity, type Audited, type Finding} from './finding.js'

/** What records may speak of. */
interface Known {
  /** Public keys that claims are stored of, and those keys with a version. */
  readonly claimed: ReadonlySet<string>
  readonly configs: ReadonlySet<string>
}

/** Records that speak of what is not stored. */
export function findDangling(audited: Audited): Finding[] {
  const claims = audited.entries.filter(({kind}) => kind === 'claims')
  const known: Known = {
    claimed: new Set([
      builtinHttpserver.key,
      ...claims.map(claimedKey),
      ...claims.map((entry) => `${claimedKey(entry)}@${entry.version ?? ''}`),
    ]),
    configs: new Set(audited.entries.flatMap(({kind, name}) => (kind === 'config' ? [name] : []))),
  }
  return audited.entries.flatMap((entry) => (entry.problem === undefined ? dangling(entry, audited, known) : []))
}

function dangling(entry: CacheEntry, audited: Audited, known: Known): Finding[] {
  switch (entry.kind) {
    case 'link':
      return danglingLink(entry, audited, known)
    case 'ref':
      return danglingReference(entry, audited, known)
    case 'config':
      return danglingConfig(entry, audited, known)
    case 'component':
      return danglingComponent(entry, audited, known)
    case 'route':
      return danglingRoute(entry, audited, known)
    case 'claims':
    case 'key':
      return []
  }
}

function danglingLink(entry: CacheEntry, audited: Audited, {claimed}: Known): Finding[] {
  if (!isPlainLink(entry.value)) return []
  const {actor_id, provider_id} = entry.value as Readonly<Record<string, string>>
  const absent = [
    ...(claimed.has(actor_id!) ? [] : [`actor '${actor_id!}'`]),
    ...(claimed.has(provider_id!) ? [] : [`provider '${provider_id!}'`]),
  ]
  return without(entry, audited, {rule: 'link-without-claims', absent})
}

function danglingReference(entry: CacheEntry, audited: Audited, {claimed}: Known): Finding[] {
  if (!isPlainRef(entry.value)) return []
  const {public_key: key = '', version} = entry.value
  if (!isPublicKey(key)) return []
  const other = version === undefined || claimed.has(`${key}@${version}`) ? [] : [`version ${version} of '${key}'`]
  return without(entry, audited, {rule: 'ref-without-claims', absent: claimed.has(key) ? other : [`'${key}'`]})
}

/** Configurations of v0 hosts are named after the entity that they are for (wasmcloud-v0 §4.2). */
function danglingConfig(entry: CacheEntry, audited: Audited, {claimed}: Known): Finding[] {
  if (!isRawConfig(entry.name)) return []
  const key = entry.name.slice(0, 56)
  return without(entry, audited, {rule: 'config-without-claims', absent: claimed.has(key) ? [] : [`'${key}'`]})
}

function without(
  entry: CacheEntry,
  audited: Audited,
  {rule, absent}: {readonly rule: Finding['rule']; readonly absent: readonly string[]},
): Finding[] {
  if (absent.length === 0) return []
  const message = `No claims are stored of ${absent.join(' and ')}.`
  return [findingOf(entry, {rule, severity: 'warning', message, repair: [deletion(entry, audited)]})]
}

function danglingComponent(entry: CacheEntry, {line}: Audited, {configs}: Known): Finding[] {
  const links = isJsonRecord(entry.value) ? entry.value['links'] : undefined
  const named = listOf(links).flatMap((link) =>
    isJsonRecord(link) ? [...listOf(link['source_config']), ...listOf(link['target_config'])] : [],
  )
  const absent = [...new Set(named)].filter((name): name is string => typeof name === 'string' && !configs.has(name))
  return absent.map((name) =>
    findingOf(entry, {
      rule: 'component-without-config',
      severity: 'error',
      message: `One of its links wants the configuration '${name}', which is not stored.`,
      repair: [line(['cache', 'put', 'config', name, '{}', '--create'])],
    }),
  )
}

function danglingRoute(entry: CacheEntry, audited: Audited, {claimed}: Known): Finding[] {
  const {line} = audited
  const entity = routedEntity(entry.key)
  const read = routeSchema.safeParse(entry.value)
  if (!read.success) {
    const path = read.error.issues[0]?.path.map(String).join('.') ?? ''
    const message = `No command can use it: its field '${path}' is not that of a route.`
    const repair = [line(['route', 'clear', entity, '--repair'])]
    return [findingOf(entry, {rule: 'malformed', severity: 'error', message, repair})]
  }
  if (claimed.has(read.data.key)) return []
  return [
    findingOf(entry, {
      rule: 'route-without-claims',
      severity: 'warning',
      message: `No claims are stored of '${read.data.key}'.`,
      repair: [line(['route', 'clear', entity])],
    }),
  ]
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
