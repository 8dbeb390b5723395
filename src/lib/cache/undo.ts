import {LatticeError} from '../errors.js'
import type {RecordAddress} from '../records/registry.js'
import type {BucketEntry} from './bucket-entry.js'
import type {LatticeCache} from './cache.js'
import {composeRecord} from './compose.js'
import {recordWords} from './conflict.js'
import {bucketNames, placeOf} from './key.js'

export interface Written {
  /** The revision of the write. */
  readonly written: number
  /** What stood there before. */
  readonly previous: Pick<BucketEntry, 'revision' | 'value'> | undefined
}

/** The line that takes a write back; undefined when the bucket has forgotten what stood there before. */
export async function undoLine(
  cache: LatticeCache,
  address: RecordAddress,
  {written, previous}: Written,
): Promise<string | undefined> {
  const record = recordWords(address)
  const expected = ['--revision', String(written)]
  if (previous === undefined) return cache.line(['cache', 'del', ...record, ...expected])
  if (!(await isKept(cache, address, previous.revision))) return undefined
  const repair = isWritable(cache, address, previous.value) ? [] : ['--no-validate']
  return cache.line(['cache', 'revert', ...record, '--to', String(previous.revision), ...expected, ...repair])
}

/** True for a raw key that hosts read as a typed record. */
export function isTypedKey(cache: LatticeCache, address: RecordAddress): boolean {
  if (address.kind !== 'key') return false
  const {bucket, key} = placeOf(address, cache.lattice)
  const {data, config} = bucketNames(cache.lattice)
  return bucket === config || (bucket === data && /^([^.]+\.)?(CLAIMS|LINKDEF|REFMAP|COMPONENT)_/.test(key))
}

/** A write that is done has succeeded, whatever can be found out about the past. */
async function isKept(cache: LatticeCache, address: RecordAddress, revision: number): Promise<boolean> {
  const {bucket, key} = placeOf(address, cache.lattice)
  try {
    return (await cache.bucket(bucket).at(key, revision)) !== undefined
  } catch (error) {
    if (error instanceof LatticeError) return true
    throw error
  }
}

function isWritable(cache: LatticeCache, address: RecordAddress, value: Uint8Array): boolean {
  if (isTypedKey(cache, address)) return false
  try {
    composeRecord(address, {value, set: []})
    return true
  } catch (error) {
    if (error instanceof LatticeError) return false
    throw error
  }
}
