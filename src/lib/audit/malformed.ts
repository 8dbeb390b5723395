import {composeRecord, type FieldEdit} from '../cache/compose.js'
import type {CacheEntry} from '../cache/entry.js'
import {addressAt, bucketNames, placeOf} from '../cache/key.js'
import {isPublicKey} from '../keys/nkey.js'
import {formatLossless} from '../keys/token.js'
import {linkHash} from '../records/link-hash.js'
import {typedKindOf, type RecordAddress} from '../records/registry.js'
import {isSecretName} from '../records/secrets.js'
import {isJsonRecord, isPlainClaims, isPlainLink, isPlainRef, type JsonRecord} from '../records/universal.js'
import {deletion, findingOf, type Audited, type Finding} from './finding.js'

const longNames = ['subject', 'issuer', 'capabilities', 'capability_contract_id', 'revision'] as const
const shortNames = ['sub', 'iss', 'caps', 'contract_id', 'rev'] as const

/** Records that do not fit their kind or their key, or that not every host reads. */
export function findMalformed(audited: Audited): Finding[] {
  const mixed = formsAreMixed(audited)
  return audited.entries.flatMap((entry) => {
    if (entry.problem !== undefined) return [malformed(entry, audited)]
    if (entry.kind === 'key') return unread(entry, audited)
    if (entry.kind === 'ref') return badReference(entry, audited)
    if (entry.kind === 'claims') return claimsForm(entry, audited, mixed)
    return entry.kind === 'link' && !isPlainLink(entry.value)
      ? [notUniversal(entry, audited, "it lacks 'id' or 'values'")]
      : []
  })
}

/** True for claims with the long names that newer hosts write. */
export function isLongForm(value: unknown): boolean {
  return isJsonRecord(value) && longNames.some((name) => Object.hasOwn(value, name))
}

function malformed(entry: CacheEntry, audited: Audited): Finding {
  const message = `No host can use it: ${entry.problem!}.`
  const fixed = entry.kind !== 'claims' || isOfItsKey(entry) ? rewrite(entry, audited) : undefined
  return findingOf(entry, {
    ...{rule: 'malformed', severity: 'error', message},
    repair: fixed ?? moved(entry, audited) ?? [deletion(entry, audited)],
  })
}

/** Claims under another's key are not made that one's. */
function isOfItsKey({name, value}: CacheEntry): boolean {
  return isJsonRecord(value) && [value['sub'], value['subject']].includes(name.split('@')[0])
}

/** A link under a key that is not its hash belongs elsewhere, unless one is there already. */
function moved(entry: CacheEntry, audited: Audited): string[] | undefined {
  const {value} = entry
  if (entry.kind !== 'link' || !isPlainLink(value)) return undefined
  const {actor_id, contract_id, link_name} = value as Readonly<Record<string, string>>
  const hash = linkHash({actor_id: actor_id!, contract_id: contract_id!, link_name: link_name!})
  const {key} = placeOf({kind: 'link', hash}, audited.lattice)
  if (audited.entries.some((other) => other.key === key) || !isPublicKey(actor_id!, 'M')) return undefined
  try {
    const address = {kind: 'link', hash} as const
    composeRecord(address, {value: encode(value), set: [{path: ['id'], value: hash}]})
  } catch {
    return undefined
  }
  const {line} = audited
  const from = line(['cache', 'get', 'link', entry.key.slice('LINKDEF_'.length), '--raw'])
  const to = line(['cache', 'put', 'link', hash, '--file', '-', '--set', `id=${hash}`, '--create'])
  return [`${from} | ${to}`, deletion(entry, audited)]
}

function unread(entry: CacheEntry, audited: Audited): Finding[] {
  const {data, versions, config, routes} = bucketNames(audited.lattice)
  const {bucket, key} = entry
  if (![data, versions, config, routes].includes(bucket)) return []
  const crashes = bucket === data && /^[^.]+\.(CLAIMS|LINKDEF|REFMAP)_/.test(key)
  const message = crashes
    ? 'Its key makes hosts up to 0.63 fail, because it has a dot before the kind.'
    : bucket === data
      ? 'No host reads it, and each one warns of it at every start.'
      : 'Nobody reads it: its key is not one of this bucket.'
  const severity = crashes ? 'error' : 'warning'
  return [findingOf(entry, {rule: 'unread-key', severity, message, repair: [deletion(entry, audited)]})]
}

function badReference(entry: CacheEntry, audited: Audited): Finding[] {
  if (!isPlainRef(entry.value)) return [notUniversal(entry, audited, 'its fields are not all strings')]
  const {public_key: key = ''} = entry.value
  if (isPublicKey(key)) return []
  const message = "No host can use it: its field 'public_key' is not a public key."
  return [findingOf(entry, {rule: 'malformed', severity: 'error', message, repair: [deletion(entry, audited)]})]
}

