import {MissingBucketError} from '../cache/bucket-errors.js'
import type {LatticeCache} from '../cache/cache.js'
import {addressAt, addressName, bucketNames} from '../cache/key.js'
import type {BucketMessage} from '../cache/message.js'
import {readStream, streamState, type StreamState} from '../cache/read-stream.js'
import {recordKinds, type RecordKind} from '../records/registry.js'
import {formatNumber, jsonLines, type EntryHead, type ExportFormat, type ExportHeader, type Notation} from './format.js'
import {JsonWriter} from './json-writer.js'
import {fileTarget, Output, printableJson, ReaderGoneError, stdoutTarget} from './output.js'
import {plainKind} from './plain-key.js'
import {rawValue, readValue, redactValue} from './value.js'

export interface ExportOptions {
  /** Only records of these kinds; default all. */
  readonly kinds?: readonly RecordKind[] | undefined
  readonly format: ExportFormat
  /** By key, which keeps all of them in memory; default is the order of the stream. */
  readonly sort?: 'key' | undefined
  /** Path of the file; stdout when left out. */
  readonly file?: string | undefined
  /** Replace what may be a secret. */
  readonly redact: boolean
  /** Stdout is a terminal: show nothing that it would obey. */
  readonly printable: boolean
  /** Values as their bytes in base64. */
  readonly raw: boolean
  /** When it begins, in milliseconds since 1970. */
  readonly now: number
  readonly report: (event: ExportProgress) => void
  readonly signal?: AbortSignal | undefined
}

/** How far an export is. */
export interface ExportProgress {
  readonly done: number
  /** As far as it is known by now. */
  readonly total: number
}

/** What was written; also the JSON of `cache export`. */
export interface ExportResult {
  readonly lattice: string
  readonly context?: string
  readonly format: ExportFormat
  readonly kinds: readonly RecordKind[]
  readonly redacted: boolean
  readonly records: number
  readonly bytes: number
  /** Of all but the last line; empty when whoever read stdout went away before the end. */
  readonly sha256: string
  readonly buckets: ExportHeader['buckets']
}

interface Source {
  readonly bucket: string
  readonly state: StreamState
}

/**
 * Writes every record of a lattice, or those of some kinds, in constant memory, with what ExportHeader and ExportTrailer
 * say around them. A file is there as a whole or not at all.
 */
export async function exportRecords(cache: LatticeCache, options: ExportOptions): Promise<ExportResult> {
  const {file, printable} = options
  const target = file === undefined ? stdoutTarget() : await fileTarget(file)
  const output = new Output(target)
  try {
    return await writeExport(cache, output, {...options, printable: printable && file === undefined})
  } catch (error) {
    await output.abandon()
    throw error
  }
}

async function writeExport(cache: LatticeCache, output: Output, options: ExportOptions): Promise<ExportResult> {
  const notation = await notationOf(options.format)
  const kinds = recordKinds.filter((kind) => options.kinds?.includes(kind) ?? true)
  const sources = await findSources(cache, kinds)
  const buckets = sources.map(({bucket, state: {created, lastRevision}}) => ({bucket, created, revision: lastRevision}))
  const where = {lattice: cache.lattice, ...(cache.context === undefined ? {} : {context: cache.context})}
  const created = new Date(options.now).toISOString()
  const redacted: Pick<ExportHeader, 'redacted'> = options.redact ? {redacted: true} : {}
  output.add(notation.header({format: formatNumber, ...where, created, kinds, ...redacted, buckets}))
  const writer = new EntryWriter(cache.lattice, {kinds: new Set(kinds), notation, output, options})
  const result = (sha256: string): ExportResult => ({
    ...where,
    format: options.format,
    kinds,
    redacted: redacted.redacted === true,
    records: writer.count,
    bytes: output.bytes,
    sha256,
    buckets,
  })
  try {
    for (const {bucket} of sources) await writer.writeBucket(cache, bucket)
    return result(await output.finish((sha256) => notation.trailer({count: writer.count, sha256})))
  } catch (error) {
    // `lattice cache export | head` has what it wanted.
    if (error instanceof ReaderGoneError) return result('')
    throw error
  }
}

/** The YAML notation is loaded only when it is used. */
async function notationOf(format: ExportFormat): Promise<Notation> {
  return format === 'jsonl' ? jsonLines : (await import('./yaml-notation.js')).yamlDocuments
}

