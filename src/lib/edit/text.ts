import type {StoredRecord} from '../cache/entry.js'
import {UsageError} from '../errors.js'
import {clean, jsonText} from '../output/text.js'
import type {Clash} from '../records/merge.js'
import {typedKindOf} from '../records/registry.js'
import {formatYaml, parseYaml} from '../records/yaml.js'

/** How a record stands in the file: YAML under lines of ours, or the very text of a raw key, where no line can be added. */
export type Form = 'yaml' | 'text'

/** Throws a UsageError for a value that no editor shows. */
export function formOf({address, entry}: StoredRecord, look: string): Form {
  if (entry.format === 'json' || (entry.format === 'text' && typedKindOf(address) !== undefined)) return 'yaml'
  if (entry.format === 'text' && !/[^\P{Cc}\n\r\t]/u.test(entry.value as string)) return 'text'
  throw new UsageError(`The value of '${entry.name}' is not text, so it cannot be edited.`, {
    suggestions: [`${look} --raw >value.bin`],
    details: {format: entry.format, size: entry.size},
  })
}

/** Lines that are not of the record; they start so that nobody writes one by chance. */
const mark = '#>'

/** The file with such lines above the text. */
export function withHeader(lines: readonly string[], text: string): string {
  return [...lines.map((line) => `${mark} ${clean(line)}`), text].join('\n')
}

/** The text without such lines at its start. */
export function withoutHeader(text: string): string {
  const lines = text.split('\n')
  const first = lines.findIndex((line) => !line.startsWith(mark))
  return first === -1 ? '' : lines.slice(first).join('\n')
}

/** The record as a person edits it, with notes where two sides clash. */
export function renderValue(value: unknown, clashes: readonly Clash[] = []): Promise<string> {
  return formatYaml(
    value,
    clashes.map(({path, base, theirs}) => ({
      path,
      lines: [`theirs: ${shown(theirs)}`, `before: ${shown(base)}`],
    })),
  )
}

/** The JSON value of an edited text; an error counts lines as if so many of ours stood above it. */
export async function readValue(text: string, header: number): Promise<unknown> {
  try {
    return await parseYaml(text)
  } catch {
    return parseYaml('#\n'.repeat(header) + text)
  }
}

/** A text as it is stored: most editors end a file with a line end that the value never had. */
export function withoutAddedEnd(text: string, before: string): string {
  return before.endsWith('\n') ? text : text.replace(/\r?\n$/, '')
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : jsonText(value)
}
