import {createHash, type Hash} from 'node:crypto'

import {BundleEndError, BundleRefusedError, NoBundleError, reasons, type BundleAllowance} from './bundle-errors.js'
import type {ExportHeader} from './format.js'
import {parseAnyLine, parseWrittenLine, type Parsed, type ParsedEntry} from './parse-line.js'
import type {Source} from './source.js'

/** A line that holds no record, and why. */
export interface BadLine {
  readonly line: number
  readonly reason: string
}

/** What a part of a bundle holds. */
export interface Batch {
  readonly entries: readonly ParsedEntry[]
  readonly bad: readonly BadLine[]
}

/** The records of a bundle, read once from its beginning to its end. */
export class Bundle {
  readonly #source: Source
  readonly #allow: readonly BundleAllowance[]
  #ended = false
  #altered = false
  /** Records read by now. */
  count = 0
  /** What its first line says; undefined before that was read, and where there is none. */
  header: ExportHeader | undefined
  /** Bytes read by now. */
  bytes = 0

  constructor(source: Source, allow: readonly BundleAllowance[]) {
    this.#source = source
    this.#allow = allow
  }

  /**
   * The records in their order. Throws a BundleRefusedError for one that was redacted, and at the end of a pipe a
   * BundleEndError for one that was cut off or changed, unless that is allowed.
   */
  async *batches(): AsyncGenerator<Batch> {
    const chunks = this.#source.chunks()
    const first = await chunks.next()
    if (first.done === true) throw new NoBundleError(this.#source.name, 'is empty')
    const isYaml = !/^\s*\{/.test(first.value.toString('latin1', 0, 1024))
    const all = prepend(first.value, chunks)
    yield* isYaml ? this.#yaml(all) : this.#lines(all)
  }

  async *#lines(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Batch> {
    const {verified} = this.#source
    const hash = verified ? undefined : createHash('sha256')
    let rest: Buffer = Buffer.alloc(0)
    let line = 0
    for await (const chunk of withLineEnd(chunks)) {
      const buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      const batch: MutableBatch = {entries: [], bad: []}
      let hashed = 0
      let start = 0
      for (let end = buffer.indexOf(10); end >= 0; start = end + 1, end = buffer.indexOf(10, start)) {
        line++
        if (end === start) continue
        const span = {buffer, start, end, line}
        const entry = this.#ended ? undefined : parseWrittenLine(span, verified)
        if (entry !== undefined) {
          batch.entries.push(entry)
          continue
        }
        const parsed = parseAnyLine(span)
        // The checksum is of what stands before it.
        if (parsed.type === 'trailer') hash?.update(buffer.subarray(hashed, (hashed = start)))
        this.#take(parsed, batch, hash)
      }
      hash?.update(buffer.subarray(hashed, start))
      rest = buffer.subarray(start)
      this.bytes += chunk.length
      yield this.#counted(batch)
    }
    this.#finish()
  }

  async *#yaml(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Batch> {
    const {splitDocuments, parseYamlText} = await import('./yaml-bundle.js')
    const hash = this.#source.verified ? undefined : createHash('sha256')
    const counted = countBytes(chunks, (bytes) => (this.bytes += bytes))
    for await (const documents of splitDocuments(counted)) {
      const batch: MutableBatch = {entries: [], bad: []}
      for (const document of documents) {
        const parsed = await parseYamlText(document)
        if (parsed !== undefined) this.#take(parsed, batch, hash)
        hash?.update(document.text)
      }
      yield this.#counted(batch)
    }
    this.#finish()
  }

  #take(parsed: Parsed, {entries, bad}: MutableBatch, hash: Hash | undefined): void {
    if (parsed.type !== 'problem' && this.#ended) this.#altered = true
    switch (parsed.type) {
      case 'entry':
        entries.push(parsed.entry)
        break
      case 'problem':
        bad.push({line: parsed.line, reason: parsed.reason})
        break
      case 'header':
        this.header ??= parsed.header
        if (parsed.header.redacted === true && !this.#allow.includes('redacted')) {
          throw new BundleRefusedError(this.#source.name, {word: 'redacted', reason: reasons.redacted})
        }
        break
      case 'trailer':
        this.#ended = true
        this.#altered ||= hash !== undefined && hash.copy().digest('hex') !== parsed.trailer.sha256
        break
    }
  }

  #counted(batch: Batch): Batch {
    this.count += batch.entries.length + batch.bad.length
    return batch
  }

  #finish(): void {
    const {name, verified} = this.#source
    if (verified) return
    const word = this.#ended ? (this.#altered ? 'altered' : undefined) : 'incomplete'
    if (word !== undefined && !this.#allow.includes(word)) throw new BundleEndError(name, {word, reason: reasons[word]})
  }
}

interface MutableBatch {
  readonly entries: ParsedEntry[]
  readonly bad: BadLine[]
}

async function* prepend(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first
  yield* rest
}

/** The last line may have no end. */
async function* withLineEnd(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  let last: number | undefined
  for await (const chunk of chunks) {
    last = chunk.at(-1)
    yield chunk
  }
  if (last !== 10) yield Buffer.from('\n')
}

async function* countBytes(chunks: AsyncGenerator<Buffer>, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    count(chunk.length)
    yield chunk
  }
}
