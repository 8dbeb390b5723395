import {MissingBucketError} from '../cache/bucket-errors.js'
import type {LatticeCache} from '../cache/cache.js'
import {addressAt, addressName, bucketNames} from '../cache/key.js'
import {Pipeline} from '../cache/pipeline.js'
import {readStream} from '../cache/read-stream.js'
import {PartialError} from '../errors.js'
import type {RecordKind} from '../records/registry.js'

/** A record that the lattice has and the bundle has not. */
export interface Surplus {
  readonly kind: RecordKind
  readonly name: string
  readonly bucket: string
  readonly key: string
  readonly revision: number
}

/** The keys of a bundle; the one thing of an import that grows with it. */
export class KeySet {
  readonly #keys = new Set<string>()

  add({bucket, key}: {readonly bucket: string; readonly key: string}): void {
    this.#keys.add(`${bucket} ${key}`)
  }

  has({bucket, key}: {readonly bucket: string; readonly key: string}): boolean {
    return this.#keys.has(`${bucket} ${key}`)
  }
}

/** The records of these kinds that are not among the keys, by bucket in stream order. Route records are none of them. */
export async function findSurplus(
  cache: LatticeCache,
  keys: KeySet,
  kinds: readonly RecordKind[],
): Promise<readonly Surplus[]> {
  const {data, versions, config} = bucketNames(cache.lattice)
  const surplus = new Map<string, Surplus>()
  for (const bucket of [data, versions, config]) {
    const take = (key: string, revision: number, marker: boolean): void => {
      const address = addressAt({bucket, key}, cache.lattice)
      surplus.delete(`${bucket} ${key}`)
      if (marker || keys.has({bucket, key}) || !kinds.includes(address.kind)) return
      surplus.set(`${bucket} ${key}`, {kind: address.kind, name: addressName(address), bucket, key, revision})
    }
    await readStream(cache.jetStream(), bucket, {
      keysOnly: true,
      take: ({key, revision, marker}) => take(key, revision, marker),
    }).catch((error: unknown) => {
      if (!(error instanceof MissingBucketError)) throw error
    })
  }
  return [...surplus.values()]
}

/** Deletes them, each at the revision that was found. Throws a PartialError when somebody wrote one meanwhile. */
export async function deleteSurplus(cache: LatticeCache, surplus: readonly Surplus[]): Promise<number> {
  const written: Surplus[] = []
  let deleted = 0
  using pipeline = new Pipeline<Surplus>(cache.jetStream(), {
    settle: ({about}, outcome) => {
      if (outcome.kind === 'stored') deleted++
      else written.push(about)
    },
  })
  for (const about of surplus) {
    while (pipeline.full) await pipeline.room()
    const {bucket, key, revision} = about
    pipeline.send({bucket, key, value: new Uint8Array(), expected: revision, del: true, about})
  }
  await pipeline.drain()
  if (written.length === 0) return deleted
  throw new PartialError(
    `${written.length} of ${surplus.length} records were not deleted: they were written meanwhile.`,
    {
      suggestions: ['Run it again.'],
      details: {deleted, written: written.slice(0, 100).map(({kind, name}) => ({kind, name}))},
    },
  )
}
