import {compareVersions, type Version} from '../entity/version.js'
import {parseLossless} from '../keys/token.js'
import {
  misplaced,
  readRecord,
  recordKinds,
  typedKindOf,
  type RecordAddress,
  type RecordKind,
} from '../records/registry.js'
import {hideSecrets, isSecretName} from '../records/secrets.js'
import {isJsonRecord, type JsonRecord} from '../records/universal.js'
import type {BucketEntry} from './bucket-entry.js'
import {addressName} from './key.js'

/** One record as it is shown; also the JSON of `cache get`. */
export interface CacheEntry {
  readonly kind: RecordKind
  /** Its key as a user types it, such as `M…@1.2.0` or an OCI URL. */
  readonly name: string
  /** Name in its claims; records of kind `claims` only. */
  readonly title?: string
  readonly version?: Version
  readonly bucket: string
  /** Its key in the bucket. */
  readonly key: string
  readonly revision: number
  /** ISO time. */
  readonly created: string
  /** Bytes. */
  readonly size: number
  /** How `value` is to be read. */
  readonly format: 'json' | 'text' | 'base64'
  /** As it is stored; big numbers keep their digits. */
  readonly value: unknown
  /** Why it is not the record that its key says. */
  readonly problem?: string
}

/** A record as it was read. */
export interface StoredRecord {
  readonly address: RecordAddress
  readonly entry: CacheEntry
  /** Exactly what is stored. */
  readonly bytes: Uint8Array
}

/** Decodes what lies in a bucket. Malformed records are described, never refused. */
export async function readStoredRecord(
  address: RecordAddress,
  bucket: string,
  stored: BucketEntry,
): Promise<StoredRecord> {
  const {key, revision, created, value: bytes} = stored
  const decoded = decodeValue(bytes)
  const checked = await checkRecord(address, decoded.format === 'json' ? decoded.value : undefined)
  const entry: CacheEntry = {
    kind: address.kind,
    name: linkName(address, checked.record) ?? addressName(address),
    ...titleOf(address, checked.record),
    bucket,
    key,
    revision,
    created,
    size: bytes.length,
    ...decoded,
    ...(checked.problem === undefined ? {} : {problem: checked.problem}),
  }
  return {address, entry, bytes}
}

/** The entry as it may be shown: secrets in its value are replaced by `set`. */
export function withoutSecrets<T extends {readonly kind: RecordKind; readonly key: string; readonly value: unknown}>(
  entry: T,
): T {
  const wholly = isSecretRecord(entry) && entry.value !== ''
  return {...entry, value: wholly ? 'set' : hideSecrets(entry.value)}
}

/** True for a record whose whole value is a secret, as its key says. */
export function isSecretRecord({kind, key}: {readonly kind: RecordKind; readonly key: string}): boolean {
  return (kind === 'key' || kind === 'config') && isSecretName(key)
}

/** By kind, then name, then version: the order of listings. */
export function compareEntries(a: CacheEntry, b: CacheEntry): number {
  const byKind = recordKinds.indexOf(a.kind) - recordKinds.indexOf(b.kind)
  if (byKind !== 0) return byKind
  const [left, right] = [a, b].map(({title, name}) => `${title ?? ''}\n${name.split('@')[0]!}`) as [string, string]
  if (left !== right) return left < right ? -1 : 1
  return compareVersions(a.version ?? '', b.version ?? '') || (a.key < b.key ? -1 : 1)
}

const deepestJson = 200

/** Bytes as JSON, else text, else base64. */
export function decodeValue(bytes: Uint8Array): Pick<CacheEntry, 'format' | 'value'> {
  const text = decodeUtf8(bytes)
  if (text === undefined) return {format: 'base64', value: Buffer.from(bytes).toString('base64')}
  // Deeper values would overflow the stack of whatever walks through them.
  if (nesting(text) > deepestJson) return {format: 'text', value: text}
  try {
    return {format: 'json', value: parseLossless(text)}
  } catch {
    return {format: 'text', value: text}
  }
}

/** How deep the brackets of a JSON text go. */
function nesting(text: string): number {
  let depth = 0
  let deepest = 0
  let quoted = false
  for (let index = 0; index < text.length; index++) {
    const character = text[index]
    if (quoted && character === '\\') index++
    else if (character === '"') quoted = !quoted
    else if (!quoted && (character === '[' || character === '{')) deepest = Math.max(deepest, ++depth)
    else if (!quoted && (character === ']' || character === '}')) depth--
  }
  return deepest
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes)
  } catch {
    return undefined
  }
}

interface Checked {
  readonly record?: JsonRecord
  readonly problem?: string
}

async function checkRecord(address: RecordAddress, value: unknown): Promise<Checked> {
  const kind = typedKindOf(address)
  if (kind === undefined) return {}
  if (!isJsonRecord(value)) return {problem: 'it is not a JSON object'}
  const read = await readRecord(kind, value)
  if ('problem' in read) return read
  const problem = misplaced(address, read.record)
  return problem === undefined ? {record: read.record} : {record: read.record, problem}
}

/** A link is typed as what it ties; its hash tells nobody anything. */
function linkName(address: RecordAddress, record: JsonRecord | undefined): string | undefined {
  if (address.kind !== 'link' || record === undefined) return undefined
  return `${String(record['actor_id'])}/${String(record['contract_id'])}/${String(record['link_name'])}`
}

function titleOf(address: RecordAddress, record: JsonRecord | undefined): Pick<CacheEntry, 'title' | 'version'> {
  if (address.kind !== 'claims') return {}
  const name = record?.['name']
  const version = address.version ?? record?.['version']
  return {
    ...(typeof name === 'string' && name !== '' ? {title: name} : {}),
    ...(typeof version === 'string' && version !== '' ? {version: version as Version} : {}),
  }
}
