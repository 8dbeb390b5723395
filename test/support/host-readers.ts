import {linkHash} from '../../src/lib/records/link-hash.js'

/** One message of a host's bucket, as the host gets it. */
export interface Delivered {
  readonly subject: string
  readonly value: Uint8Array
}

/** What a host makes of it; `refused` is why it makes nothing of it. */
export type HostRead =
  | {readonly kind: 'claims' | 'link' | 'ref' | 'component' | 'config'; readonly id: string; readonly record: Fields}
  | {readonly refused: string}

type Fields = Readonly<Record<string, unknown>>

/** The host families whose reading is described in wasmcloud-v0 §4.4 and wasmcloud-v1 §9. */
export const hostFamilies = {otp: readAsOtp, rust80: readAsRust80, rust82: readAsRust82, v1: readAsV1} as const

/** OTP hosts split the subject at dots and cache what they find, so that a wrong id stays in their cache. */
export function readAsOtp({subject, value}: Delivered): HostRead {
  const tokens = subject.split('.')
  const key = tokens.length === 3 ? tokens[2]! : tokens.length === 4 ? tokens[3]! : undefined
  if (key === undefined) return {refused: 'the subject has another number of tokens'}
  const [, kind, id = ''] = /^(CLAIMS|LINKDEF|REFMAP)_(.*)$/s.exec(key) ?? []
  const record = parseObject(value)
  if (kind === undefined) return {refused: 'unknown key'}
  if (record === undefined) return {refused: 'not an object'}
  switch (kind) {
    case 'CLAIMS':
      // It looks these up, and fails on a list when it splits what stands there.
      return allTexts(record, ['call_alias', 'caps', 'contract_id', 'iss', 'name', 'rev', 'sub', 'tags'], {
        mayBeNull: true,
      })
        ? {kind: 'claims', id, record}
        : {refused: 'claims without a field, or with one that is no text'}
    case 'LINKDEF': {
      if (!allTexts(record, ['actor_id', 'provider_id', 'link_name', 'contract_id'])) return {refused: 'no link'}
      if (!isTextMap(record['values'])) return {refused: 'values'}
      const cachedAs = record['id'] ?? hashOf(record)
      return cachedAs === id ? {kind: 'link', id, record} : {refused: 'cached under another id'}
    }
    default:
      return allTexts(record, ['oci_url', 'public_key']) ? {kind: 'ref', id, record} : {refused: 'no reference'}
  }
}

/** Rust hosts up to 0.80 know the short names only. */
export function readAsRust80(message: Delivered): HostRead {
  return readAsRust(message, (record) =>
    allTexts(record, ['call_alias', 'caps', 'contract_id', 'iss', 'name', 'rev', 'sub', 'tags', 'version'])
      ? record['sub']
      : undefined,
  )
}

/** Later ones know both, but not both names of one field together. */
export function readAsRust82(message: Delivered): HostRead {
  return readAsRust(message, (record) => {
    const names = {
      subject: 'sub',
      issuer: 'iss',
      capabilities: 'caps',
      capability_contract_id: 'contract_id',
      revision: 'rev',
    }
    if (Object.entries(names).some(([long, short]) => Object.hasOwn(record, long) && Object.hasOwn(record, short)))
      return undefined
    const short = Object.fromEntries(
      Object.entries(record).map(([name, field]) => [new Map(Object.entries(names)).get(name) ?? name, field]),
    )
    const lists = ['caps', 'tags'].every((name) => [undefined, 'string'].includes(typeofOne(short[name])))
    return lists && allTexts(short, ['iss', 'name', 'rev', 'sub', 'version']) ? short['sub'] : undefined
  })
}

