import type {Clock} from '../clock.js'
import {ConflictError, PartialError, UnsafeError} from '../errors.js'
import type {RecordKind} from '../records/registry.js'
import {equalValues} from '../records/diff.js'
import {writeBackup} from './backup.js'
import type {BucketEntry} from './bucket-entry.js'
import {MissingBucketError, RevisionConflictError} from './bucket-errors.js'
import type {Bucket} from './bucket.js'
import type {LatticeCache} from './cache.js'
import {decodeValue} from './entry.js'
import {askApi, unexpectedAnswer} from './jetstream.js'
import {bucketNames} from './key.js'
import {convertLegacy, legacyName, readLegacy, type LegacyMessage, type LegacyStream} from './legacy.js'

/** A host, as far as it matters who still uses the stream. */
export interface AnsweringHost {
  readonly id: string
  readonly version: string
  readonly dialect: 'v0' | 'v1'
  /** True for hosts that speak versioned RPC: none of them ever used the stream. */
  readonly versioned: boolean
}

export interface MigrateOptions {
  /** The hosts that answer now. */
  readonly hosts: () => Promise<readonly AnsweringHost[]>
  /** File for the whole stream; default one in the present folder, named after the stream and the time. */
  readonly backup?: string | undefined
  /** Leave the stream where it is. */
  readonly keepStream?: boolean | undefined
  /** Delete the stream though not every message of it could be read. */
  readonly allowLoss?: boolean | undefined
  readonly dryRun?: boolean | undefined
  readonly clock: Clock
}

/**
 * `written`: it is in the bucket now. `present`: it was already. `kept`: the bucket has a newer one, or had. `deleted`:
 * the stream says that it is gone. `replaced`: a later message is about the same record.
 */
export type MigrateOutcome = 'written' | 'present' | 'kept' | 'deleted' | 'replaced' | 'unreadable'

export interface MigratedMessage {
  readonly subject: string
  readonly outcome: MigrateOutcome
  readonly kind?: RecordKind
  readonly name?: string
  /** Its key in the bucket. */
  readonly key?: string
  readonly problem?: string
}

export interface MigrateResult {
  readonly lattice: string
  readonly context?: string
  readonly stream: string
  readonly bucket: string
  /** False when there is no such stream, or nothing of it is left to do. */
  readonly changed: boolean
  readonly dryRun?: true
  /** Absent when there was nothing to back up. */
  readonly backup?: string
  /** Under `dryRun` whether it would be. */
  readonly streamDeleted: boolean
  readonly messages: readonly MigratedMessage[]
}

interface Planned extends MigratedMessage {
  readonly bytes?: Uint8Array
}

/** How many records are asked for or written at once. */
const together = 32

/**
 * Takes the records of hosts up to 0.59 from their stream into the bucket, and deletes the stream, as newer hosts do.
 * What the bucket has wins. It can be stopped at any point and run again. Throws an UnsafeError while such a host
 * answers, and a PartialError when not every message could be read; then the stream stays.
 */
export async function migrateLegacy(cache: LatticeCache, options: MigrateOptions): Promise<MigrateResult> {
  const {lattice, context} = cache
  const {data: bucket} = bucketNames(lattice)
  const {dryRun = false, keepStream = false, allowLoss = false} = options
  const stream = await readLegacy(cache.jetStream(), lattice)
  const head = {lattice, ...(context === undefined ? {} : {context}), stream: legacyName(lattice), bucket}
  if (stream === undefined) return {...head, changed: false, streamDeleted: false, messages: []}
  if (!keepStream) await refuseOldHosts(cache, options)
  const planned = await plan(cache.bucket(bucket), stream, lattice)
  const unread = planned.filter(({outcome}) => outcome === 'unreadable')
  const streamDeleted = !keepStream && (unread.length === 0 || allowLoss)
  const changed = streamDeleted || planned.some(({outcome}) => outcome === 'written')
  const messages = planned.map(({bytes: _bytes, ...message}) => message)
  if (dryRun) return {...head, changed, dryRun, streamDeleted, messages}
  const backup = options.backup ?? backupName(stream, options.clock.now())
  if (changed) await writeBackup(backup, stream, options.clock.now())
  const done = await carryOut(cache, bucket, planned)
  if (streamDeleted) await deleteStream(cache, stream)
  const result = {...head, changed, ...(changed ? {backup} : {}), streamDeleted, messages: done}
  if (unread.length > 0 && !allowLoss) throw new UnreadMessagesError(cache, result)
  return result
}

async function plan(bucket: Bucket, {messages}: LegacyStream, lattice: string): Promise<Planned[]> {
  const read = messages.map((message) => readMessage(message, lattice))
  const last = new Map(read.flatMap(({key}, index) => (key === undefined ? [] : [[key, index]])))
  const isLast = ({key}: Planned, index: number): boolean => key === undefined || last.get(key) === index
  return inParts(read, async (message, index) => {
    const {key, bytes, outcome} = message
    if (outcome !== 'written' || key === undefined || bytes === undefined) return message
    if (!isLast(message, index)) return {...message, outcome: 'replaced'}
    const present = await bucket.last(key).catch(noneWithoutBucket)
    return present === undefined ? message : {...message, outcome: isSame(present, bytes) ? 'present' : 'kept'}
  })
}