/** The buckets in which records of these kinds may lie, of those that are there. */
async function findSources(cache: LatticeCache, kinds: readonly RecordKind[]): Promise<Source[]> {
  const {data, versions, config, routes} = bucketNames(cache.lattice)
  const places: Readonly<Record<RecordKind, readonly string[]>> = {
    claims: [data, versions],
    link: [data],
    ref: [data],
    component: [data],
    config: [config],
    route: [routes],
    key: [data, versions, routes],
  }
  const wanted = new Set(kinds.flatMap((kind) => places[kind]))
  const found = await Promise.all(
    [data, versions, config, routes]
      .filter((bucket) => wanted.has(bucket))
      .map(async (bucket): Promise<Source | undefined> => {
        try {
          return {bucket, state: await streamState(cache.jetStream(), bucket)}
        } catch (error) {
          if (error instanceof MissingBucketError) return undefined
          throw error
        }
      }),
  )
  return found.filter((source) => source !== undefined)
}

interface WriterOptions {
  readonly kinds: ReadonlySet<RecordKind>
  readonly notation: Notation
  readonly output: Output
  readonly options: ExportOptions
}

class EntryWriter {
  readonly #lattice: string
  readonly #data: string
  readonly #settings: WriterOptions
  /** For what needs no text in between. */
  readonly #lines: JsonWriter | undefined
  #read = 0
  #total = 0
  count = 0

  constructor(lattice: string, settings: WriterOptions) {
    const {output, options} = settings
    const {format, sort, redact, printable} = options
    this.#lattice = lattice
    this.#data = bucketNames(lattice).data
    this.#settings = settings
    const plain = format === 'jsonl' && sort === undefined && !redact && !printable
    this.#lines = plain ? new JsonWriter(output, options) : undefined
  }

  async writeBucket(cache: LatticeCache, bucket: string): Promise<void> {
    const {output, options} = this.#settings
    const sorted = options.sort === 'key' ? new Map<string, string>() : undefined
    await readStream(cache.jetStream(), bucket, {
      signal: options.signal,
      hold: () => output.hold(),
      begin: (total) => {
        this.#total += total
      },
      take: (message) => {
        if ((++this.#read & 1023) === 0) options.report({done: this.#read, total: this.#total})
        if (message.marker) sorted?.delete(message.key)
        else this.#take(message, {bucket, sorted})
      },
    })
    for (const [, text] of [...(sorted ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) this.#add(text)
    options.report({done: this.#read, total: this.#total})
  }

  #take(
    message: BucketMessage,
    {bucket, sorted}: {readonly bucket: string; readonly sorted: Map<string, string> | undefined},
  ): void {
    const {kinds, notation, options} = this.#settings
    const ofData = bucket === this.#data
    // Most raw keys are told by their first letter.
    const rawKey = ofData && !isTypedStart(message.subject[message.keyStart])
    if (rawKey && !kinds.has('key')) return
    if (this.#lines !== undefined && ofData && this.#writePlain(this.#lines, message, rawKey)) {
      this.count++
      return
    }
    const head = rawKey ? rawHead(message) : this.#headOf(message, bucket)
    if (!kinds.has(head.kind)) return
    if (this.#lines !== undefined) {
      this.count++
      this.#lines.write(message, head)
      return
    }
    const value = options.raw ? rawValue(message) : readValue(message)
    const text = notation.entry(head, options.redact ? redactValue(head, value) : value)
    if (sorted === undefined) this.#add(text)
    else sorted.set(head.key, text)
  }

  /** Writes a record from bytes to bytes; false, and nothing, where that cannot be. */
  #writePlain(lines: JsonWriter, message: BucketMessage, rawKey: boolean): boolean {
    if (rawKey) return lines.writeRawKey(message)
    const kind = plainKind(message.subject, message.keyStart)
    return kind !== undefined && this.#settings.kinds.has(kind) && lines.writePlain(message, kind)
  }

  #add(text: string): void {
    const {output, options} = this.#settings
    this.count++
    output.add(options.printable && options.format === 'jsonl' ? printableJson(text) : text)
  }

  #headOf(message: BucketMessage, bucket: string): EntryHead {
    const {key, revision, createdMs} = message
    const address = addressAt({bucket, key}, this.#lattice)
    const name = addressName(address)
    return {
      kind: address.kind,
      ...(name === key ? {} : {name}),
      ...(address.kind === 'key' && address.bucket !== undefined ? {bucket: address.bucket} : {}),
      key,
      revision,
      createdMs,
    }
  }
}

function rawHead({key, revision, createdMs}: BucketMessage): EntryHead {
  return {kind: 'key', key, revision, createdMs}
}

/** The first letter of CLAIMS_, COMPONENT_, LINKDEF_ and REFMAP_. */
function isTypedStart(byte: number | undefined): boolean {
  return byte === 0x43 || byte === 0x4c || byte === 0x52
}
