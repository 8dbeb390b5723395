import type {RecordKind} from '../records/registry.js'

/** Number of the format that is written; a reader refuses what is newer. */
export const formatNumber = 1

export const exportFormats = ['jsonl', 'yaml'] as const

/** JSON lines, or a stream of YAML documents. */
export type ExportFormat = (typeof exportFormats)[number]

/** The first line of an export: what it is and when it was made. */
export interface ExportHeader {
  readonly format: number
  readonly lattice: string
  readonly context?: string
  /** When it began, as ISO time. */
  readonly created: string
  /** What was asked for; records of other kinds are not in it. */
  readonly kinds: readonly RecordKind[]
  /** Secrets were replaced, so it is not the whole truth. */
  readonly redacted?: true
  readonly buckets: readonly ExportedBucket[]
}

export interface ExportedBucket {
  readonly bucket: string
  /** ISO time at which the bucket was made. */
  readonly created: string
  /** Its latest revision when the export began. */
  readonly revision: number
}

/** The last line: how many records there are, and the SHA-256 of every byte before this line. */
export interface ExportTrailer {
  readonly count: number
  readonly sha256: string
}

/** Everything about a record but its value. */
export interface EntryHead {
  readonly kind: RecordKind
  /** Its key as a user types it, where that is another one. */
  readonly name?: string | undefined
  /** Of a raw key, unless it lies in the bucket of the lattice's data. */
  readonly bucket?: string | undefined
  /** Its key in the bucket. */
  readonly key: string
  readonly revision: number
  readonly createdMs: number
}

/** A value in the most readable form that gives back its exact bytes: JSON as it is, text, or base64. */
export interface EntryValue {
  readonly field: 'value' | 'text' | 'base64'
  readonly text: string
}

/** How a record and what surrounds it are written. */
export interface Notation {
  header: (header: ExportHeader) => string
  entry: (head: EntryHead, value: EntryValue) => string
  trailer: (trailer: ExportTrailer) => string
}

/** One JSON document a line; a JSON value stands in it byte for byte. */
export const jsonLines: Notation = {
  header: (header) => `${JSON.stringify({export: header})}\n`,
  entry: (head, {field, text}) => {
    const value = field === 'value' ? text : field === 'base64' ? `"${text}"` : JSON.stringify(text)
    return `${lineHead(head)}"${field}":${value}}\n`
  },
  trailer: (trailer) => `${JSON.stringify({end: trailer})}\n`,
}

/** A line up to its value. */
export function lineHead({kind, name, bucket, key, revision, createdMs}: EntryHead): string {
  const more = `${name === undefined ? '' : `"name":${JSON.stringify(name)},`}${
    bucket === undefined ? '' : `"bucket":"${bucket}",`
  }`
  const place = `{"kind":"${kind}",${more}"key":${JSON.stringify(key)},"revision":${revision}`
  return `${place},"created":"${formatTime(createdMs)}",`
}

let lastSecond = -1
let lastText = ''

/** ISO time of milliseconds since 1970; most records of a bucket were written in few seconds. */
export function formatTime(ms: number): string {
  const second = Math.floor(ms / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    lastText = new Date(second * 1000).toISOString().slice(0, 20)
  }
  return `${lastText}${String(ms - second * 1000).padStart(3, '0')}Z`
}
