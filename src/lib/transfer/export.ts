import {MissingBucketError} from '../cache/bucket-errors.js'
import type {LatticeCache} from '../cache/cache.js'
import {addressAt, addressName, bucketNames} from '../cache/key.js'
import type {BucketMessage} from '../cache/message.js'
import {readStream, streamState, type StreamState} from '../cache/read-stream.js'
import {recordKinds, type RecordKind} from '../records/registry.js'
import {formatNumber, jsonLines, type EntryHead, type ExportFormat, type ExportHeader, type Notation} from './format.js'
import {fileTarget, Output, stdoutTarget} from './output.js'
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
  const {file, redact, printable} = options
  const target = file === undefined ? stdoutTarget() : await fileTarget(file)
  const output = new Output(target, {printable: printable && file === undefined})
  try {
    return await writeExport(cache, output, {...options, redact})
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
  const header: ExportHeader = {
    format: formatNumber,
    ...where,
    created: new Date(options.now).toISOString(),
    kinds,
    ...(options.redact ? {redacted: true} : {}),
    buckets,
  }
  output.add(notation.header(header))
  const writer = new EntryWriter(cache.lattice, {kinds: new Set(kinds), notation, output, options})
  for (const {bucket} of sources) await writer.writeBucket(cache, bucket)
  const sha256 = await output.finish((digest) => notation.trailer({count: writer.count, sha256: digest}))
  return {
    ...where,
    format: options.format,
    kinds,
    redacted: options.redact,
    records: writer.count,
    bytes: output.bytes,
    sha256,
    buckets,
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
  #read = 0
  #total = 0
  count = 0

  constructor(lattice: string, settings: WriterOptions) {
    this.#lattice = lattice
    this.#data = bucketNames(lattice).data
    this.#settings = settings
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
        this.#read++
        if ((this.#read & 1023) === 0) options.report({done: this.#read, total: this.#total})
        const text = this.#entryOf(message, bucket)
        if (text === undefined) sorted?.delete(message.key)
        else if (sorted === undefined) this.#write(text)
        else sorted.set(message.key, text)
      },
    })
    for (const [, text] of [...(sorted ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) this.#write(text)
    options.report({done: this.#read, total: this.#total})
  }

  #write(text: string): void {
    this.count++
    this.#settings.output.add(text)
  }

  /** Undefined for what is gone or was not asked for. */
  #entryOf(message: BucketMessage, bucket: string): string | undefined {
    if (message.marker) return undefined
    const head = this.#headOf(message, bucket)
    const {kinds, notation, options} = this.#settings
    if (!kinds.has(head.kind)) return undefined
    const value = options.raw ? rawValue(message) : readValue(message)
    return notation.entry(head, options.redact ? redactValue(head, value) : value)
  }

  #headOf(message: BucketMessage, bucket: string): EntryHead {
    const {key, revision, createdMs} = message
    // Most raw keys are told by their first letter.
    if (bucket === this.#data && !/^[CLR]/.test(key)) return {kind: 'key', key, revision, createdMs}
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
