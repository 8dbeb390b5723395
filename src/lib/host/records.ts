import type {NatsConnection} from '@nats-io/transport-node'

import type {BucketEntry} from '../cache/bucket-entry.js'
import {ensureBucket, type Bucket} from '../cache/bucket.js'
import type {JetStreamSpec} from '../cache/jetstream.js'
import {addressAt, bucketNames, placeOf} from '../cache/key.js'
import {byText} from '../control/order.js'
import {wireVersion} from '../control/v0.js'
import {TimeoutError} from '../errors.js'
import {claimsSchema, type ClaimsRecord} from '../records/claims.js'
import {linkHash, linkSchema, type LinkRecord} from '../records/link.js'
import type {Report} from './report.js'

/** A link that was put or deleted, by whomever. */
export interface LinkChange {
  readonly kind: 'set' | 'deleted'
  readonly link: LinkRecord
}

export interface RecordsOptions {
  readonly lattice: string
  readonly spec: JetStreamSpec
  readonly report: Report
  /** Told once for each change after the present records were read. */
  readonly onLink: (change: LinkChange) => void
}

const firstReadingMs = 10_000

/** Nobody waits for a host to notice what was purged, and there may be many hosts. */
const checkMs = 5000

/**
 * The claims and links of a lattice as the buckets hold them, kept up to date. Claims are keyed by public key and
 * version: those of the common bucket and of the versions bucket together (§8.2 #13, §8.3).
 */
export class LatticeRecords implements AsyncDisposable {
  readonly #nc: NatsConnection
  readonly #options: RecordsOptions
  readonly #stop = new AbortController()
  readonly #claims = new Map<string, ClaimsRecord>()
  readonly #links = new Map<string, LinkRecord>()
  readonly #watches: Promise<void>[] = []
  #data!: Bucket
  #versions!: Bucket
  #current = false

  private constructor(nc: NatsConnection, options: RecordsOptions) {
    this.#nc = nc
    this.#options = options
  }

