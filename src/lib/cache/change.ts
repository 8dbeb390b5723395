import type {RecordKind} from '../records/registry.js'
import type {LatticeCache} from './cache.js'
import {withoutSecrets, type CacheEntry} from './entry.js'

/** Words that allow a write what is refused otherwise. */
export type Allowance = 'overwrite' | 'no-validate' | 'in-use'

/** What a write did, or under `dryRun` would do. */
export interface CacheChange {
  readonly lattice: string
  readonly context?: string
  readonly kind: RecordKind
  readonly name: string
  readonly bucket: string
  readonly key: string
  readonly operation: 'put' | 'del'
  /** False when the record already was so; then nothing was written. */
  readonly changed: boolean
  readonly dryRun?: true
  /** What was allowed that is refused otherwise. */
  readonly allowed?: readonly Allowance[]
  /** Of the record as it stands now; absent under `dryRun` when something would be written. */
  readonly revision?: number
  /** The older revision whose value it has again; `revert` only. */
  readonly restored?: number
  /** What stands there now; absent for `del`. */
  readonly format?: CacheEntry['format']
  readonly value?: unknown
  /** What it replaced, as far as is known where nothing was compared. */
  readonly previous?: Pick<CacheEntry, 'revision' | 'created' | 'format' | 'value'>
  /** The line that takes it back; absent where the bucket keeps no older revision. */
  readonly undo?: string
}

export interface ChangeHead {
  readonly operation: CacheChange['operation']
  readonly dryRun: boolean
  readonly allowed?: readonly Allowance[]
}

/** The part of a change that says what it is about. */
export function describeChange(
  {lattice, context}: LatticeCache,
  {kind, name, bucket, key, format, value}: CacheEntry,
  {operation, dryRun, allowed = []}: ChangeHead,
): Omit<CacheChange, 'changed'> {
  return {
    lattice,
    ...(context === undefined ? {} : {context}),
    kind,
    name,
    bucket,
    key,
    operation,
    ...(dryRun ? {dryRun} : {}),
    ...(allowed.length === 0 ? {} : {allowed}),
    ...(operation === 'del' ? {} : {format, value}),
  }
}

/** The part that says what was replaced. */
export function describePrevious({revision, created, format, value}: CacheEntry): NonNullable<CacheChange['previous']> {
  return {revision, created, format, value}
}

/** The change as it may be shown. */
export function changeWithoutSecrets(change: CacheChange): CacheChange {
  const {kind, key, value, previous} = change
  return {
    ...change,
    ...(value === undefined ? {} : {value: withoutSecrets({kind, key, value}).value}),
    ...(previous === undefined
      ? {}
      : {previous: {...previous, value: withoutSecrets({kind, key, value: previous.value}).value}}),
  }
}
