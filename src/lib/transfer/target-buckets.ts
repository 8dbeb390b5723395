import {MissingBucketError} from '../cache/bucket-errors.js'
import type {Bucket} from '../cache/bucket.js'
import type {LatticeCache} from '../cache/cache.js'
import {askApi, jsCodes, unexpectedAnswer} from '../cache/jetstream.js'
import {bucketNames} from '../cache/key.js'
import {RevisionSet} from './revision-set.js'

/** A bucket that records are imported into, as it was when the import came to it. */
export interface TargetBucket {
  readonly bucket: Bucket
  /** False for one that a dry run would make. */
  readonly exists: boolean
  /** Everything after this was written since. */
  readonly lastRevision: number
  /** Every replica may answer. */
  readonly direct: boolean
  /** Many writes may be one (nats-server 2.12). */
  readonly atomic: boolean
  /** What this import wrote. */
  readonly own: RevisionSet
}

/** The buckets of an import, each looked up once; those of the lattice are made when they are missing. */
export class TargetBuckets {
  readonly #cache: LatticeCache
  readonly #dryRun: boolean
  readonly #known = new Map<string, TargetBucket>()

  constructor(cache: LatticeCache, {dryRun}: {readonly dryRun: boolean}) {
    this.#cache = cache
    this.#dryRun = dryRun
  }

  /** Undefined for one that has to be opened first. */
  known(name: string): TargetBucket | undefined {
    return this.#known.get(name)
  }

  /** Throws a MissingBucketError for one that is none of the lattice's and is not there. */
  async open(name: string): Promise<TargetBucket> {
    const known = this.#known.get(name) ?? (await this.#find(name))
    this.#known.set(name, known)
    return known
  }

  async #find(name: string): Promise<TargetBucket> {
    const ofLattice = Object.values(bucketNames(this.#cache.lattice)).includes(name)
    if (ofLattice && !this.#dryRun) await this.#cache.ensure(name)
    const bucket = this.#cache.bucket(name)
    const {error, fields} = await askApi(this.#cache.jetStream(), `STREAM.INFO.KV_${name}`)
    if (error?.code === jsCodes.streamMissing) {
      if (!ofLattice || !this.#dryRun) throw new MissingBucketError(name)
      return {bucket, exists: false, lastRevision: 0, direct: false, atomic: false, own: new RevisionSet()}
    }
    if (error !== undefined) throw unexpectedAnswer(error, `The bucket '${name}' cannot be opened`)
    const {config, state} = fields as {
      config?: {allow_direct?: boolean; allow_atomic?: boolean}
      state?: {last_seq?: number}
    }
    return {
      bucket,
      exists: true,
      lastRevision: state?.last_seq ?? 0,
      direct: config?.allow_direct === true,
      atomic: config?.allow_atomic === true,
      own: new RevisionSet(),
    }
  }
}