function readAsRust({subject, value}: Delivered, subjectOf: (record: Fields) => unknown): HostRead {
  const [, bucket = '', key = ''] = /^\$KV\.([^.]+)\.(.*)$/s.exec(subject) ?? []
  // What stands behind the first underscore of a configuration's key is its name; its value is any bytes.
  if (bucket.startsWith('CONFIGDATA_')) return {kind: 'config', id: key, record: {}}
  const [kind, id = ''] = key.split('_')
  if (kind === 'REFMAP') return {refused: 'ignored'}
  const record = parseObject(value)
  if (record === undefined) return {refused: 'not an object'}
  if (kind === 'CLAIMS')
    return subjectOf(record) === id ? {kind: 'claims', id, record} : {refused: 'claims that do not decode'}
  if (kind !== 'LINKDEF') return {refused: 'unknown key'}
  const isLink = allTexts(record, ['id', 'actor_id', 'provider_id', 'link_name', 'contract_id'])
  if (!isLink || !isTextMap(record['values'])) return {refused: 'a link that does not decode'}
  return hashOf(record) === id ? {kind: 'link', id, record} : {refused: 'the hash is another one'}
}

/** v1 hosts split the key at its first underscore. */
export function readAsV1({subject, value}: Delivered): HostRead {
  const [, bucket = '', key = ''] = /^\$KV\.([^.]+)\.(.*)$/s.exec(subject) ?? []
  const record = parseObject(value)
  if (record === undefined) return {refused: 'not an object'}
  if (bucket.startsWith('CONFIGDATA_'))
    return isTextMap(record) ? {kind: 'config', id: key, record} : {refused: 'not texts'}
  const [, kind, id = ''] = /^([^_]*)_(.*)$/s.exec(key) ?? []
  if (kind === 'COMPONENT') {
    const links = record['links'] ?? []
    const decodes = typeof record['url'] === 'string' && Array.isArray(links) && links.every(isV1Link)
    return decodes ? {kind: 'component', id, record} : {refused: 'a component that does not decode'}
  }
  if (kind !== 'CLAIMS') return {refused: 'ignored'}
  const names = {subject: 'sub', issuer: 'iss', revision: 'rev'}
  if (Object.entries(names).some(([long, short]) => Object.hasOwn(record, long) && Object.hasOwn(record, short)))
    return {refused: 'named twice'}
  const present = (name: keyof typeof names): unknown => record[name] ?? record[names[name]]
  const texts = [present('subject'), present('issuer'), present('revision'), record['name'], record['version']]
  if (!texts.every((text) => typeof text === 'string')) return {refused: 'claims that do not decode'}
  return present('subject') === id ? {kind: 'claims', id, record} : {refused: 'subject mismatch'}
}

/** Undefined for what strict parsers refuse: bytes that are no UTF-8, and half of a surrogate pair. */
function parseObject(value: Uint8Array): Fields | undefined {
  try {
    const text = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(value)
    const parsed: unknown = JSON.parse(text, (name, field: unknown) => {
      const broken = [name, field].some((part) => typeof part === 'string' && !part.isWellFormed())
      if (broken || field === Infinity || field === -Infinity) throw new SyntaxError('no value of a strict parser')
      return field
    })
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? (parsed as Fields) : undefined
  } catch {
    return undefined
  }
}

function allTexts(record: Fields, names: readonly string[], {mayBeNull = false} = {}): boolean {
  return names.every((name) => {
    const field = Object.hasOwn(record, name) ? record[name] : undefined
    return typeof field === 'string' || (mayBeNull && field === null)
  })
}

function isTextMap(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((field) => typeof field === 'string')
  )
}

/** Type of a text, or of every item of a list of texts. */
function typeofOne(value: unknown): string | undefined {
  if (!Array.isArray(value)) return value === undefined ? undefined : typeof value
  return value.every((item) => typeof item === 'string') ? 'string' : 'list'
}

function isV1Link(link: unknown): boolean {
  const record = (link ?? {}) as Fields
  return (
    allTexts(record, ['source_id', 'target', 'name', 'wit_namespace', 'wit_package']) &&
    ['interfaces', 'source_config', 'target_config'].every((name) => {
      const list = record[name]
      return Array.isArray(list) && list.every((item) => typeof item === 'string')
    })
  )
}

function hashOf(record: Fields): string {
  return linkHash(record as unknown as Parameters<typeof linkHash>[0])
}
