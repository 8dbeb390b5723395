import {ConnectionError, NotFoundError, ServerError, UnsafeError, UsageError} from '../errors.js'
import {
  bucketState,
  historyOf,
  improvedConfig,
  mirrorConfig,
  mirrorOf,
  newBucketConfig,
  settingChanges,
  type BucketSettings,
  type BucketState,
  type SettingChange,
  type SettingValue,
  type StreamConfig,
} from './bucket-config.js'
import type {LatticeCache} from './cache.js'
import {askApi, jsCodes, unexpectedAnswer, type ApiError, type JetStream} from './jetstream.js'
import {bucketNames} from './key.js'

export interface InitOptions extends BucketSettings {
  /** Hosts of which dialect there will be; both when undefined. */
  readonly dialect?: 'v0' | 'v1' | undefined
  /** JetStream domain whose buckets are to be followed. */
  readonly mirrorOf?: string | undefined
  /** Change a bucket that is there. */
  readonly update?: boolean | undefined
  /** Keep fewer revisions than there are. */
  readonly allowLoss?: boolean | undefined
  readonly dryRun?: boolean | undefined
}

/** What became of one bucket, or under `dryRun` would. */
export interface BucketOutcome {
  readonly bucket: string
  readonly state: 'created' | 'updated' | 'unchanged'
  /** What is different now; empty unless it was updated. */
  readonly changes: readonly SettingChange[]
  readonly settings: BucketState
}

export interface InitResult {
  readonly lattice: string
  readonly context?: string
  readonly changed: boolean
  readonly dryRun?: true
  readonly buckets: readonly BucketOutcome[]
}

/** A bucket as it is and as it is to be. */
interface Plan {
  readonly bucket: string
  readonly present?: StreamConfig
  /** Stored bytes. */
  readonly bytes: number
  readonly wanted: StreamConfig
  readonly changes: readonly SettingChange[]
}

/**
 * Makes the buckets of a lattice that are missing. One that is there and kept otherwise is changed only with `update`;
 * else, and where it cannot be changed, an UnsafeError shows what differs, and nothing at all was done.
 */
export async function initBuckets(cache: LatticeCache, options: InitOptions): Promise<InitResult> {
  const js = cache.jetStream()
  const {lattice, context} = cache
  if (options.atomic === true) await requireLevel(js)
  const plans = await planBuckets(cache, js, options)
  refuseImpossible(cache, plans, options)
  if (options.update !== true) refuseDifferences(cache, plans)
  refuseLoss(cache, plans, options)
  if (options.dryRun !== true) for (const plan of plans) await carryOut(js, plan)
  return {
    lattice,
    ...(context === undefined ? {} : {context}),
    changed: plans.some((plan) => outcomeOf(plan).state !== 'unchanged'),
    ...(options.dryRun === true ? {dryRun: true} : {}),
    buckets: plans.map(outcomeOf),
  }
}

async function planBuckets(cache: LatticeCache, js: JetStream, options: InitOptions): Promise<Plan[]> {
  const {data, versions, config, routes} = bucketNames(cache.lattice)
  // A v1 host knows one version of a component id; routes are made with their first record, as data is kept.
  const names = options.dialect === 'v1' ? [data, config] : [data, versions, config]
  const plans = await Promise.all(names.map((name) => planBucket(cache, js, {name, options})))
  const found = plans.filter((plan) => plan !== undefined)
  const {storage: _storage, ...kept} = options
  const there = (await readStream(js, routes).catch(ignoreDenied)) !== undefined || options.mirrorOf !== undefined
  const last = there ? await planBucket(cache, js, {name: routes, options: kept}) : undefined
  return last === undefined ? found : [...found, last]
}

