import type {CacheEntry} from '../cache/entry.js'
import {bucketNames} from '../cache/key.js'
import {shellWord} from '../entity/require.js'
import type {RecordKind} from '../records/registry.js'

/** What is looked for, in the order in which it is told. */
export const rules = [
  'legacy-stream',
  'bucket-settings',
  'malformed',
  'mixed-forms',
  'not-universal',
  'unread-key',
  'duplicate-alias',
  'claims-without-base',
  'link-without-claims',
  'ref-without-claims',
  'config-without-claims',
  'component-without-config',
  'route-without-claims',
  'claims-unused',
] as const

export type Rule = (typeof rules)[number]

/** Something that is not as it should be, and the lines that make it so when they are run in order. */
export interface Finding {
  readonly rule: Rule
  /** `error`: some host misbehaves because of it. */
  readonly severity: 'error' | 'warning'
  /** A sentence. */
  readonly message: string
  readonly bucket: string
  /** Absent for what is about a whole bucket. */
  readonly kind?: RecordKind
  readonly name?: string
  /** Name in its claims. */
  readonly title?: string
  readonly key?: string
  readonly revision?: number
  readonly repair: readonly string[]
}

/** What a check is made of: all records, and how a line of this tool is written. */
export interface Audited {
  readonly lattice: string
  readonly entries: readonly CacheEntry[]
  readonly line: (words: readonly string[]) => string
}

/** A finding about one record. */
export function findingOf(
  {kind, name, title, bucket, key, revision}: CacheEntry,
  found: Pick<Finding, 'rule' | 'severity' | 'message' | 'repair'>,
): Finding {
  return {...found, bucket, kind, name, ...(title === undefined ? {} : {title}), key, revision}
}

/** The line that deletes a record at the revision that was read; for a key that no word of ours can be, with `nats`. */
export function deletion(entry: CacheEntry, {line, lattice}: Audited): string {
  const {kind, bucket, key, revision, problem} = entry
  const ours = /^(?!-)[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*$/.test(key) && bucket !== bucketNames(lattice).routes
  if (!ours) return `nats pub -H KV-Operation:DEL ${shellWord(`$KV.${bucket}.${key}`)} ''`
  // What no host can use is needed by nobody, whoever names it.
  const useless = problem !== undefined && ['claims', 'component', 'config'].includes(kind)
  const allowed = useless ? ['--allow', 'in-use'] : []
  return line(['cache', 'del', ...target(entry, lattice), '--revision', String(revision), ...allowed])
}

/** The words for one record; as the raw key where its own words would mean another one, or look like a flag. */
function target({kind, name, bucket, key, problem}: CacheEntry, lattice: string): string[] {
  if (kind === 'link') return ['link', key.slice('LINKDEF_'.length)]
  const plain = kind !== 'key' && kind !== 'claims' && !name.startsWith('-')
  if (plain || (kind === 'claims' && name.includes('@') && problem === undefined)) return [kind, name]
  return ['key', key, ...(bucket === bucketNames(lattice).data ? [] : ['--bucket', bucket])]
}

/** The key of a v0 entity, with the link name of a provider, that a route is stored under. */
export function routedEntity(key: string): string {
  return Buffer.from(key.slice(key.indexOf('.') + 1), 'base64url').toString('utf8')
}
