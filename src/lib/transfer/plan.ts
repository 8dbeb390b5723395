import {parseBucketKey} from '../cache/bucket.js'
import {composeRecord} from '../cache/compose.js'
import {addressAt, bucketNames} from '../cache/key.js'
import {UsageError} from '../errors.js'
import {typedKindOf, type RecordAddress, type RecordKind} from '../records/registry.js'
import type {ParsedEntry} from './parse-line.js'
import {isPlainRecord} from './plain-record.js'

/** A record of a bundle as it is to be stored. */
export interface Planned {
  readonly line: number
  readonly kind: RecordKind
  readonly bucket: string
  readonly key: string
  readonly value: Uint8Array
  /** How often it was decided what to do with it. */
  tries: number
  /** The revision that was expected when it was sent last. */
  sent: number
  /** Since when it was refused without a reason that can be seen. */
  doubtedSince?: number
}

export type Plan =
  | {readonly type: 'write'; readonly planned: Planned}
  /** Not asked for, or not for an import to write. */
  | {readonly type: 'leave'; readonly kind: RecordKind}
  | {readonly type: 'refuse'; readonly reason: string}

export interface PlanOptions {
  /** Only these kinds; default all. */
  readonly kinds?: readonly RecordKind[] | undefined
  /** Check records by their kind and write them in the form that every host reads. */
  readonly validate: boolean
  /** Bytes that the server takes in a message. */
  readonly maxPayload: number
}

type Names = ReturnType<typeof bucketNames>

/** What hosts would read as a typed record: a raw write would leave out its checks, and a dot before it crashes old hosts. */
const typedKey = /^(?:[^.]+\.)?(?:CLAIMS|LINKDEF|REFMAP|COMPONENT)_/

/** Says what is to become of the records of a bundle in a lattice; pure. */
export class Planner {
  readonly #lattice: string
  readonly #names: Names
  readonly #options: PlanOptions
  #from: Names

  constructor(lattice: string, options: PlanOptions) {
    this.#lattice = lattice
    this.#names = bucketNames(lattice)
    this.#from = this.#names
    this.#options = options
  }

  /** The lattice that the bundle was exported from: its buckets stand for those of this lattice. */
  comesFrom(lattice: string): void {
    this.#from = bucketNames(lattice)
  }

  plan(entry: ParsedEntry): Plan {
    const {line, kind, key, bytes} = entry
    const {kinds, validate, maxPayload} = this.#options
    if (kinds !== undefined && !kinds.includes(kind)) return {type: 'leave', kind}
    const bucket = this.#bucketOf(entry)
    // What is live is not in a record: only a route command knows it.
    if (bucket === this.#names.routes || bucket === 'LATTICEACCOUNT') return {type: 'leave', kind: 'route'}
    try {
      const plain = validate && bucket !== this.#names.versions && isPlainRecord(kind, key, bytes)
      if (!plain) parseBucketKey(key)
      const value = plain ? bytes : this.#checked({bucket, key}, kind, bytes)
      if (value.length > maxPayload - 512) {
        const limit = `the server takes at most ${maxPayload} in a message`
        return {type: 'refuse', reason: `its value has ${value.length} bytes, and ${limit}`}
      }
      return {type: 'write', planned: {line, kind, bucket, key, value, tries: 0, sent: 0}}
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      const advice = validate ? '' : ' (only the key is checked)'
      return {type: 'refuse', reason: error.message.replace(/\.$/, '') + advice}
    }
  }

  /** Records of a kind lie where the kind says; only a raw key may lie in any bucket. */
  #bucketOf({kind, key, bucket}: ParsedEntry): string {
    const {data, versions, config, routes} = this.#names
    switch (kind) {
      case 'claims':
        return key.startsWith('CLAIMS_') ? data : versions
      case 'link':
      case 'ref':
      case 'component':
        return data
      case 'config':
        return config
      case 'route':
        return routes
      case 'key':
        return bucket === undefined ? data : this.#translated(bucket)
    }
  }

  #translated(bucket: string): string {
    for (const part of ['data', 'versions', 'config', 'routes'] as const) {
      if (bucket === this.#from[part]) return this.#names[part]
    }
    return bucket
  }

  #checked(place: {bucket: string; key: string}, kind: RecordKind, bytes: Uint8Array): Uint8Array {
    const {validate} = this.#options
    const {data, config} = this.#names
    if (kind === 'key') {
      if (!validate || (place.bucket === data ? !typedKey.test(place.key) : place.bucket !== config)) return bytes
      throw new UsageError(`the key '${place.key}' is one that hosts read as a typed record`)
    }
    const address = addressAt(place, this.#lattice)
    if (address.kind !== kind) throw new UsageError(`the key '${place.key}' is not one of kind ${kind}`)
    return validate ? inUniversalForm(address, bytes) : bytes
  }
}

/**
 * The bytes of a record as every host reads them; the same bytes when they are so already. Throws a UsageError that names
 * the field that does not fit.
 */
export function inUniversalForm(address: RecordAddress, bytes: Uint8Array): Uint8Array {
  return typedKindOf(address) === undefined ? bytes : composeRecord(address, {value: bytes, set: []})
}