/** Undefined for a bucket that the followed domain does not have. */
async function planBucket(
  cache: LatticeCache,
  js: JetStream,
  {name, options}: {readonly name: string; readonly options: InitOptions},
): Promise<Plan | undefined> {
  const present = await readStream(js, name)
  const bytes = present?.bytes ?? 0
  const domain = options.mirrorOf
  const origin = domain === undefined ? undefined : await readOrigin(cache, domain, name)
  if (domain !== undefined && origin === undefined) return undefined
  if (present === undefined) {
    const wanted = origin === undefined ? newBucketConfig(name, options) : mirrorConfig(name, origin, domain!, options)
    return {bucket: name, bytes, wanted, changes: []}
  }
  const improved = improvedConfig(present.config, options)
  const wanted =
    domain === undefined || mirrorOf(improved) === domain ? improved : {...improved, mirror: {name: domain}}
  return {bucket: name, present: present.config, bytes, wanted, changes: settingChanges(present.config, wanted)}
}

function outcomeOf({bucket, present, wanted, changes}: Plan): BucketOutcome {
  const state = present === undefined ? 'created' : changes.length > 0 ? 'updated' : 'unchanged'
  return {bucket, state, changes, settings: bucketState(wanted)}
}

async function readStream(
  js: JetStream,
  bucket: string,
): Promise<{readonly config: StreamConfig; readonly bytes: number} | undefined> {
  const {error, fields} = await askApi(js, `STREAM.INFO.KV_${bucket}`)
  if (error?.code === jsCodes.streamMissing) return undefined
  if (error !== undefined) throw unexpectedAnswer(error, `The bucket '${bucket}' cannot be looked at`)
  const {config, state} = fields as {config?: StreamConfig; state?: {bytes?: number}}
  if (config === undefined) throw new ServerError(`The bucket '${bucket}' was described without its configuration.`)
  return {config, bytes: state?.bytes ?? 0}
}

/** The followed bucket as its own domain has it; undefined where it has none, but the records there must be. */
async function readOrigin(cache: LatticeCache, domain: string, bucket: string): Promise<StreamConfig | undefined> {
  const found = await readStream(cache.jetStream(domain), bucket)
  if (found !== undefined || bucket !== bucketNames(cache.lattice).data) return found?.config
  throw new NotFoundError(`There is no bucket '${bucket}' in the JetStream domain '${domain}'.`, {
    suggestions: [cache.line(['cache', 'init', '--js-domain', domain])],
    details: {bucket, domain},
  })
}

/** A user who may not look at routes has nothing to do with them. */
function ignoreDenied(error: unknown): undefined {
  if (error instanceof ConnectionError && (error.cause as Error | undefined)?.name === 'PermissionViolationError')
    return
  throw error
}

async function requireLevel(js: JetStream): Promise<void> {
  const {fields} = await askApi(js, 'INFO')
  const level = (fields['api'] as {level?: number} | undefined)?.level ?? 0
  if (level >= 2) return
  throw new ConnectionError('The server cannot take many writes as one: nats-server 2.12 or newer does.', {
    suggestions: ['lattice context check'],
    details: {level, needed: 2},
  })
}

/** Settings that a server never changes in a bucket that is there. */
const fixed: readonly string[] = ['storage', 'retention', 'mirrorOf']

function refuseImpossible(cache: LatticeCache, plans: readonly Plan[], {maxBytes = -1}: InitOptions): void {
  for (const {bucket, bytes, changes} of plans) {
    const change = changes.find(({setting}) => fixed.includes(setting))
    if (change !== undefined) throw new FixedSettingError(cache, bucket, change)
    refuseMoveAndScale(bucket, changes)
    if (maxBytes < 0 || bytes <= maxBytes) continue
    throw new UsageError(`The bucket '${bucket}' holds ${bytes} bytes, so it cannot be limited to ${maxBytes}.`, {
      suggestions: [`--max-bytes ${bytes * 2}`],
      details: {bucket, bytes, maxBytes},
    })
  }
}

function refuseMoveAndScale(bucket: string, changes: readonly SettingChange[]): void {
  const both = ['replicas', 'placementTags'].every((name) => changes.some(({setting}) => setting === name))
  if (!both) return
  throw new UsageError(`Servers do not move '${bucket}' and change the number of its copies at the same time.`, {
    suggestions: ['Run it with --placement-tags, and then with --replicas.', 'lattice cache stats'],
    details: {bucket, changes},
  })
}