  /** Makes missing buckets, reads all records and follows them; throws when JetStream cannot be used. */
  static async open(nc: NatsConnection, options: RecordsOptions): Promise<LatticeRecords> {
    const records = new LatticeRecords(nc, options)
    try {
      await records.ensure()
      await Promise.all([records.#follow(records.#data), records.#follow(records.#versions)])
      records.#current = true
      return records
    } catch (error) {
      await records[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Makes the buckets that are missing, also after a server lost its store. */
  async ensure(): Promise<void> {
    const {data, versions} = bucketNames(this.#options.lattice)
    this.#data = await ensureBucket(this.#nc, data, this.#options.spec)
    this.#versions = await ensureBucket(this.#nc, versions, this.#options.spec, {like: data})
  }

  /** Sorted by public key, then version; one entry for each pair. */
  claims(): ClaimsRecord[] {
    const pairs = new Map([...this.#claims.values()].map((claims) => [`${claims.sub} ${claims.version}`, claims]))
    return [...pairs.values()].sort((a, b) => byText(a.sub, b.sub) || byText(a.version, b.version))
  }

  links(): LinkRecord[] {
    return [...this.#links.values()]
  }

  /** The one link of an actor for a contract and link name. */
  findLink(identity: Parameters<typeof linkHash>[0]): LinkRecord | undefined {
    return this.#links.get(linkHash(identity))
  }

  /** The public keys that claim a call alias. */
  keysOfAlias(alias: string): string[] {
    const keys = [...this.#claims.values()].flatMap(({call_alias, sub}) => (call_alias === alias ? [sub] : []))
    return [...new Set(keys)]
  }

  async putLink(link: LinkRecord): Promise<void> {
    const hash = linkHash(link)
    const {key} = placeOf({kind: 'link', hash}, this.#options.lattice)
    await this.#put(this.#data, key, {...link, id: hash})
  }

  /** A link that is not there is no error. */
  async deleteLink(identity: Parameters<typeof linkHash>[0]): Promise<void> {
    const {key} = placeOf({kind: 'link', hash: linkHash(identity)}, this.#options.lattice)
    if ((await this.#data.get(key)) !== undefined) await this.#data.del(key)
  }

  /** Writes who is about to run: under its key, under key and version, and what its reference stands for. */
  async announce(claims: ClaimsRecord, ref: string): Promise<void> {
    const {lattice} = this.#options
    const version = wireVersion(claims.version)
    await this.#put(this.#data, placeOf({kind: 'claims', publicKey: claims.sub}, lattice).key, claims)
    const refRecord = {oci_url: ref, public_key: claims.sub, ...(version === undefined ? {} : {version})}
    await this.#put(this.#data, placeOf({kind: 'ref', url: ref}, lattice).key, refRecord)
    if (version === undefined) return
    const {key} = placeOf({kind: 'claims', publicKey: claims.sub, version}, lattice)
    await this.#put(this.#versions, key, {...claims, image_ref: ref})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled(this.#watches)
  }

  /** Writes only what differs, so that restarts leave no revisions behind. */
  async #put(bucket: Bucket, key: string, record: object): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(record))
    const present = await bucket.get(key)
    if (present === undefined || !bytes.equals(present.value)) await bucket.put(key, bytes)
  }

  /** Resolves when all present records of a bucket were taken; goes on until disposed. */
  #follow(bucket: Bucket): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new FirstReadingError(bucket.name)), firstReadingMs)
      const settle = (done: () => void): void => {
        clearTimeout(late)
        done()
      }
      const report = (state: 'current' | 'stale'): void => {
        if (state === 'current') settle(resolve)
      }
      this.#watches.push(
        this.#take(bucket, report).catch((error: unknown) =>
          settle(() => reject(error instanceof Error ? error : new Error(String(error)))),
        ),
      )
    })
  }

  async #take(bucket: Bucket, report: (state: 'current' | 'stale') => void): Promise<void> {
    const options = {signal: this.#stop.signal, report, checkMs}
    for await (const entry of bucket.watch(options)) this.#apply(bucket.name, entry)
  }

  #apply(bucket: string, entry: BucketEntry): void {
    const {key} = entry
    const address = addressAt({bucket, key}, this.#options.lattice)
    if (address.kind === 'claims') this.#applyClaims(`${bucket} ${key}`, entry)
    if (address.kind === 'link') this.#applyLink(address.hash, entry)
  }

  #applyClaims(place: string, {operation, value, key}: BucketEntry): void {
    const claims = operation === 'DEL' ? undefined : this.#read(() => claimsSchema.parse(decodeJson(value)), key)
    if (claims === undefined) this.#claims.delete(place)
    else this.#claims.set(place, claims)
  }

  #applyLink(hash: string, {operation, value, key}: BucketEntry): void {
    const before = this.#links.get(hash)
    const read = operation === 'DEL' ? undefined : this.#read(() => linkSchema.parse(decodeJson(value)), key)
    const link = read !== undefined && linkHash(read) === hash ? {...read, id: hash} : undefined
    if (read !== undefined && link === undefined) this.#warn(`The record '${key}' holds a link of another key.`)
    const moved = before?.provider_id !== link?.provider_id
    if (before !== undefined && moved) this.#change({kind: 'deleted', link: before})
    if (link === undefined) this.#links.delete(hash)
    else {
      this.#links.set(hash, link)
      this.#change({kind: 'set', link})
    }
  }

  #change(change: LinkChange): void {
    if (this.#current) this.#options.onLink(change)
  }

  #read<T>(read: () => T, key: string): T | undefined {
    try {
      return read()
    } catch {
      this.#warn(`The record '${key}' fits no known form and is ignored.`)
      return undefined
    }
  }

  #warn(message: string): void {
    this.#options.report({kind: 'warning', message})
  }
}

/** The records of a lattice did not arrive. */
class FirstReadingError extends TimeoutError {
  constructor(bucket: string) {
    super(`The records of bucket '${bucket}' did not arrive within ${firstReadingMs} ms.`, {details: {bucket}})
  }
}

function decodeJson(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString('utf8'))
}
