import type {NatsConnection} from '@nats-io/transport-node'

import {compareVersions, type Version} from '../entity/version.js'
import {AmbiguousError, NotFoundError} from '../errors.js'
import {NoPermissionError} from '../nats/request.js'
import type {RecordAddress, RecordKind} from '../records/registry.js'
import {MissingBucketError} from './bucket-errors.js'
import {Bucket, ensureBucket} from './bucket.js'
import type {CacheChange} from './change.js'
import type {DeleteOptions} from './delete.js'
import {compareEntries, readStoredRecord, type CacheEntry, type StoredRecord} from './entry.js'
import {jetStream, type JetStream, type JetStreamSpec} from './jetstream.js'
import {addressAt, addressName, bucketNames, placeOf, type Place} from './key.js'
import {commandLine, type LineScope} from './line.js'
import {resolveAddress, type AddressOptions, type NameSource} from './resolve.js'
import type {PutOptions} from './write.js'

/** The parts of a ConnectSpec that the cache needs. */
export interface CacheSpec extends JetStreamSpec, LineScope {}

export interface GetOptions extends AddressOptions {
  /** This revision and not the latest. */
  readonly revision?: number | undefined
}

export interface ListOptions {
  /**
   * Told of a bucket that this user may not read, which is then left out; without it, and where a kind was asked for,
   * the error is thrown.
   */
  readonly unreadable?: ((bucket: string, error: NoPermissionError) => void) | undefined
}

/** The records that all hosts of a lattice share. It works with no host alive. */
export class LatticeCache {
  readonly #nc: NatsConnection
  readonly #spec: CacheSpec

  private constructor(nc: NatsConnection, spec: CacheSpec) {
    this.#nc = nc
    this.#spec = spec
  }

  /** Opens the cache; nothing is asked of the server before the first use. */
  static open(nc: NatsConnection, spec: CacheSpec): Promise<LatticeCache> {
    return Promise.resolve(new LatticeCache(nc, spec))
  }

  get lattice(): string {
    return this.#spec.lattice
  }

  /** Name of the context that the connection came from. */
  get context(): string | undefined {
    return this.#spec.context
  }

  /** One record. Throws a NotFoundError, and an AmbiguousError for claims of which several versions are stored. */
  async get(kind: RecordKind, key: string, options: GetOptions = {}): Promise<CacheEntry> {
    return (await this.read(kind, key, options)).entry
  }

  /** As get, with the exact bytes. */
  async read(kind: RecordKind, key: string, {revision, ...where}: GetOptions = {}): Promise<StoredRecord> {
    const address = await this.resolve(kind, key, where)
    if (revision !== undefined) return this.#readRevision(address, revision)
    const stored = address.kind === 'claims' ? await this.#claims(address, key, where) : await this.#stored(address)
    if (stored === undefined) throw this.missing(address)
    return stored
  }

  /** Every record of a kind, or of all kinds, sorted by kind, then name; empty where no bucket is there yet. */
  async list(kind?: RecordKind, {unreadable}: ListOptions = {}): Promise<CacheEntry[]> {
    const {data, versions, config, routes} = bucketNames(this.lattice)
    const wanted = {
      claims: [data, versions],
      link: [data],
      ref: [data],
      component: [data],
      config: [config],
      route: [routes],
      key: [data, versions, routes],
    }
    const denied: NoPermissionError[] = []
    const read = async (bucket: string): Promise<StoredRecord[]> => {
      try {
        return await this.#list(bucket)
      } catch (error) {
        if (kind !== undefined || unreadable === undefined || !(error instanceof NoPermissionError)) throw error
        denied.push(error)
        unreadable(bucket, error)
        return []
      }
    }
    const buckets = kind === undefined ? [...wanted.key, config] : wanted[kind]
    const lists = await Promise.all(buckets.map(read))
    if (denied[0] !== undefined && denied.length === buckets.length) throw denied[0]
    return lists
      .flat()
      .map(({entry}) => entry)
      .filter((entry) => kind === undefined || entry.kind === kind)
      .sort(compareEntries)
  }

  /** Writes a record by compare-and-set and says what it replaced; see putRecord. */
  async put(kind: RecordKind, key: string, value: Uint8Array, options: PutOptions = {}): Promise<CacheChange> {
    const {putRecord} = await import('./write.js')
    return putRecord(this, {kind, key, value}, options)
  }

  /** Deletes a record with a DEL marker, by compare-and-set; throws a NotFoundError when it is not there. */
  async del(kind: RecordKind, key: string, options: DeleteOptions = {}): Promise<CacheChange> {
    const {deleteRecord} = await import('./delete.js')
    return deleteRecord(this, {kind, key}, options)
  }