function refuseDifferences(cache: LatticeCache, plans: readonly Plan[]): void {
  const different = plans.filter(({changes}) => changes.length > 0)
  if (different.length === 0) return
  const shown = different.map(({bucket, changes}) => `'${bucket}' has ${changes.map(changeText).join(', ')}`)
  throw new UnsafeError(`Nothing was done, because a bucket is there and kept otherwise: ${shown.join('; ')}.`, {
    suggestions: ['--update   (change it)', cache.line(['cache', 'stats'])],
    details: {buckets: different.map(({bucket, changes}) => ({bucket, changes}))},
  })
}

function changeText({setting, before, after}: SettingChange): string {
  return `${setting} ${valueText(before)} and not ${valueText(after)}`
}

function valueText(value: SettingValue | undefined): string {
  return value === undefined ? 'none' : typeof value === 'object' ? value.join(', ') : String(value)
}

function refuseLoss(cache: LatticeCache, plans: readonly Plan[], {allowLoss = false}: InitOptions): void {
  if (allowLoss) return
  const fewer = plans.filter(({present, wanted}) => {
    const [before, after] = [present && (historyOf(present) ?? Infinity), historyOf(wanted) ?? Infinity]
    return before !== undefined && after < before
  })
  const [first] = fewer
  if (first === undefined) return
  const names = fewer.map(({bucket}) => `'${bucket}'`).join(', ')
  throw new UnsafeError(`Older revisions in ${names} would be lost: ${first.changes.map(changeText).join(', ')}.`, {
    suggestions: ['--allow lose-revisions', cache.line(['cache', 'stats'])],
    details: {buckets: fewer.map(({bucket, changes}) => ({bucket, changes}))},
  })
}

async function carryOut(js: JetStream, plan: Plan): Promise<void> {
  const {bucket, present, wanted, changes} = plan
  if (present !== undefined && changes.length === 0) return
  const operation = present === undefined ? 'CREATE' : 'UPDATE'
  const {error, fields} = await askApi(js, `STREAM.${operation}.KV_${bucket}`, wanted)
  if (error !== undefined) throw refusedByServer(error, plan)
  // An older server takes what it does not know and leaves it out.
  const missed = settingChanges((fields['config'] ?? {}) as StreamConfig, wanted)
  if (missed.length === 0) return
  throw new ServerError(`The server made something else of '${bucket}': ${missed.map(changeText).join(', ')}.`, {
    suggestions: ['lattice cache stats'],
    details: {bucket, changes: missed},
  })
}

/** The codes for what a person can do something about. */
const refusals: Readonly<Record<number, readonly string[]>> = {
  10005: ['--replicas 1', 'lattice context check'],
  10023: ['lattice context check'],
  10028: ['lattice context check'],
  10047: ['--max-bytes 100MiB', 'lattice context check'],
  10074: ['--replicas 1'],
}

function refusedByServer(error: ApiError, {bucket, present}: Plan): ServerError {
  const what =
    present === undefined ? `The bucket '${bucket}' cannot be made` : `The bucket '${bucket}' cannot be changed`
  // Another process made it in between, and it is kept otherwise.
  if (error.code === jsCodes.streamDifferent) {
    return new ServerError(`${what}: somebody else has just made it.`, {suggestions: ['lattice cache init']})
  }
  const {message, details} = unexpectedAnswer(error, what)
  return new ServerError(message, {suggestions: refusals[error.code] ?? [], details: {...details, bucket}})
}

class FixedSettingError extends UnsafeError {
  constructor(cache: LatticeCache, bucket: string, {setting, before, after}: SettingChange) {
    const [old, fresh] = [before, after].map(valueText)
    super(`The bucket '${bucket}' is there with ${setting} ${old}, and no server changes that to ${fresh}.`, {
      suggestions: [
        cache.line(['cache', 'export', '--raw', '--output', 'records.jsonl']),
        `nats stream rm KV_${bucket}`,
        'Then run this again, and import the file.',
      ],
      details: {bucket, setting, before, after},
    })
  }
}
