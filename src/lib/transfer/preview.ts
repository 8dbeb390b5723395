import type {BucketEntry} from '../cache/bucket-entry.js'
import {decodeValue, withoutSecrets} from '../cache/entry.js'
import {addressAt, addressName} from '../cache/key.js'
import {changesWithoutSecrets, diffValues, type Change} from '../records/diff.js'
import type {RecordKind} from '../records/registry.js'
import type {Decision} from './decide.js'
import type {Planned} from './plan.js'

/** What an import would do with one record. */
export interface PreviewedChange {
  readonly operation: 'create' | 'replace' | 'keep'
  readonly line: number
  readonly kind: RecordKind
  readonly name: string
  readonly bucket: string
  readonly key: string
  /** Revision that is there now. */
  readonly revision?: number
  /** What differs from what is there; absent for `create`. */
  readonly changes?: readonly Change[]
}

/** Describes a decision as it may be shown, secrets replaced; undefined where nothing would happen. */
export function previewChange(
  lattice: string,
  {planned, decision, present}: {planned: Planned; decision: Decision; present: BucketEntry | undefined},
): PreviewedChange | undefined {
  if (decision.type !== 'write' && decision.type !== 'keep') return undefined
  const {line, kind, bucket, key} = planned
  const replaces = decision.type === 'keep' || decision.replaces
  const head = {
    operation: decision.type === 'keep' ? 'keep' : decision.replaces ? 'replace' : 'create',
    line,
    kind,
    name: addressName(addressAt({bucket, key}, lattice)),
    bucket,
    key,
  } as const
  if (!replaces || present === undefined) return head
  const after = decision.type === 'write' ? decision.value : planned.value
  const secret = withoutSecrets({kind, key, value: 'x'}).value !== 'x'
  const changes = diffValues(decodeValue(present.value).value, decodeValue(after).value)
  return {...head, revision: present.revision, changes: changesWithoutSecrets(changes, secret)}
}
