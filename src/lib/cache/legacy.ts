import {ServerError} from '../errors.js'
import {linkHash} from '../records/link-hash.js'
import type {RecordAddress} from '../records/registry.js'
import {isJsonRecord, type JsonRecord} from '../records/universal.js'
import {composeRecord} from './compose.js'
import {decodeValue} from './entry.js'
import {askApi, jsCodes, unexpectedAnswer, type JetStream} from './jetstream.js'
import {addressName, placeOf} from './key.js'

/** A message of the stream in which hosts up to 0.59 kept their records (wasmcloud-v0 §4.1). */
export interface LegacyMessage {
  readonly subject: string
  readonly sequence: number
  /** ISO time. */
  readonly time: string
  readonly data: Uint8Array
}

export interface LegacyStream {
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
  /** Sequence of the last message that it ever got. */
  readonly last: number
  /** What it holds, in stream order. */
  readonly messages: readonly LegacyMessage[]
}

/** What a message says: a record of today, that something was deleted, or nothing that can be read. */
export type LegacyRecord =
  | {
      readonly kind: 'record'
      readonly address: RecordAddress
      readonly name: string
      readonly key: string
      readonly bytes: Uint8Array
    }
  | {readonly kind: 'deleted'}
  | {readonly kind: 'unreadable'; readonly problem: string}

/** Name of the stream of a lattice. */
export function legacyName(lattice: string): string {
  return `LATTICECACHE_${lattice}`
}

/** The whole stream of a lattice; undefined when there is none. */
export async function readLegacy(js: JetStream, lattice: string): Promise<LegacyStream | undefined> {
  const name = legacyName(lattice)
  const {error, fields} = await askApi(js, `STREAM.INFO.${name}`)
  if (error?.code === jsCodes.streamMissing) return undefined
  if (error !== undefined) throw unexpectedAnswer(error, `The stream '${name}' cannot be looked at`)
  const {config = {}, state} = fields as {
    config?: LegacyStream['config']
    state?: {first_seq?: number; last_seq?: number}
  }
  const {first_seq: first = 0, last_seq: last = 0} = state ?? {}
  const messages = await readRange(js, {name, filter: `lc.${lattice}.>`, first: Math.max(1, first), last})
  return {name, config, last, messages}
}

/** Each in flight reads its own part, because one answer names only the next message. */
const lanes = 16

async function readRange(
  js: JetStream,
  {
    name,
    filter,
    first,
    last,
  }: {readonly name: string; readonly filter: string; readonly first: number; readonly last: number},
): Promise<LegacyMessage[]> {
  const width = Math.max(1, Math.ceil((last - first + 1) / lanes))
  const parts = await Promise.all(
    Array.from({length: lanes}, async (_, lane) => {
      const end = Math.min(last + 1, first + (lane + 1) * width)
      const found: LegacyMessage[] = []
      for (let next = first + lane * width; next < end;) {
        const message = await readNext(js, name, {seq: next, next_by_subj: filter})
        if (message === undefined || message.sequence >= end) break
        found.push(message)
        next = message.sequence + 1
      }
      return found
    }),
  )
  return parts.flat()
}

async function readNext(
  js: JetStream,
  name: string,
  query: {readonly seq: number; readonly next_by_subj: string},
): Promise<LegacyMessage | undefined> {
  const {error, fields} = await askApi(js, `STREAM.MSG.GET.${name}`, query)
  if (error?.code === jsCodes.noMessage) return undefined
  if (error !== undefined) throw unexpectedAnswer(error, `The stream '${name}' cannot be read`)
  const {
    subject,
    seq,
    data = '',
    time,
  } = (fields['message'] ?? {}) as Partial<Record<'subject' | 'data' | 'time', string>> & {
    seq?: number
  }
  if (subject === undefined || seq === undefined) {
    throw new ServerError(`The stream '${name}' gave an unreadable message.`)
  }
  return {
    subject,
    sequence: seq,
    time: new Date(time ?? 0).toISOString(),
    data: Uint8Array.from(Buffer.from(data, 'base64')),
  }
}

/** Reads a message as the newer hosts do when they take the stream over. */
export function convertLegacy({subject, data}: LegacyMessage, lattice: string): LegacyRecord {
  const [kind = '', token = '', ...more] = subject.slice(`lc.${lattice}.`.length).split('.')
  if (more.length > 0 || token === '') return unreadable('its subject is not that of a record')
  const {value} = decodeValue(data)
  if (!isJsonRecord(value)) return unreadable('it is not a JSON object')
  const record = asTexts(value)
  try {
    switch (kind) {
      case 'claims':
        return converted({kind: 'claims', publicKey: token}, record, lattice)
      case 'linkdefs':
        return convertLink(record, lattice)
      case 'refmap':
        return converted({kind: 'ref', url: Buffer.from(token, 'base64url').toString('utf8')}, record, lattice)
      default:
        return unreadable('its subject is not that of a record')
    }
  } catch (error) {
    return unreadable(error instanceof Error ? error.message.replace(/\.$/, '') : String(error))
  }
}

/** Links were stored under a random name, and deleted by saying so; now their key is the hash of what they tie. */
function convertLink({deleted, id: _id, ...link}: JsonRecord, lattice: string): LegacyRecord {
  if (deleted === true || deleted === 'true') return {kind: 'deleted'}
  const identity = {
    actor_id: textOf(link, 'actor_id'),
    contract_id: textOf(link, 'contract_id'),
    link_name: textOf(link, 'link_name'),
  }
  return converted({kind: 'link', hash: linkHash(identity)}, link, lattice)
}

function converted(address: RecordAddress, record: JsonRecord, lattice: string): LegacyRecord {
  const value = new TextEncoder().encode(JSON.stringify(record))
  const bytes = composeRecord(address, {value, set: []})
  return {kind: 'record', address, name: addressName(address), key: placeOf(address, lattice).key, bytes}
}

function unreadable(problem: string): LegacyRecord {
  return {kind: 'unreadable', problem}
}

/** Numbers as the texts that hosts of today want. */
function asTexts(record: JsonRecord): JsonRecord {
  const asText = (value: unknown): unknown => {
    if (isJsonRecord(value)) return asTexts(value)
    return typeof value === 'number' ? String(value) : value
  }
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, asText(value)]))
}

function textOf(record: JsonRecord, name: string): string {
  const value = record[name]
  return typeof value === 'string' ? value : ''
}
