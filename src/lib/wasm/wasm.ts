import {ModuleError} from './module-error.js'

/** One section of a module: its id, its bytes without id and size, and the name of a custom one. */
export interface WasmSection {
  readonly id: number
  readonly data: Uint8Array
  /** Custom sections only. */
  readonly name?: string
  /** What follows the name; custom sections only. */
  readonly body?: Uint8Array
}

const header = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00)
const componentVersion = 0x0d
const lastSectionId = 13
const memorySectionId = 5
/** Bytes of one page of guest memory. */
export const pageBytes = 65_536

/** Splits a core WebAssembly module into its sections, which together are every byte of it; throws a ModuleError. */
export function parseSections(wasm: Uint8Array): WasmSection[] {
  if (!startsWith(wasm, header.subarray(0, 4))) throw new ModuleError('not-wasm', 'it is not a WebAssembly module')
  if (wasm[4] === componentVersion)
    throw new ModuleError('component', 'it is a WebAssembly component, and only core modules run here')
  if (!startsWith(wasm, header)) throw new ModuleError('not-wasm', 'it is not a WebAssembly module of version 1')
  const sections: WasmSection[] = []
  for (let at = header.length; at < wasm.length;) {
    const id = wasm[at]!
    const size = readU32(wasm, at + 1)
    const end = size.next + size.value
    if (id > lastSectionId || end > wasm.length) throw malformed()
    const data = wasm.subarray(size.next, end)
    sections.push(id === 0 ? customSection(data) : {id, data})
    at = end
  }
  return sections
}

/** The module of these sections; sizes are written in their shortest form, as `wascap` re-assembles a module. */
export function formatSections(sections: readonly WasmSection[]): Uint8Array {
  const parts = sections.flatMap(({id, data}) => [Uint8Array.of(id, ...formatU32(data.length)), data])
  return Buffer.concat([header, ...parts])
}

/** A custom section of that name. */
export function makeCustomSection(name: string, body: Uint8Array): WasmSection {
  const nameBytes = Buffer.from(name, 'utf8')
  return {id: 0, data: Buffer.concat([Uint8Array.from(formatU32(nameBytes.length)), nameBytes, body]), name, body}
}

/**
 * The same module with its memory bounded to `maxPages`, so that growing further fails inside the guest and not in the host.
 * Throws a ModuleError when it asks for more at its start, has several memories or none that can be bounded.
 */
export function limitMemory(wasm: Uint8Array, maxPages: number): Uint8Array {
  return formatSections(
    parseSections(wasm).map((section) =>
      section.id === memorySectionId ? {id: memorySectionId, data: limitSection(section.data, maxPages)} : section,
    ),
  )
}

function limitSection(data: Uint8Array, maxPages: number): Uint8Array {
  const count = readU32(data, 0)
  const flags = data[count.next]
  if (count.value === 0) return data
  if (count.value !== 1 || (flags !== 0 && flags !== 1)) {
    throw new ModuleError('memory', 'it has a kind of memory that is not offered here')
  }
  const least = readU32(data, count.next + 1)
  const most = flags === 1 ? readU32(data, least.next) : undefined
  if ((most ?? least).next !== data.length) throw malformed()
  if (least.value > maxPages) {
    const [asked, allowed] = [least.value, maxPages].map((pages) => Math.ceil((pages * pageBytes) / 2 ** 20))
    throw new ModuleError('memory', `it needs ${asked!} MiB of memory to start, and ${allowed!} MiB are allowed`)
  }
  return Uint8Array.of(1, 1, ...formatU32(least.value), ...formatU32(Math.min(most?.value ?? maxPages, maxPages)))
}

function customSection(data: Uint8Array): WasmSection {
  const length = readU32(data, 0)
  const end = length.next + length.value
  if (end > data.length) throw malformed()
  return {id: 0, data, name: decodeName(data.subarray(length.next, end)), body: data.subarray(end)}
}

const utf8 = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true})

function decodeName(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw malformed()
  }
}

/** Reads an unsigned LEB128 of at most 32 bits. */
function readU32(bytes: Uint8Array, start: number): {readonly value: number; readonly next: number} {
  let value = 0
  for (let index = 0; index < 5; index++) {
    const byte = bytes[start + index]
    if (byte === undefined || (index === 4 && byte > 0x0f)) break
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return {value, next: start + index + 1}
  }
  throw malformed()
}

function formatU32(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest]
    bytes.push((rest & 0x7f) | 0x80)
  }
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, index) => bytes[index] === byte)
}

function malformed(): ModuleError {
  return new ModuleError('malformed', 'it is not a well-formed WebAssembly module')
}