function claimsForm(entry: CacheEntry, audited: Audited, mixed: boolean): Finding[] {
  const {value} = entry
  if (!isJsonRecord(value)) return []
  const twice = longNames.findIndex(
    (long, index) => Object.hasOwn(value, long) && Object.hasOwn(value, shortNames[index]!),
  )
  if (twice >= 0) return [bothNames(entry, audited, [shortNames[twice]!, longNames[twice]!])]
  if (isLongForm(value)) {
    return mixed ? [notUniversal(entry, audited, 'it has the long names, which hosts up to 0.80 do not know')] : []
  }
  return isPlainClaims(value) ? [] : [notUniversal(entry, audited, 'its fields are not all there as strings')]
}

/** Both names of a field are refused by newer hosts; the short one is what older ones read. */
function bothNames(entry: CacheEntry, audited: Audited, [short, long]: readonly [string, string]): Finding {
  const value = entry.value as JsonRecord
  const fields = Object.entries(value).filter(
    ([name]) => !longNames.some((other, index) => other === name && Object.hasOwn(value, shortNames[index]!)),
  )
  const words = ['cache', 'put', 'claims', entry.name, formatLossless(Object.fromEntries(fields))]
  return findingOf(entry, {
    rule: 'mixed-forms',
    severity: 'error',
    message: `Hosts from 0.81 on refuse it: it has both '${short}' and '${long}'.`,
    repair: [audited.line([...words, '--revision', String(entry.revision)])],
  })
}

/** Hosts of both forms are there when some claims have the short names and some the long ones. */
function formsAreMixed({entries, lattice}: Audited): boolean {
  const {data} = bucketNames(lattice)
  const claims = entries.filter(
    ({kind, bucket, problem}) => kind === 'claims' && bucket === data && problem === undefined,
  )
  return claims.some(({value}) => isLongForm(value)) && claims.some(({value}) => !isLongForm(value))
}

function notUniversal(entry: CacheEntry, audited: Audited, why: string): Finding {
  return findingOf(entry, {
    rule: 'not-universal',
    severity: 'warning',
    message: `Not every host reads it: ${why}.`,
    repair: rewrite(entry, audited) ?? [audited.line(['cache', 'edit', ...recordWords(entry)])],
  })
}

/** The line that writes a record again as every host reads it, and saying who it is; undefined where that cannot be. */
function rewrite(entry: CacheEntry, {lattice, line}: Audited): string[] | undefined {
  const address = addressAt(entry, lattice)
  const record = entry.value
  if (typedKindOf(address) === undefined || !isJsonRecord(record)) return undefined
  const edits = [...Object.entries(sameIdentity(address)), ...numbersIn(record)]
  const set = edits.map(([name, value]): FieldEdit => ({
    path: name.split('.'),
    value: typeof value === 'string' ? value : formatLossless(value),
  }))
  try {
    composeRecord(address, {set, present: encode(record)})
  } catch {
    return undefined
  }
  const words = set.flatMap(({path, value}) => ['--set', `${path.join('.')}=${value}`])
  return [line(['cache', 'put', ...recordWords(entry), ...words, '--revision', String(entry.revision)])]
}

/** A field that every record of the kind has, with the value that it must have. */
function sameIdentity(address: RecordAddress): Readonly<Record<string, string>> {
  switch (address.kind) {
    case 'claims':
      return {sub: address.publicKey}
    case 'link':
      return {id: address.hash}
    case 'ref':
      return {oci_url: address.url}
    case 'component':
    case 'config':
    case 'route':
    case 'key':
      return {}
  }
}

function recordWords({kind, name, key}: CacheEntry): string[] {
  return [kind, kind === 'link' ? key.slice('LINKDEF_'.length) : name]
}

/** Numbers where hosts want strings, by the path that sets them; a secret does not belong into a line. */
function numbersIn(record: JsonRecord): (readonly [path: string, value: unknown])[] {
  const {values} = record
  const inner = isJsonRecord(values)
    ? Object.entries(values).map(([name, value]) => [`values.${name}`, value] as const)
    : []
  return [...Object.entries(record), ...inner].filter(
    ([path, value]) => (typeof value === 'number' || isRawNumber(value)) && !isSecretName(path) && !path.includes('='),
  )
}

function isRawNumber(value: unknown): boolean {
  return isJsonRecord(value) && Object.getPrototypeOf(value) === null && typeof value['rawJSON'] === 'string'
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(formatLossless(value))
}
