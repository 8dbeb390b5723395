import {UsageError} from '../errors.js'
import type {RecordKind} from '../records/registry.js'
import type {LatticeCache} from './cache.js'
import {
  diffFile,
  diffKeys,
  diffLattices,
  diffRecord,
  diffRevisions,
  type CacheDiff,
  type DiffTarget,
  type RevisionPair,
} from './diff.js'

/** What `cache diff` was given, as it was typed. */
export interface DiffWords {
  readonly kind?: RecordKind | undefined
  readonly key?: string | undefined
  readonly other?: string | undefined
  readonly bucket?: string | undefined
  readonly raw: boolean
  readonly from?: number | undefined
  readonly to?: number | undefined
  readonly file?: string | undefined
  /** Another lattice was named. */
  readonly against: boolean
}

/** What is to be compared. */
export type DiffRequest =
  | {readonly mode: 'revisions'; readonly target: DiffTarget; readonly pair: RevisionPair}
  | {readonly mode: 'keys'; readonly target: DiffTarget; readonly other: string}
  | {readonly mode: 'file'; readonly target: DiffTarget; readonly file: string}
  | {readonly mode: 'record'; readonly target: DiffTarget}
  | {readonly mode: 'lattices'; readonly kind?: RecordKind | undefined; readonly raw: boolean}

/** Reads what is meant; throws a UsageError where two things are asked for, or none. */
export function parseDiffRequest({kind, key, other, bucket, raw, from, to, file, against}: DiffWords): DiffRequest {
  const ways = [
    other === undefined ? undefined : 'a second key',
    from === undefined && to === undefined ? undefined : '--from and --to',
    file === undefined ? undefined : '--file',
    against ? '--against-context or --against-lattice' : undefined,
  ].filter((way) => way !== undefined)
  if (ways.length > 1) throw new UsageError(`Only one thing can be compared at a time, and not ${ways.join(' and ')}.`)
  if (key === undefined && against) return {mode: 'lattices', kind, raw}
  if (kind === undefined || key === undefined) {
    throw new UsageError('What is to be compared is not said.', {
      suggestions: [
        'lattice cache diff KIND KEY',
        'lattice cache diff KIND KEY OTHERKEY',
        'lattice cache diff KIND KEY --file FILE',
        'lattice cache diff --against-context NAME',
      ],
    })
  }
  const target = {kind, key, bucket, raw}
  if (against) return {mode: 'record', target}
  if (file !== undefined) return {mode: 'file', target, file}
  if (other !== undefined) return {mode: 'keys', target, other}
  return {mode: 'revisions', target, pair: {from, to}}
}

export interface DiffParts {
  readonly here: LatticeCache
  /** The other lattice, where two are compared. */
  readonly there?: LatticeCache | undefined
  /** What the file holds, where one is compared with. */
  readonly value?: Uint8Array | undefined
}

/** Compares what the request says. */
export function runDiff(request: DiffRequest, {here, there = here, value}: DiffParts): Promise<CacheDiff> {
  switch (request.mode) {
    case 'revisions':
      return diffRevisions(here, request.target, request.pair)
    case 'keys':
      return diffKeys(here, request.target, request.other)
    case 'file':
      return diffFile(here, request.target, {file: request.file, value: value ?? new Uint8Array()})
    case 'record':
      return diffRecord(here, there, request.target)
    case 'lattices':
      return diffLattices(here, there, request)
  }
}
