import {UsageError} from '../errors.js'
import {isPublicKey} from '../keys/nkey.js'
import {formatLossless} from '../keys/token.js'
import {formatRecord, misplaced, typedKindOf, type RecordAddress, type TypedKind} from '../records/registry.js'
import {fromLongForm, isJsonRecord, type JsonRecord} from '../records/universal.js'
import {decodeValue} from './entry.js'

/** One field to set, by its path. */
export interface FieldEdit {
  readonly path: readonly string[]
  readonly value: string
}

export interface RecordInput {
  /** What the user gave. */
  readonly value?: Uint8Array | undefined
  readonly set: readonly FieldEdit[]
  /** What is stored now. */
  readonly present?: Uint8Array | undefined
}

/** Parses `path=value`, the path's parts joined by dots; throws a UsageError. */
export function parseFieldEdit(text: string): FieldEdit {
  const equals = text.indexOf('=')
  const path = text.slice(0, Math.max(equals, 0)).split('.')
  if (equals < 1 || path.includes('')) {
    throw new UsageError(`${JSON.stringify(text)} does not set a field.`, {
      suggestions: ['--set values.URL=redis://127.0.0.1'],
    })
  }
  return {path, value: text.slice(equals + 1)}
}

/**
 * The bytes to store: a typed record in the universal form with its identity filled in and checked, a raw key as it was
 * given. Throws a UsageError that names the field that does not fit.
 */
export function composeRecord(address: RecordAddress, {value, set, present}: RecordInput): Uint8Array {
  const kind = typedKindOf(address)
  if (kind === undefined) {
    if (set.length === 0) return value ?? noValue()
    const base = readObject(value ?? present, address)
    return encode(
      formatLossless(set.reduce((record, edit) => setField(record, edit.path, jsonOrText(edit.value)), base)),
    )
  }
  if (value === undefined && set.length === 0) return noValue()
  const base = readObject(value ?? present, address)
  const plain = kind === 'claims' ? fromLongForm(base) : base
  const edited = set.reduce(
    (record, {path, value: text}) =>
      setField(record, path, kind === 'component' && path[0] === 'links' ? jsonOrText(text) : text),
    plain,
  )
  const text = formatRecord(kind, withIdentity(address, edited))
  checkFit(address, kind, JSON.parse(text) as JsonRecord)
  return encode(text)
}

function checkFit(address: RecordAddress, kind: TypedKind, record: JsonRecord): void {
  const problem = misplaced(address, record)
  if (problem !== undefined) throw new UsageError(`The record does not fit its key: ${problem}.`)
  checkName(address)
  checkFields(kind, record)
}

function noValue(): never {
  throw new UsageError('No value was given.', {
    suggestions: ['Give it as an argument, with --file FILE, with --set path=value, or on stdin.'],
  })
}

function readObject(bytes: Uint8Array | undefined, {kind}: RecordAddress): JsonRecord {
  if (bytes === undefined) return {}
  const {format, value} = decodeValue(bytes)
  if (format === 'json' && isJsonRecord(value)) return value
  throw new UsageError(
    `The value of a record of kind ${kind} must be a JSON object${format === 'json' ? '' : ', and this is not JSON'}.`,
  )
}

/** What the key says need not be said again. */
function withIdentity(address: RecordAddress, record: JsonRecord): JsonRecord {
  switch (address.kind) {
    case 'claims':
      return fill(record, {
        sub: address.publicKey,
        ...(address.version === undefined ? {} : {version: address.version}),
      })
    case 'link':
      return fill(record, {...address.identity, link_name: address.identity?.link_name ?? 'default'})
    case 'ref':
      return fill(record, {oci_url: address.url})
    case 'component':
      return {...record, ...linksFrom(address.id, record['links'])}
    case 'config':
    case 'route':
    case 'key':
      return record
  }
}

/** Every link of a component leaves that component. */
function linksFrom(id: string, links: unknown): JsonRecord {
  return Array.isArray(links)
    ? {links: links.map((link: unknown) => (isJsonRecord(link) ? fill(link, {source_id: id}) : link))}
    : {}
}

function fill(record: JsonRecord, identity: Readonly<Record<string, string>>): JsonRecord {
  const missing = Object.entries(identity).filter(
    ([name]) => record[name] === undefined || record[name] === null || record[name] === '',
  )
  return {...record, ...Object.fromEntries(missing)}
}

/** Fields that hold a public key, and of which kinds. */
const keyFields: Readonly<Record<TypedKind, readonly (readonly [name: string, kinds: string])[]>> = {
  claims: [['sub', 'MV']],
  link: [
    ['actor_id', 'M'],
    ['provider_id', 'V'],
  ],
  ref: [['public_key', 'MV']],
  component: [],
  config: [],
}

/** The name of a component or configuration is a token of subjects: with a dot in it no host could be asked about it. */
function checkName(address: RecordAddress): void {
  const name = address.kind === 'component' ? address.id : address.kind === 'config' ? address.name : undefined
  if (name === undefined || /^[A-Za-z0-9_-]+$/.test(name)) return
  throw new UsageError(
    `${JSON.stringify(name)} is not a name of kind ${address.kind}: it may hold letters, digits, - and _ only.`,
  )
}

/** Keys must decode and names must be one token: what hosts would refuse or cut. */
function checkFields(kind: TypedKind, record: JsonRecord): void {
  for (const [name, kinds] of keyFields[kind]) {
    const text = String(record[name])
    if (isPublicKey(text) && kinds.includes(text[0]!)) continue
    throw new UsageError(
      `The field '${name}' is not a public key of kind ${kinds.split('').join(' or ')}: ${JSON.stringify(text)}.`,
    )
  }
  if (kind !== 'link') return
  if (!/^[A-Za-z0-9_-]+$/.test(String(record['link_name']))) {
    throw new UsageError("The field 'link_name' may hold letters, digits, - and _ only.")
  }
  if (!/^[^\s\p{C}/]+$/u.test(String(record['contract_id']))) {
    throw new UsageError("The field 'contract_id' may not hold white space, slashes or control characters.")
  }
}

/** A copy with one field set; a computed name in a literal is a field even when it is `__proto__`. */
function setField(record: JsonRecord, path: readonly string[], value: unknown): JsonRecord {
  const [name = '', ...rest] = path
  if (rest.length === 0) return {...record, [name]: value}
  const inner = Object.hasOwn(record, name) ? record[name] : {}
  if (!isJsonRecord(inner))
    throw new UsageError(`The field '${name}' is not an object, so '${rest.join('.')}' cannot be set in it.`)
  return {...record, [name]: setField(inner, rest, value)}
}

function jsonOrText(text: string): unknown {
  const {format, value} = decodeValue(encode(text))
  return format === 'json' ? value : text
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
