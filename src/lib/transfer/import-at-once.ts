import type {BucketEntry} from '../cache/bucket-entry.js'
import type {LatticeCache} from '../cache/cache.js'
import {readMany} from '../cache/read-many.js'
import {writeAtOnce, type BatchWrite} from '../cache/write-at-once.js'
import {ConflictError, ConnectionError, UnsafeError, UsageError} from '../errors.js'
import type {Bundle} from './bundle.js'
import {decide} from './decide.js'
import type {ImportOptions} from './import.js'
import {unwrittenLine} from './import-errors.js'
import {Planner, type Planned} from './plan.js'
import {previewChange} from './preview.js'
import {TargetBuckets, type TargetBucket} from './target-buckets.js'
import {Tally} from './tally.js'

/** What a server takes as one. */
const mostRecords = 1000

/**
 * Imports all records of a bundle or none, which the server sees to. Throws a UsageError for what does not fit its kind,
 * for more than 1000 records and for more than one bucket, and a ConflictError when a record was written meanwhile.
 */
export async function importAtOnce(cache: LatticeCache, bundle: Bundle, options: ImportOptions): Promise<Tally> {
  const {mode, validate, dryRun, report} = options
  const tally = new Tally()
  const planned = await planAll(cache, bundle, {tally, options})
  const [first] = planned
  if (first === undefined) return tally
  const target = await new TargetBuckets(cache, {dryRun: true}).open(first.bucket)
  refuseUnable(cache, target)
  const js = cache.jetStream()
  const {bucket: leader, direct} = target
  const present = await readInParts(planned, (part) => readMany(js, first.bucket, part, {leader, direct, exact: true}))
  const never = (): boolean => false
  const writes: BatchWrite[] = []
  for (const item of planned) {
    const there = present.get(item.key)
    const situation = {lattice: cache.lattice, mode, validate, present: there, foreign: never, own: never}
    const decision = decide(item, situation)
    const change = dryRun ? previewChange(cache.lattice, {planned: item, decision, present: there}) : undefined
    if (change !== undefined) report({type: 'change', change})
    if (decision.type === 'write') {
      const {value, expected, replaces} = decision
      writes.push({key: item.key, value, expected})
      tally.count(replaces ? 'replaced' : 'created')
    } else if (decision.type === 'keep') tally.count('kept')
    else if (decision.type === 'refuse') tally.fail('refused', {...item, reason: decision.reason})
    else tally.count('unchanged')
  }
  refuseUnfit(tally)
  if (writes.length === 0 || dryRun) return tally
  const outcome = await writeAtOnce(js, first.bucket, writes, (keys) =>
    readInParts(keys, (part) => readMany(js, first.bucket, part, {leader, direct, exact: true})),
  )
  if (outcome === 'written') return tally
  throw new ConflictError('A record was written by somebody else meanwhile, so nothing was written.', {
    suggestions: ['Run it again.'],
  })
}

async function planAll(
  cache: LatticeCache,
  bundle: Bundle,
  {tally, options}: {readonly tally: Tally; readonly options: ImportOptions},
): Promise<readonly Planned[]> {
  const maxPayload = cache.jetStream().nc.info?.max_payload ?? 1 << 20
  const planner = new Planner(cache.lattice, {...options, maxPayload})
  // The later of two records with one key counts.
  const byKey = new Map<string, Planned>()
  for await (const {entries, bad} of bundle.batches()) {
    if (bundle.header !== undefined) planner.comesFrom(bundle.header.lattice)
    for (const {line, reason} of bad) tally.fail('refused', {line, reason})
    for (const entry of entries) {
      tally.count('records')
      const plan = planner.plan(entry)
      if (plan.type === 'write') byKey.set(`${plan.planned.bucket} ${entry.key}`, plan.planned)
      else if (plan.type === 'refuse') tally.fail('refused', {...entry, reason: plan.reason})
      else {
        tally.count('leftOut')
        if (plan.kind === 'route') tally.leftRoutes++
      }
    }
    if (byKey.size > mostRecords) {
      throw new UsageError(`An atomic import has at most ${mostRecords} records, and there are more.`, {
        suggestions: ['Leave --atomic out: an import can be run again until all is there.'],
      })
    }
  }
  refuseUnfit(tally)
  const planned = [...byKey.values()]
  const buckets = [...new Set(planned.map(({bucket}) => bucket))]
  if (buckets.length <= 1) return planned
  throw new UsageError(`An atomic import goes to one bucket, and these records lie in ${buckets.join(', ')}.`, {
    suggestions: [...new Set(planned.map(({kind}) => `--kind ${kind}`))],
    details: {buckets},
  })
}

function refuseUnfit(tally: Tally): void {
  const {refused} = tally.counts
  if (refused === 0) return
  throw new UsageError(`${refused} of the records cannot be written as they are, so nothing was written.`, {
    lines: tally.unwritten.map(unwrittenLine),
    details: {unwritten: tally.unwritten},
  })
}

function refuseUnable(cache: LatticeCache, {bucket: {name}, exists, atomic}: TargetBucket): void {
  if (atomic) return
  const version = cache.jetStream().nc.info?.version ?? '?'
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < 2 || (major === 2 && minor < 12)) {
    throw new ConnectionError(`nats-server ${version} cannot write many records at once: that takes 2.12.`, {
      suggestions: ['Leave --atomic out: an import can be run again until all is there.'],
      details: {version},
    })
  }
  throw new UnsafeError(
    `The bucket '${name}' ${exists ? 'does not let records be written at once' : 'is not there'}.`,
    {
      suggestions: [cache.line(['cache', 'init', ...(exists ? ['--update'] : []), '--atomic'])],
      details: {bucket: name},
    },
  )
}

/** A server is asked for so many keys at once. */
async function readInParts(
  keys: readonly {readonly key: string}[],
  read: (part: readonly {readonly key: string}[]) => Promise<ReadonlyMap<string, BucketEntry>>,
): Promise<Map<string, BucketEntry>> {
  const found = new Map<string, BucketEntry>()
  for (let start = 0; start < keys.length; start += 500) {
    const part = await read(keys.slice(start, start + 500).map(({key}) => ({key})))
    for (const [key, entry] of part) found.set(key, entry)
  }
  return found
}
