import {isDeepStrictEqual} from 'node:util'

/** The configuration of a stream as the JetStream API has it. Fields that nobody here knows are kept. */
export type StreamConfig = Readonly<Record<string, unknown>>

/** What may be chosen about a bucket. Undefined is what hosts make, or for one that is there what it has. */
export interface BucketSettings {
  readonly storage?: 'file' | 'memory' | undefined
  readonly replicas?: number | undefined
  /** Only servers with all of these tags keep it. */
  readonly placementTags?: readonly string[] | undefined
  /** Revisions kept of each key, 1 to 64. */
  readonly history?: number | undefined
  /** Of the whole bucket, which refuses writes when they are used up; -1 for no limit. */
  readonly maxBytes?: number | undefined
  readonly description?: string | undefined
  /** Takes many writes as one. */
  readonly atomic?: boolean | undefined
}

export type SettingValue = string | number | boolean | readonly string[]

/** One setting of a bucket that is not as it should be. Without `before` or `after` there is none. */
export interface SettingChange {
  readonly setting: string
  readonly before?: SettingValue
  readonly after?: SettingValue
}

/** Revisions that are kept where nobody said otherwise; the most that a bucket can. */
export const mostHistory = 64

/**
 * What hosts of both dialects rely on and make (wasmcloud-v0 §4.2, wasmcloud-v1 §9): nothing expires or makes room for
 * anything else.
 */
const reliedOn = {
  retention: 'limits',
  discard: 'new',
  max_msgs: -1,
  max_age: 0,
  allow_direct: true,
  allow_rollup_hdrs: true,
  deny_purge: false,
} as const

/** A bucket as hosts make it, but with history 64; the settings that were chosen instead. */
export function newBucketConfig(name: string, settings: BucketSettings = {}): StreamConfig {
  const config = {
    name: `KV_${name}`,
    subjects: [`$KV.${name}.>`],
    ...reliedOn,
    storage: settings.storage ?? 'file',
    max_consumers: -1,
    max_bytes: -1,
    max_msg_size: -1,
    num_replicas: 1,
    duplicate_window: 120_000_000_000,
    deny_delete: true,
  }
  return withSettings(config, {history: mostHistory, ...chosen(settings)})
}

/** A bucket of another JetStream domain that is followed here; what is written goes to the one it follows. */
export function mirrorConfig(
  name: string,
  origin: StreamConfig,
  domain: string,
  settings: BucketSettings,
): StreamConfig {
  const {subjects: _subjects, ...config} = newBucketConfig(name, {
    history: historyOf(origin),
    ...chosen(settings),
  })
  return {
    ...config,
    mirror: {name: `KV_${name}`, external: {api: `$JS.${domain}.API`, deliver: ''}},
    mirror_direct: true,
  }
}

/**
 * The configuration that a bucket which is there should have: what was chosen, what hosts rely on, and history 64 where
 * it has the 1 of the hosts, which nobody chose.
 */
export function improvedConfig(present: StreamConfig, settings: BucketSettings): StreamConfig {
  const {storage} = settings
  const own = present['mirror'] === undefined
  const history = own && historyOf(present) === 1 ? mostHistory : undefined
  return withSettings(
    {...present, ...(own ? reliedOn : {}), ...(storage === undefined ? {} : {storage})},
    {history, ...chosen(settings)},
  )
}

/** What differs in how the bucket is kept, by the names a user knows; empty when nothing does. */
export function settingChanges(before: StreamConfig, after: StreamConfig): SettingChange[] {
  return Object.entries(shownSettings).flatMap(([setting, read]) => {
    const [old, fresh] = [read(before), read(after)]
    if (isDeepStrictEqual(old, fresh)) return []
    return [{setting, ...(old === undefined ? {} : {before: old}), ...(fresh === undefined ? {} : {after: fresh})}]
  })
}

/** How a bucket is kept, by the names a user knows. */
export interface BucketState {
  readonly storage: 'file' | 'memory'
  readonly replicas: number
  readonly history?: number
  readonly maxBytes?: number
  readonly description?: string
  readonly placementTags?: readonly string[]
  readonly atomic?: true
  /** The JetStream domain whose bucket it follows. */
  readonly mirrorOf?: string
}

/** How a bucket with this configuration is kept. */
export function bucketState(config: StreamConfig): BucketState {
  const names = ['storage', 'replicas', 'history', 'maxBytes', 'description', 'placementTags', 'atomic', 'mirrorOf']
  const read = names.map((name) => [name, shownSettings[name]?.(config)] as const)
  return Object.fromEntries(read.filter(([, value]) => value !== undefined)) as unknown as BucketState
}

/** Revisions kept of each key; undefined where there is no limit. */
export function historyOf(config: StreamConfig): number | undefined {
  return limit(config['max_msgs_per_subject'])
}

/** The JetStream domain whose bucket this one follows; undefined for one of its own. */
export function mirrorOf(config: StreamConfig): string | undefined {
  const {external, name} = (config['mirror'] ?? {}) as {external?: {api?: string}; name?: string}
  if (name === undefined) return undefined
  return /^\$JS\.(.+)\.API$/.exec(external?.api ?? '')?.[1] ?? external?.api ?? name
}

const shownSettings: Readonly<Record<string, (config: StreamConfig) => SettingValue | undefined>> = {
  storage: ({storage}) => text(storage),
  replicas: ({num_replicas: replicas}) => limit(replicas) ?? 1,
  history: historyOf,
  maxBytes: ({max_bytes: most}) => limit(most),
  description: ({description}) => text(description),
  placementTags: ({placement}) => {
    const {tags} = (placement ?? {}) as {tags?: readonly string[]}
    return tags === undefined || tags.length === 0 ? undefined : [...tags].sort()
  },
  atomic: ({allow_atomic: atomic}) => (atomic === true ? true : undefined),
  mirrorOf,
  retention: ({retention}) => text(retention),
  discard: ({discard}) => text(discard),
  maxRevisions: ({max_msgs: most}) => limit(most),
  maxAgeMs: ({max_age: age}) => (typeof age === 'number' && age > 0 ? age / 1_000_000 : undefined),
  allowDirect: ({allow_direct: direct}) => direct === true,
  allowRollup: ({allow_rollup_hdrs: rollup}) => rollup === true,
  denyPurge: ({deny_purge: deny}) => deny === true,
}

function withSettings(
  config: StreamConfig,
  {replicas, placementTags, history, maxBytes, description, atomic}: BucketSettings,
): StreamConfig {
  const {placement} = config as {placement?: object}
  return {
    ...config,
    ...(replicas === undefined ? {} : {num_replicas: replicas}),
    ...(placementTags === undefined ? {} : {placement: {...placement, tags: placementTags}}),
    ...(history === undefined ? {} : {max_msgs_per_subject: history}),
    ...(maxBytes === undefined ? {} : {max_bytes: maxBytes}),
    ...(description === undefined ? {} : {description}),
    ...(atomic === undefined ? {} : {allow_atomic: atomic}),
  }
}

/** Without the keys whose values are undefined, which would hide what stands before them. */
function chosen(settings: BucketSettings): BucketSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
}

function limit(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
