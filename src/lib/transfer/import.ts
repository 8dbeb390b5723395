import type {LatticeCache} from '../cache/cache.js'
import {PartialError, UsageError} from '../errors.js'
import {recordKinds, type RecordKind} from '../records/registry.js'
import type {BundleAllowance} from './bundle-errors.js'
import {Bundle} from './bundle.js'
import type {ImportMode} from './decide.js'
import {UnwrittenError} from './import-errors.js'
import {ImportRun} from './import-run.js'
import {previewChange, type PreviewedChange} from './preview.js'
import {deleteSurplus, findSurplus, KeySet, type Surplus} from './prune.js'
import {openSource, type Source} from './source.js'
import type {Counts, Tally} from './tally.js'

export interface ImportOptions {
  /** Path of the bundle; `-` is stdin. */
  readonly file: string
  readonly mode: ImportMode
  /** Only these kinds; default all. */
  readonly kinds?: readonly RecordKind[] | undefined
  readonly validate: boolean
  readonly dryRun: boolean
  /** All or nothing, for few records. */
  readonly atomic: boolean
  /** Delete what the bundle does not have. */
  readonly prune: boolean
  readonly allow: readonly BundleAllowance[]
  /** Asked before anything is deleted. */
  readonly confirmPrune: (surplus: readonly Surplus[]) => Promise<boolean>
  readonly report: (event: ImportEvent) => void
  readonly signal?: AbortSignal | undefined
}

/** What happens while an import runs; `change` in a dry run only. */
export type ImportEvent =
  | {readonly type: 'progress'; readonly done: number; readonly total: number | undefined}
  | {readonly type: 'change'; readonly change: PreviewedChange}

/** What an import did, or under `dryRun` would do; also the JSON of `cache import`. */
export interface ImportResult extends Omit<Counts, 'refused' | 'conflicts'> {
  readonly lattice: string
  readonly context?: string
  readonly mode: ImportMode
  /** The lattice that the bundle was exported from, as far as it tells. */
  readonly from?: string
  readonly dryRun?: true
  /** Of `leftOut`, those that only a route command writes. */
  readonly leftRoutes: number
  readonly deleted: number
  /** The first 1000 records that a dry run would write or keep. */
  readonly changes?: readonly PreviewedChange[]
  /** The first 1000 records that a dry run would delete. */
  readonly surplus?: readonly Surplus[]
}

const mostShown = 1000

/**
 * Writes the records of a bundle by compare-and-set, in constant memory but for the keys that `prune` needs. It may be run
 * again after anything that stopped it. Throws an UnwrittenError when some records could not be written, and errors that
 * say how far it got.
 */
export async function importRecords(cache: LatticeCache, options: ImportOptions): Promise<ImportResult> {
  const source = await openSource(options.file, options.allow)
  try {
    const bundle = new Bundle(source, options.allow)
    if (!options.atomic) return await runImport(cache, {source, bundle, options})
    const {importAtOnce} = await import('./import-at-once.js')
    const tally = await importAtOnce(cache, bundle, options)
    return resultOf(cache, {bundle, options, tally}, {})
  } finally {
    await source.close()
  }
}

interface Work {
  readonly source: Source
  readonly bundle: Bundle
  readonly options: ImportOptions
}

async function runImport(cache: LatticeCache, {source, bundle, options}: Work): Promise<ImportResult> {
  const {dryRun, prune, report} = options
  const keys = prune ? new KeySet() : undefined
  const changes: PreviewedChange[] = []
  const run = new ImportRun(cache, bundle, {
    ...options,
    seen: keys === undefined ? undefined : (planned) => keys.add(planned),
    preview: (planned, decision, present) => {
      const change = previewChange(cache.lattice, {planned, decision, present})
      if (change === undefined) return
      if (changes.length < mostShown) changes.push(change)
      report({type: 'change', change})
    },
    report: (done) => report({type: 'progress', done, total: source.records}),
  })
  await run.run()
  const {tally} = run
  if (tally.unwritten.length > 0) throw new UnwrittenError(tally, {dryRun})
  const surplus = keys === undefined ? [] : await findSurplus(cache, keys, kindsOf(bundle, options))
  const deleted = await removeSurplus(cache, surplus, options)
  return resultOf(
    cache,
    {bundle, options, tally},
    {
      deleted,
      ...(dryRun ? {changes} : {}),
      ...(dryRun && prune ? {surplus: surplus.slice(0, mostShown)} : {}),
    },
  )
}

async function removeSurplus(
  cache: LatticeCache,
  surplus: readonly Surplus[],
  {dryRun, confirmPrune}: ImportOptions,
): Promise<number> {
  if (dryRun) return surplus.length
  if (surplus.length === 0) return 0
  if (await confirmPrune(surplus)) return deleteSurplus(cache, surplus)
  throw new PartialError('The records were imported, and none was deleted.', {details: {surplus: surplus.length}})
}

/** A bundle of one kind says nothing about the others. */
function kindsOf({header}: Bundle, {kinds}: ImportOptions): readonly RecordKind[] {
  const exported = header?.kinds
  if (exported === undefined) {
    throw new UsageError('The bundle does not say of which kinds it is, so nothing was deleted.', {
      suggestions: ['Import what lattice cache export wrote.'],
    })
  }
  return recordKinds.filter((kind) => kind !== 'route' && exported.includes(kind) && (kinds?.includes(kind) ?? true))
}

function resultOf(
  {lattice, context}: LatticeCache,
  {bundle, options, tally}: Omit<Work, 'source'> & {readonly tally: Tally},
  more: Partial<ImportResult>,
): ImportResult {
  const {refused: _refused, conflicts: _conflicts, ...counts} = tally.counts
  return {
    lattice,
    ...(context === undefined ? {} : {context}),
    mode: options.mode,
    ...(bundle.header === undefined ? {} : {from: bundle.header.lattice}),
    ...(options.dryRun ? {dryRun: true as const} : {}),
    ...counts,
    leftRoutes: tally.leftRoutes,
    deleted: 0,
    ...more,
  }
}