function readMessage(message: LegacyMessage, lattice: string): Planned {
  const {subject} = message
  const found = convertLegacy(message, lattice)
  switch (found.kind) {
    case 'record': {
      const {address, name, key, bytes} = found
      return {subject, outcome: 'written', kind: address.kind, name, key, bytes}
    }
    case 'deleted':
      return {subject, outcome: 'deleted'}
    case 'unreadable':
      return {subject, outcome: 'unreadable', problem: found.problem}
  }
}

/** Writes what is to be written, unless somebody has done so in between. */
async function carryOut(cache: LatticeCache, name: string, planned: readonly Planned[]): Promise<MigratedMessage[]> {
  if (!planned.some(({outcome}) => outcome === 'written')) return planned.map(({bytes: _bytes, ...message}) => message)
  const bucket = await cache.ensure(name)
  return inParts(planned, async ({bytes, ...message}) => {
    if (message.outcome !== 'written' || bytes === undefined || message.key === undefined) return message
    try {
      await bucket.put(message.key, bytes, {expected: 0})
      return message
    } catch (error) {
      if (!(error instanceof RevisionConflictError)) throw error
      const present = await bucket.last(message.key)
      return {...message, outcome: present !== undefined && isSame(present, bytes) ? 'present' : 'kept'}
    }
  })
}

async function deleteStream(cache: LatticeCache, {name, last}: LegacyStream): Promise<void> {
  const js = cache.jetStream()
  const {error: unseen, fields} = await askApi(js, `STREAM.INFO.${name}`)
  if (unseen !== undefined) throw unexpectedAnswer(unseen, `The stream '${name}' cannot be looked at again`)
  const {last_seq: now} = (fields['state'] ?? {}) as {last_seq?: number}
  if (now !== last) {
    throw new ConflictError(`Somebody wrote to the stream '${name}' in the meantime, so it was not deleted.`, {
      suggestions: [cache.line(['host', 'ls']), cache.line(['cache', 'migrate'])],
      details: {stream: name, read: last, ...(now === undefined ? {} : {now})},
    })
  }
  const {error} = await askApi(js, `STREAM.DELETE.${name}`, undefined, {again: false})
  if (error !== undefined) throw unexpectedAnswer(error, `The stream '${name}' cannot be deleted`)
}

async function refuseOldHosts(cache: LatticeCache, {hosts}: MigrateOptions): Promise<void> {
  const old = (await hosts()).filter(isOld)
  if (old.length === 0) return
  const names = old.map(({id, version}) => `'${id}' (${version === '' ? 'of unknown version' : version})`).join(', ')
  throw new UnsafeError(`What these hosts write from now on would be lost, because they use the stream: ${names}.`, {
    suggestions: [
      'Stop them, or replace them by hosts of 0.60 or newer, and run this again.',
      `${cache.line(['cache', 'migrate'])} --keep-stream`,
    ],
    details: {hosts: old.map(({id, version}) => ({id, version}))},
  })
}

function isOld({dialect, version, versioned}: AnsweringHost): boolean {
  if (dialect !== 'v0' || versioned) return false
  const [, major, minor] = /^v?(\d+)\.(\d+)\./.exec(version) ?? []
  return minor === undefined || (major === '0' && Number(minor) < 60)
}

function isSame({operation, value}: BucketEntry, bytes: Uint8Array): boolean {
  return operation === 'PUT' && equalValues(decodeValue(value).value, decodeValue(bytes).value)
}

function backupName({name}: LegacyStream, now: number): string {
  return `${name}-${new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')}.jsonl`
}

async function inParts<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let start = 0; start < items.length; start += together) {
    const part = items.slice(start, start + together)
    results.push(...(await Promise.all(part.map((item, index) => work(item, start + index)))))
  }
  return results
}

function noneWithoutBucket(error: unknown): undefined {
  if (error instanceof MissingBucketError) return undefined
  throw error
}

class UnreadMessagesError extends PartialError {
  constructor(cache: LatticeCache, {stream, backup, messages}: MigrateResult) {
    const unread = messages.filter(({outcome}) => outcome === 'unreadable')
    const first = unread[0]!
    super(
      `${unread.length} of ${messages.length} messages cannot be read, so the stream '${stream}' stays: '${first.subject}': ${first.problem!}.`,
      {
        suggestions: [
          `${cache.line(['cache', 'migrate'])} --allow lose-records`,
          ...(backup === undefined ? [] : [`All of it is in ${backup}.`]),
        ],
        details: {stream, ...(backup === undefined ? {} : {backup}), messages},
      },
    )
  }
}
