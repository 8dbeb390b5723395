import {formatLossless, parseLossless} from '../keys/token.js'
import {isJsonRecord, type JsonRecord} from '../records/universal.js'
import {recordKinds, type RecordKind} from '../records/registry.js'
import {formatNumber, type ExportHeader, type ExportTrailer} from './format.js'

/** A record as a bundle has it, with the exact bytes of its value. */
export interface ParsedEntry {
  /** Line, or number of the document, counted from one. */
  readonly line: number
  readonly kind: RecordKind
  readonly bucket?: string
  readonly key: string
  readonly bytes: Uint8Array
}

export type Parsed =
  | {readonly type: 'entry'; readonly entry: ParsedEntry}
  | {readonly type: 'header'; readonly header: ExportHeader}
  | {readonly type: 'trailer'; readonly trailer: ExportTrailer}
  | {readonly type: 'problem'; readonly line: number; readonly reason: string}

/** A line, which begins and ends somewhere in a chunk. */
export interface LineSpan {
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
  readonly line: number
}

/**
 * Reads a line as an export writes it, without parsing what it can copy. Undefined for a line that looks otherwise. Unless
 * it is known that nothing was changed since, the value is parsed to see that it is one.
 */
export function parseWrittenLine({buffer, start, end, line}: LineSpan, verified: boolean): ParsedEntry | undefined {
  const text = buffer.toString('latin1', start, end)
  const kindEnd = text.indexOf('"', 9)
  if (!text.startsWith('{"kind":"') || !text.endsWith('}')) return undefined
  const kind = kindOf.get(text.slice(9, kindEnd))
  let at = skipText(text, kindEnd + 1, ',"name":"')
  const bucketStart = at + 11
  const afterBucket = skipText(text, at, ',"bucket":"')
  const bucket = afterBucket === at ? undefined : text.slice(bucketStart, afterBucket - 1)
  at = afterBucket
  const keyEnd = skipText(text, at, ',"key":"')
  const key = text.slice(at + 8, keyEnd - 1)
  if (kind === undefined || keyEnd <= at || key.includes('\\')) return undefined
  const revisionEnd = skipDigits(text, keyEnd, ',"revision":')
  const head = skipText(text, revisionEnd, ',"created":"')
  if (revisionEnd === keyEnd || head === revisionEnd) return undefined
  const bytes = valueBytes({buffer, start, end, line}, text, head, verified)
  if (bytes === undefined) return undefined
  return {line, kind, ...(bucket === undefined ? {} : {bucket}), key, bytes}
}

/** Reads a line whatever wrote it; see Parsed. */
export function parseAnyLine({buffer, start, end, line}: LineSpan): Parsed {
  const problem = (reason: string): Parsed => ({type: 'problem', line, reason})
  try {
    const value = parseLossless(utf8.decode(buffer.subarray(start, end)))
    return isJsonRecord(value) ? parseDocument(value, line) : problem('it is not a JSON object')
  } catch {
    return problem('it is not JSON')
  }
}

/** Reads what a line or document holds, as parseLossless gives it. */
export function parseDocument(document: JsonRecord, line: number): Parsed {
  const problem = (reason: string): Parsed => ({type: 'problem', line, reason})
  const own = (name: string): unknown => (Object.hasOwn(document, name) ? document[name] : undefined)
  const [header, trailer] = [own('export'), own('end')]
  if (isJsonRecord(header)) return parseHeader(header) ?? problem('it is of a format that this release cannot read')
  if (isJsonRecord(trailer)) return {type: 'trailer', trailer: trailer as unknown as ExportTrailer}
  const [kind, key, bucket] = [kindOf.get(own('kind')), own('key'), own('bucket')]
  if (kind === undefined) return problem("its field 'kind' is none of the kinds of records")
  if (typeof key !== 'string') return problem("its field 'key' is not a text")
  if (bucket !== undefined && typeof bucket !== 'string') return problem("its field 'bucket' is not a text")
  const values = (['value', 'text', 'base64'] as const).filter((name) => own(name) !== undefined)
  if (values.length !== 1) return problem("it has not exactly one of the fields 'value', 'text' and 'base64'")
  const bytes = bytesOf(values[0]!, own(values[0]!))
  if (bytes === undefined) return problem(`its field '${values[0]!}' does not decode`)
  return {type: 'entry', entry: {line, kind, ...(bucket === undefined ? {} : {bucket}), key, bytes}}
}

const kindOf = new Map<unknown, RecordKind>(recordKinds.map((kind) => [kind, kind]))
const utf8 = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true})

/** The place behind a name and the text that follows it; the same place when another name stands there. */
function skipText(text: string, at: number, name: string): number {
  if (!text.startsWith(name, at)) return at
  let end = text.indexOf('"', at + name.length)
  while (end > 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end < 0 ? at : end + 1
}

/** True when an odd number of backslashes stands before it. */
function isEscaped(text: string, at: number): boolean {
  let before = at
  while (text.charCodeAt(before - 1) === 0x5c) before--
  return (at - before) % 2 === 1
}

function skipDigits(text: string, at: number, name: string): number {
  if (!text.startsWith(name, at)) return at
  let end = at + name.length
  while (text.charCodeAt(end) >= 0x30 && text.charCodeAt(end) <= 0x39) end++
  return end
}

function valueBytes(
  {buffer, start, end}: LineSpan,
  text: string,
  at: number,
  verified: boolean,
): Uint8Array | undefined {
  const last = text.length - 1
  if (text.startsWith(',"value":', at)) {
    const from = at + 9
    if (!verified && !isJson(buffer.toString('utf8', start + from, end - 1))) return undefined
    return bytesBetween(buffer, start + from, end - 1)
  }
  const name = text.startsWith(',"text":"', at) ? ',"text":"' : ',"base64":"'
  const from = at + name.length
  if (!text.startsWith(name, at) || text.indexOf('"', from) !== last - 1) return undefined
  if (name === ',"base64":"') {
    const base64 = text.slice(from, last - 1)
    return verified ? Buffer.from(base64, 'base64') : decodeBase64(base64)
  }
  // Nothing is escaped in it, so it stands there as it is.
  if (text.includes('\\', from) || (!verified && !isJson(buffer.toString('utf8', start + from - 1, end - 1))))
    return undefined
  return bytesBetween(buffer, start + from, end - 2)
}

/** A view; to make a Buffer of it takes several times as long. */
function bytesBetween(buffer: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset + start, end - start)
}

function isJson(text: string): boolean {
  if (text.includes('\ufffd')) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function bytesOf(field: 'value' | 'text' | 'base64', value: unknown): Uint8Array | undefined {
  if (field === 'value') return new TextEncoder().encode(formatLossless(value))
  if (typeof value !== 'string') return undefined
  return field === 'base64' ? decodeBase64(value) : new TextEncoder().encode(value)
}

/** Node leaves out what is no base64, so it is compared with what it was made of. */
function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64')
  const same = bytes.toString('base64')
  return text === same || text === same.replace(/=+$/, '') ? bytes : undefined
}

function parseHeader(header: JsonRecord): Parsed | undefined {
  const {format, lattice} = header as Partial<ExportHeader>
  if (typeof format !== 'number' || format > formatNumber || typeof lattice !== 'string') return undefined
  return {type: 'header', header: header as unknown as ExportHeader}
}