  /** Where a record is; for claims that hosts without versions wrote, that is not where their version would have them. */
  async locate(
    kind: RecordKind,
    key: string,
    options: AddressOptions = {},
  ): Promise<Place & {readonly address: RecordAddress}> {
    const address = await this.resolve(kind, key, options)
    const stored =
      address.kind === 'claims' ? await this.#claims(address, key, options).catch(ignoreMissingBucket) : undefined
    if (stored === undefined) return {address, ...placeOf(address, this.lattice)}
    return {address: stored.address, bucket: stored.entry.bucket, key: stored.entry.key}
  }

  /** What a user's key means. */
  resolve(kind: RecordKind, key: string, options: AddressOptions = {}): Promise<RecordAddress> {
    return resolveAddress(kind, key, this.names(), options)
  }

  /** The stored claims and references as a source of names. */
  names(): NameSource {
    return {
      scope: this.#spec,
      claims: () => this.list('claims'),
      reference: async (url) => (await this.#stored({kind: 'ref', url}).catch(ignoreMissingBucket))?.entry,
    }
  }

  /** JetStream as this connection reaches it, or that of another domain. */
  jetStream(domain?: string): JetStream {
    if (domain === undefined) return jetStream(this.#nc, this.#spec)
    const {jsApiPrefix: _own, ...spec} = this.#spec
    return jetStream(this.#nc, {...spec, jsDomain: domain})
  }

  /** A bucket on this connection, whether it exists or not. */
  bucket(name: string): Bucket {
    return Bucket.at(this.#nc, name, this.#spec)
  }

  /** The same, made when it is missing. */
  ensure(name: string): Promise<Bucket> {
    return ensureBucket(this.#nc, name, this.#spec, {like: `LATTICEDATA_${this.lattice}`})
  }

  /** A line to paste that acts on this lattice. */
  line(words: readonly string[]): string {
    return commandLine(words, this.#spec)
  }

  /** The error for a record that is not there. */
  missing(address: RecordAddress): NotFoundError {
    const name = addressName(address)
    const {bucket, key} = placeOf(address, this.lattice)
    return new NotFoundError(`No ${address.kind} '${name}' is stored in lattice '${this.lattice}'.`, {
      suggestions: [this.line(['cache', 'ls', '--kind', address.kind])],
      details: {kind: address.kind, name, bucket, key},
    })
  }

  async #stored(address: RecordAddress): Promise<StoredRecord | undefined> {
    const {bucket, key} = placeOf(address, this.lattice)
    const stored = await this.bucket(bucket).get(key)
    return stored === undefined ? undefined : readStoredRecord(address, bucket, stored)
  }

  async #readRevision(address: RecordAddress, revision: number): Promise<StoredRecord> {
    const {bucket, key} = placeOf(address, this.lattice)
    const stored = await this.bucket(bucket).at(key, revision)
    if (stored?.operation === 'PUT') return readStoredRecord(address, bucket, stored)
    const state = stored === undefined ? 'is not stored' : 'is its deletion'
    throw new NotFoundError(`Revision ${revision} of '${addressName(address)}' ${state} in bucket '${bucket}'.`, {
      suggestions: [this.line(['cache', 'get', address.kind, addressName(address)])],
      details: {bucket, key, revision},
    })
  }

  /** Claims of one version; without a version those that are stored, as long as they are of one version only. */
  async #claims(
    {publicKey, version}: RecordAddress & {kind: 'claims'},
    written: string,
    {words = ['cache', 'get']}: AddressOptions,
  ): Promise<StoredRecord | undefined> {
    const base = {kind: 'claims', publicKey} as const
    if (version !== undefined) {
      const exact = await this.#stored({...base, version}).catch(ignoreMissingBucket)
      if (exact !== undefined) return exact
      // Hosts that know no versions write the base record only.
      const last = await this.#stored(base)
      return last?.entry.version === version ? last : undefined
    }
    const [last, versioned] = await Promise.all([
      this.#stored(base),
      this.#list(bucketNames(this.lattice).versions, `${publicKey}.`),
    ])
    const all = [...(last === undefined ? [] : [last]), ...versioned]
    const names = new Set(all.flatMap(({entry}) => (entry.version === undefined ? [] : [entry.version])))
    if (names.size > 1) throw this.#ambiguous(written, [...names], words)
    return all[0]
  }

  #ambiguous(name: string, versions: readonly Version[], words: readonly string[]): AmbiguousError {
    const candidates = [...versions].sort(compareVersions).map((version) => `${name}@${version}`)
    return new AmbiguousError(`Claims of ${versions.length} versions of '${name}' are stored.`, {
      suggestions: candidates.map((candidate) => this.line([...words, 'claims', candidate])),
      details: {candidates},
    })
  }

  async #list(bucket: string, prefix = ''): Promise<StoredRecord[]> {
    const entries = (await this.bucket(bucket).list(prefix).catch(ignoreMissingBucket)) ?? []
    return Promise.all(
      entries.map((entry) => readStoredRecord(addressAt({bucket, key: entry.key}, this.lattice), bucket, entry)),
    )
  }
}

function ignoreMissingBucket(error: unknown): undefined {
  if (error instanceof MissingBucketError) return undefined
  throw error
}
