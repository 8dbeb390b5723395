import type {ZodType} from 'zod'

import type {Version} from '../entity/version.js'
import type {ClaimsRecord} from './claims.js'
import type {ComponentRecord} from './component.js'
import type {ConfigRecord} from './config.js'
import {linkHash, type LinkIdentity} from './link-hash.js'
import type {LinkRecord} from './link.js'
import type {RefRecord} from './ref.js'
import {
  formatClaims,
  formatLink,
  formatRef,
  isPlainClaims,
  isPlainLink,
  isPlainRef,
  type JsonRecord,
} from './universal.js'
import {formatComponent, formatConfig, isPlainComponent, isPlainConfig, isRawConfig} from './v1-form.js'

/** The kinds of records, in the order in which they are listed. */
export const recordKinds = ['claims', 'link', 'ref', 'component', 'config', 'route', 'key'] as const

export type RecordKind = (typeof recordKinds)[number]

/** What identifies a record of each kind; `key` is any key that is none of the others. */
export type RecordAddress =
  | {readonly kind: 'claims'; readonly publicKey: string; readonly version?: Version}
  /** `identity` is there when the link was named by what it ties. */
  | {readonly kind: 'link'; readonly hash: string; readonly identity?: LinkIdentity}
  | {readonly kind: 'ref'; readonly url: string}
  | {readonly kind: 'component'; readonly id: string}
  | {readonly kind: 'config'; readonly name: string}
  | {readonly kind: 'route'; readonly key: string}
  | {readonly kind: 'key'; readonly key: string; readonly bucket?: string}

/** The type of each kind's records; keys and routes are not typed here. */
export interface RecordOf {
  readonly claims: ClaimsRecord
  readonly link: LinkRecord
  readonly ref: RefRecord
  readonly component: ComponentRecord
  readonly config: ConfigRecord
}

export type TypedKind = keyof RecordOf

/** The kind of a record that has a form of its own; undefined for one that may hold any bytes. */
export function typedKindOf(address: RecordAddress): TypedKind | undefined {
  switch (address.kind) {
    case 'claims':
    case 'link':
    case 'ref':
    case 'component':
      return address.kind
    case 'config':
      return isRawConfig(address.name) ? undefined : address.kind
    case 'route':
    case 'key':
      return undefined
  }
}

/**
 * Reads a stored value as a record of its kind: the record, or what is wrong with it. The schemas are loaded only for
 * a value that is not already in the plain form, because loading them takes as long as a whole command.
 */
export async function readRecord<K extends TypedKind>(
  kind: K,
  value: unknown,
): Promise<{readonly record: RecordOf[K]} | {readonly problem: string}> {
  const plain = plainForms[kind]
  if (plain(value)) return {record: value as unknown as RecordOf[K]}
  const result = (await loadSchema(kind)).safeParse(value)
  if (result.success) return {record: result.data as RecordOf[K]}
  const issue = result.error.issues[0]
  const path = issue?.path.map(String).join('.') ?? ''
  return {
    problem: path === '' ? `it is not a record of kind ${kind}` : `its field '${path}' does not fit the kind ${kind}`,
  }
}

const plainForms = {
  claims: isPlainClaims,
  link: isPlainLink,
  ref: isPlainRef,
  component: isPlainComponent,
  config: isPlainConfig,
} as const

const formats = {
  claims: formatClaims,
  link: formatLink,
  ref: formatRef,
  component: formatComponent,
  config: formatConfig,
} as const

/** Why a record does not belong under its address; undefined when it does. */
export function misplaced(address: RecordAddress, record: JsonRecord): string | undefined {
  switch (address.kind) {
    case 'claims':
      if (record['sub'] !== address.publicKey) return "its field 'sub' is not its key"
      return address.version !== undefined && record['version'] !== address.version
        ? "its field 'version' is not the version of its key"
        : undefined
    case 'link': {
      const {actor_id, contract_id, link_name, id} = record as unknown as LinkRecord
      if (linkHash({actor_id, contract_id, link_name}) !== address.hash) return 'its key is not the hash of its fields'
      return id !== '' && id !== address.hash ? "its field 'id' is not its key" : undefined
    }
    case 'component': {
      const {links} = record as unknown as ComponentRecord
      const foreign = links.findIndex(({source_id}) => source_id !== address.id)
      return foreign === -1 ? undefined : `its field 'links.${foreign}.source_id' is not its key`
    }
    case 'ref':
      return record['oci_url'] === address.url ? undefined : "its field 'oci_url' is not its key"
    case 'config':
    case 'route':
    case 'key':
      return undefined
  }
}

/** The bytes of a record as every host reads them; throws a UsageError that names the field that does not fit. */
export function formatRecord(kind: TypedKind, record: JsonRecord): string {
  return formats[kind](record)
}

async function loadSchema(kind: TypedKind): Promise<ZodType> {
  switch (kind) {
    case 'claims':
      return (await import('./claims.js')).claimsSchema
    case 'link':
      return (await import('./link.js')).linkSchema
    case 'ref':
      return (await import('./ref.js')).refSchema
    case 'component':
      return (await import('./component.js')).componentSchema
    case 'config':
      return (await import('./config.js')).configSchema
  }
}
