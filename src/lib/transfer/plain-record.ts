import {isPublicKey} from '../keys/nkey.js'
import {linkHash} from '../records/link-hash.js'
import type {RecordKind} from '../records/registry.js'
import {isJsonRecord, type JsonRecord} from '../records/universal.js'

const refFields = ['oci_url', 'public_key', 'version']
const claimsFields = ['call_alias', 'caps', 'contract_id', 'iss', 'name', 'rev', 'sub', 'tags', 'version']
const linkFields = ['id', 'actor_id', 'provider_id', 'link_name', 'contract_id']
/** Without quotes and backslashes, which would be escaped. */
const plainRef = /^\{"oci_url":"([ !#-[\]-~]+)","public_key":"([MV][A-Z2-7]{55})"(?:,"version":"[ !#-[\]-~]*")?\}$/
const longestKey = 1024
const utf8 = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true})

/**
 * True for a record of v0 hosts that is stored under its own key in exactly the universal form, with nothing more in it:
 * most records are so, and to see that takes a fifth of what composing them takes. False says nothing.
 */
export function isPlainRecord(kind: RecordKind, key: string, bytes: Uint8Array): boolean {
  if (kind !== 'ref' && kind !== 'claims' && kind !== 'link') return false
  const text = decode(bytes)
  // What is escaped may be what hosts cannot read.
  if (text === undefined || text.includes('\\')) return false
  // References are the many: those with nothing but plain characters need not be parsed.
  const ref = kind === 'ref' ? plainRef.exec(text) : null
  if (ref !== null) return isPublicKey(ref[2]!) && isKeyOfUrl(key, ref[1]!)
  const record = parse(text)
  if (!isJsonRecord(record) || JSON.stringify(record) !== text) return false
  switch (kind) {
    case 'ref':
      return isPlainRef(key, record)
    case 'claims':
      return isPlainClaims(key, record)
    case 'link':
      return isPlainLink(key, record)
  }
}

function isPlainRef(key: string, record: JsonRecord): boolean {
  if (!hasFields(record, refFields, 2)) return false
  const {oci_url: url, public_key: publicKey} = record as Readonly<Record<string, string>>
  if (url === '' || !isKeyOf(publicKey!, 'MV')) return false
  return isKeyOfUrl(key, url!)
}

function isKeyOfUrl(key: string, url: string): boolean {
  return key.length <= longestKey && key === `REFMAP_${Buffer.from(url, 'utf8').toString('base64url')}`
}

function isPlainClaims(key: string, record: JsonRecord): boolean {
  if (!hasFields(record, claimsFields, claimsFields.length)) return false
  const sub = record['sub'] as string
  return key === `CLAIMS_${sub}` && isKeyOf(sub, 'MV')
}

function isPlainLink(key: string, record: JsonRecord): boolean {
  const {values, ...rest} = record
  if (!hasFields(rest, linkFields, linkFields.length) || !isJsonRecord(values)) return false
  if (Object.keys(record).at(-1) !== 'values') return false
  if (!Object.values(values).every((value) => typeof value === 'string')) return false
  const {id, actor_id, provider_id, link_name, contract_id} = rest as Readonly<Record<string, string>>
  const tokens = /^[A-Za-z0-9_-]+$/.test(link_name!) && /^[!-.0-~]+$/.test(contract_id!)
  if (!tokens || !isKeyOf(actor_id!, 'M') || !isKeyOf(provider_id!, 'V')) return false
  const hash = linkHash({actor_id: actor_id!, contract_id: contract_id!, link_name: link_name!})
  return id === hash && key === `LINKDEF_${hash}`
}

/** True when it has these fields in this order, all texts, the first `least` of them at least, and no others. */
function hasFields(record: JsonRecord, fields: readonly string[], least: number): boolean {
  let count = 0
  for (const name in record) {
    if (name !== fields[count] || typeof record[name] !== 'string') return false
    count++
  }
  return count >= least
}

function isKeyOf(text: string, kinds: string): boolean {
  return kinds.includes(text.charAt(0)) && isPublicKey(text)
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
