import {decodeVersion, encodeVersion} from '../entity/version.js'
import type {RecordAddress} from '../records/registry.js'

/** Where a record lies. */
export interface Place {
  readonly bucket: string
  readonly key: string
}

/** Names of a lattice's buckets (wasmcloud-v0 §4.2, wasmcloud-v1 §9; versions and routes are ours). */
export function bucketNames(lattice: string): {
  readonly data: string
  readonly versions: string
  readonly config: string
  readonly routes: string
} {
  return {
    data: `LATTICEDATA_${lattice}`,
    versions: `LATTICEVERSIONS_${lattice}`,
    config: `CONFIGDATA_${lattice}`,
    routes: `LATTICEROUTES_${lattice}`,
  }
}

/** Where the record of an address lies in a lattice. */
export function placeOf(address: RecordAddress, lattice: string): Place {
  const {data, versions, config, routes} = bucketNames(lattice)
  switch (address.kind) {
    case 'claims':
      return address.version === undefined
        ? {bucket: data, key: `CLAIMS_${address.publicKey}`}
        : {bucket: versions, key: `${address.publicKey}.${encodeVersion(address.version)}`}
    case 'link':
      return {bucket: data, key: `LINKDEF_${address.hash}`}
    case 'ref':
      return {bucket: data, key: `REFMAP_${Buffer.from(address.url, 'utf8').toString('base64url')}`}
    case 'component':
      return {bucket: data, key: `COMPONENT_${address.id}`}
    case 'config':
      return {bucket: config, key: address.name}
    case 'route':
      return {bucket: routes, key: address.key}
    case 'key':
      return {bucket: address.bucket ?? data, key: address.key}
  }
}

/** The address of what lies at a place: the inverse of placeOf. What no host could have written is of kind `key`. */
export function addressAt({bucket, key}: Place, lattice: string): RecordAddress {
  const {data} = bucketNames(lattice)
  return typedAddress({bucket, key}, lattice) ?? {kind: 'key', key, ...(bucket === data ? {} : {bucket})}
}

/** A record's key as a user types it. */
export function addressName(address: RecordAddress): string {
  switch (address.kind) {
    case 'claims':
      return address.version === undefined ? address.publicKey : `${address.publicKey}@${address.version}`
    case 'link':
      return address.hash
    case 'ref':
      return address.url
    case 'component':
      return address.id
    case 'config':
      return address.name
    case 'route':
    case 'key':
      return address.key
  }
}

/** Public keys are told by their shape: a wrong checksum is a finding about a record, not another kind of record. */
const publicKey = /^[A-Z2-7]{56}$/

function typedAddress({bucket, key}: Place, lattice: string): RecordAddress | undefined {
  const {data, versions, config, routes} = bucketNames(lattice)
  switch (bucket) {
    case data:
      return dataAddress(key)
    case versions:
      return versionAddress(key)
    case config:
      return {kind: 'config', name: key}
    case routes:
      return routeAddress(key)
    default:
      return undefined
  }
}

function dataAddress(key: string): RecordAddress | undefined {
  const [, kind, id] = /^(CLAIMS|LINKDEF|REFMAP|COMPONENT)_(.+)$/s.exec(key) ?? []
  if (id === undefined) return undefined
  if (kind === 'CLAIMS') return publicKey.test(id) ? {kind: 'claims', publicKey: id} : undefined
  if (kind === 'LINKDEF') return /^[0-9A-F]{64}$/.test(id) ? {kind: 'link', hash: id} : undefined
  if (kind === 'COMPONENT') return {kind: 'component', id}
  const url = decodeText(id)
  return url === undefined ? undefined : {kind: 'ref', url}
}

/** The key has 56 characters, so that dots and underscores of an encoded version cannot mislead. */
function versionAddress(key: string): RecordAddress | undefined {
  const id = key.slice(0, 56)
  const version = key[56] === '.' ? decodeVersion(key.slice(57)) : undefined
  return publicKey.test(id) && version !== undefined ? {kind: 'claims', publicKey: id, version} : undefined
}

function routeAddress(key: string): RecordAddress | undefined {
  const [, id] = /^(?:v0|v1|svc|subj)\.(.+)$/s.exec(key) ?? []
  return id !== undefined && decodeText(id) !== undefined ? {kind: 'route', key} : undefined
}

/** The text of a base64url token without padding; undefined when no text encodes to exactly this token. */
function decodeText(token: string): string | undefined {
  const text = Buffer.from(token, 'base64url').toString('utf8')
  return text !== '' && Buffer.from(text, 'utf8').toString('base64url') === token ? text : undefined
}
