import {UsageError} from '../errors.js'
import {linkHash} from './link-hash.js'

/** A JSON object. */
export type JsonRecord = Readonly<Record<string, unknown>>

const claimsFields = ['call_alias', 'caps', 'contract_id', 'iss', 'name', 'rev', 'sub', 'tags', 'version'] as const
const linkFields = ['id', 'actor_id', 'provider_id', 'link_name', 'contract_id', 'values'] as const

/** Names of the long form that newer hosts write, and of the universal form. */
const longNames = {
  subject: 'sub',
  issuer: 'iss',
  capabilities: 'caps',
  capability_contract_id: 'contract_id',
  revision: 'rev',
} as const

/** Claims with the short names and joined lists; a field that is there under both names is left as it is. */
export function fromLongForm(claims: JsonRecord): JsonRecord {
  const entries = Object.entries(claims).map(([name, value]): [string, unknown] => {
    const short = Object.hasOwn(longNames, name) ? longNames[name as keyof typeof longNames] : name
    const free = short === name || !Object.hasOwn(claims, short)
    const list =
      (short === 'caps' || short === 'tags') && Array.isArray(value) && value.every((item) => typeof item === 'string')
    return [free ? short : name, list ? value.join(',') : value]
  })
  return Object.fromEntries(entries)
}

/**
 * Claims in the form that every v0 host reads, byte for byte (wasmcloud-v0 §4.3): all strings, missing ones empty.
 * Lists are joined; throws a UsageError that names a field which cannot be written so.
 */
export function formatClaims(claims: JsonRecord): string {
  const short = fromLongForm(claims)
  for (const [long, name] of Object.entries(longNames)) {
    if (Object.hasOwn(short, long))
      throw new UsageError(`The claims hold '${long}' and '${name}', which no host reads.`)
  }
  const known = claimsFields.map((name) => [name, stringField(short, name) ?? ''] as const)
  return formatObject([
    ...known,
    ...extras(short, claimsFields).map(([name]) => [name, stringField(short, name)] as const),
  ])
}

/** A link in the universal form; its id is computed. Throws a UsageError that names the field that does not fit. */
export function formatLink(link: JsonRecord): string {
  const identity = {
    actor_id: requiredField(link, 'actor_id'),
    contract_id: requiredField(link, 'contract_id'),
    link_name: requiredField(link, 'link_name'),
  }
  const id = linkHash(identity)
  const given = stringField(link, 'id') ?? ''
  if (given !== '' && given !== id) {
    throw new UsageError(`The field 'id' is not the hash of the link's actor, contract and name, which is ${id}.`)
  }
  const values = link['values'] ?? {}
  if (!isJsonRecord(values)) throw new UsageError("The field 'values' must be an object of strings.")
  const texts = Object.keys(values).map((name) => [name, stringField(values, name, `values.${name}`) ?? ''] as const)
  return formatObject([
    ['id', id],
    ['actor_id', identity.actor_id],
    ['provider_id', requiredField(link, 'provider_id')],
    ['link_name', identity.link_name],
    ['contract_id', identity.contract_id],
    ['values', Object.fromEntries(texts)],
    ...extras(link, linkFields),
  ])
}

/** A reference in the universal form; throws a UsageError that names the field that does not fit. */
export function formatRef(ref: JsonRecord): string {
  const version = stringField(ref, 'version')
  return formatObject([
    ['oci_url', requiredField(ref, 'oci_url')],
    ['public_key', requiredField(ref, 'public_key')],
    ...(version === undefined ? [] : [['version', version] as const]),
    ...extras(ref, ['oci_url', 'public_key', 'version']),
  ])
}

/** True for claims that are already as formatClaims would write them, in whatever order. */
export function isPlainClaims(value: unknown): value is Readonly<Record<string, string>> {
  return (
    isJsonRecord(value) &&
    claimsFields.every((name) => Object.hasOwn(value, name)) &&
    Object.values(value).every((field) => typeof field === 'string')
  )
}

/** True for a link whose fields are all there and strings. */
export function isPlainLink(value: unknown): value is JsonRecord {
  if (!isJsonRecord(value) || !isJsonRecord(value['values'])) return false
  const {values, ...rest} = value
  return (
    linkFields.every((name) => name === 'values' || typeof rest[name] === 'string') &&
    Object.values(values).every((field) => typeof field === 'string')
  )
}

/** True for a reference whose fields are all there and strings. */
export function isPlainRef(value: unknown): value is Readonly<Record<string, string>> {
  return (
    isJsonRecord(value) &&
    typeof value['oci_url'] === 'string' &&
    typeof value['public_key'] === 'string' &&
    (value['version'] === undefined || typeof value['version'] === 'string')
  )
}

export function isJsonRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The text of a field, undefined where there is none; throws a UsageError that names a field of another type. */
export function stringField(record: JsonRecord, name: string, shown = name): string | undefined {
  const value = Object.hasOwn(record, name) ? record[name] : undefined
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  const json = JSON.stringify(value)
  throw new UsageError(`The field '${shown}' must be a string, because no other form is read by every host.`, {
    suggestions: /^-?\d/.test(json) ? [`"${shown}": "${json}"`] : [],
  })
}

/** The text of a field; throws a UsageError that names one which is missing or empty. */
export function requiredField(record: JsonRecord, name: string, shown = name): string {
  const value = stringField(record, name, shown)
  if (value === undefined || value === '') throw new UsageError(`The field '${shown}' is missing.`)
  return value
}

/** Fields that are none of those known. */
export function extras(record: JsonRecord, known: readonly string[]): [string, unknown][] {
  return Object.entries(record).filter(([name]) => !known.includes(name))
}

/**
 * Entries as an object text; undefined values are left out, and `__proto__` stays a field like any other. Throws a
 * UsageError that names a field in which is what JavaScript writes and no host's parser takes.
 */
export function formatObject(entries: readonly (readonly [string, unknown])[]): string {
  const record = Object.fromEntries(entries)
  const text = JSON.stringify(record)
  if (/\\ud[89a-f]|[eE]\+?\d{3}|\d{309}/.test(text)) refuseUnreadable(record, [])
  return text
}

function refuseUnreadable(value: unknown, path: readonly string[]): void {
  const shown = `'${path.map((name) => name.toWellFormed()).join('.')}'`
  if (typeof value === 'string' && !value.isWellFormed()) {
    throw new UsageError(`The field ${shown} holds half of a surrogate pair, which is no text.`)
  }
  if (typeof value !== 'object' || value === null) return
  // A number that keeps its digits is an object without a prototype.
  if (Object.getPrototypeOf(value) === null && !Number.isFinite(Number(JSON.stringify(value)))) {
    throw new UsageError(`The field ${shown} holds a number that is too large for any host.`)
  }
  for (const [name, field] of Object.entries(value)) {
    if (!name.isWellFormed()) {
      throw new UsageError(`The name of the field '${[...path, name].join('.').toWellFormed()}' is no text.`)
    }
    refuseUnreadable(field, [...path, name])
  }
}
