import {improvedConfig, historyOf, settingChanges, type StreamConfig} from '../cache/bucket-config.js'
import type {LatticeCache} from '../cache/cache.js'
import type {Running} from '../cache/in-use.js'
import {askApi, jsCodes, unexpectedAnswer} from '../cache/jetstream.js'
import {bucketNames} from '../cache/key.js'
import type {ControlClient} from '../control/client.js'
import {discover} from '../control/discover.js'
import {LatticeError} from '../errors.js'
import {recordKinds, type RecordKind} from '../records/registry.js'
import {findSharedAliases, findUnused, findWithoutBase} from './claims.js'
import {rules, type Audited, type Finding, type Rule} from './finding.js'
import {findMalformed} from './malformed.js'
import {findDangling} from './references.js'

export interface AuditOptions {
  /** Only findings about records of this kind. */
  readonly kind?: RecordKind | undefined
  readonly ignore?: readonly Rule[] | undefined
  /** A line to paste that acts on this lattice. */
  readonly line: (words: readonly string[]) => string
}

/** What a whole lattice's records are worth. */
export interface AuditReport {
  readonly lattice: string
  readonly context?: string
  /** True when there are no findings. */
  readonly clean: boolean
  /** Number of records that were looked at. */
  readonly records: number
  /** Errors first, then by rule and name. */
  readonly findings: readonly Finding[]
  /** What could not be found out. */
  readonly notChecked: readonly {readonly rule: Rule; readonly reason: string}[]
}

/** Reads every record and finds what does not fit together. Nothing is changed. */
export async function auditCache(
  cache: LatticeCache,
  control: ControlClient,
  {kind, ignore = [], line}: AuditOptions,
): Promise<AuditReport> {
  const {lattice, context} = cache
  const notChecked: {rule: Rule; reason: string}[] = []
  const unreadable = (bucket: string): void => {
    notChecked.push({rule: 'malformed', reason: `the user may not read bucket '${bucket}'`})
  }
  const [entries, buckets, running] = await Promise.all([
    cache.list(undefined, {unreadable}),
    findBucketTrouble(cache, line),
    ignore.includes('claims-unused') ? undefined : whatRuns(control),
  ])
  const audited: Audited = {lattice, entries, line}
  if (running !== undefined && 'unknown' in running) notChecked.push({rule: 'claims-unused', reason: running.unknown})
  const found = [
    ...buckets,
    ...findMalformed(audited),
    ...findSharedAliases(audited),
    ...findWithoutBase(audited),
    ...findDangling(audited),
    ...(running === undefined || 'unknown' in running ? [] : findUnused(audited, running.running)),
  ]
  const findings = found
    .filter((finding) => !ignore.includes(finding.rule) && (kind === undefined || finding.kind === kind))
    .sort(compareFindings)
  return {
    lattice,
    ...(context === undefined ? {} : {context}),
    clean: findings.length === 0,
    records: kind === undefined ? entries.length : entries.filter((entry) => entry.kind === kind).length,
    findings,
    notChecked,
  }
}

type Answer = {readonly running: readonly Running[]} | {readonly unknown: string}

/** What runs; unknown unless every host that answers shows it. */
async function whatRuns(control: ControlClient): Promise<Answer> {
  try {
    const {hosts, entities, silent} = await discover(control)
    if (hosts.length === 0) return {unknown: 'no host answers'}
    if (silent.length > 0) return {unknown: `host ${silent[0]!} does not show what it runs`}
    const other = hosts.find(({dialect}) => dialect === 'v1')
    if (other !== undefined) return {unknown: `host ${other.id} speaks v1 and does not tell the keys of what it runs`}
    return {running: entities.flatMap(({key, instances}) => instances.map((instance) => ({key, ...instance})))}
  } catch (error) {
    if (error instanceof LatticeError) return {unknown: error.message.replace(/\.$/, '')}
    throw error
  }
}

async function findBucketTrouble(cache: LatticeCache, line: AuditOptions['line']): Promise<Finding[]> {
  const {data, versions, config, routes} = bucketNames(cache.lattice)
  const found = await Promise.all(
    [data, versions, config, routes].map(async (bucket) => {
      const present = await readConfig(cache, `KV_${bucket}`)
      return present === undefined ? [] : badSettings(bucket, present, line)
    }),
  )
  const legacy = `LATTICECACHE_${cache.lattice}`
  const old = (await readConfig(cache, legacy)) === undefined ? [] : [legacyStream(legacy, line)]
  return [...old, ...found.flat()]
}

function badSettings(bucket: string, present: StreamConfig, line: AuditOptions['line']): Finding[] {
  const history = historyOf(present)
  const changes = settingChanges(present, improvedConfig(present, {history}))
  if (changes.length === 0) return []
  const shown = changes.map(({setting, before}) => `${setting} ${String(before)}`).join(', ')
  const keep = history === undefined ? [] : ['--history', String(history)]
  return [
    {
      rule: 'bucket-settings',
      severity: 'error',
      message: `Records can vanish or cannot be written as hosts do it: it is kept with ${shown}.`,
      bucket,
      repair: [line(['cache', 'init', '--update', ...keep])],
    },
  ]
}

function legacyStream(stream: string, line: AuditOptions['line']): Finding {
  return {
    rule: 'legacy-stream',
    severity: 'error',
    message: 'It holds records of hosts up to 0.59, which some newer hosts write over what is there when they start.',
    bucket: stream,
    repair: [line(['cache', 'migrate'])],
  }
}

/** Undefined where there is none, or where the user may not look. */
async function readConfig(cache: LatticeCache, stream: string): Promise<StreamConfig | undefined> {
  try {
    const {error, fields} = await askApi(cache.jetStream(), `STREAM.INFO.${stream}`)
    if (error?.code === jsCodes.streamMissing) return undefined
    if (error !== undefined) throw unexpectedAnswer(error, `The stream '${stream}' cannot be looked at`)
    return fields['config'] as StreamConfig | undefined
  } catch (error) {
    const cause = error instanceof LatticeError ? error.cause : undefined
    if (cause instanceof Error && cause.name === 'PermissionViolationError') return undefined
    throw error
  }
}

function compareFindings(a: Finding, b: Finding): number {
  if (a.severity !== b.severity) return a.severity === 'error' ? -1 : 1
  const byRule = rules.indexOf(a.rule) - rules.indexOf(b.rule)
  if (byRule !== 0) return byRule
  const order = ({kind, bucket, name = ''}: Finding): string =>
    [kind === undefined ? '' : recordKinds.indexOf(kind), bucket, name].join('\n')
  return order(a) < order(b) ? -1 : 1
}
