import {UsageError} from '../errors.js'
import {ConfigTextError} from './config-error.js'
import type {ConfigProblem} from './facts.js'
import {readMappings} from './mappings.js'
import {parseConfigText} from './parse.js'
import {resolveConfig} from './resolve.js'
import {placeAt, sourceOf, type WrittenValue} from './tree.js'

/** What a mappings file says: source → destinations; a weight of 0 is never picked, and what is missing to 100 stays on the source. */
export type FileMappings = ReadonlyMap<
  string,
  readonly {readonly subject: string; readonly weight: number; readonly cluster?: string}[]
>

const header = [
  '# Written by lattice: all mappings of one account; a second block elsewhere would replace them.',
  '# `lattice route` changes its own entries and keeps all others; comments and layout are not kept.',
]

/** The text of a mappings file: always the same for the same mappings. Throws a UsageError for a subject that cannot be written. */
export function renderMappings(mappings: FileMappings): string {
  const entries = [...mappings].sort(([a], [b]) => (a < b ? -1 : 1))
  const blocks = entries.map(([source, destinations]) => {
    const lines = destinations.map((destination) => `    ${renderDestination(destination)}`)
    return [`  ${quoteKey(source)}: [`, ...lines, '  ]'].join('\n')
  })
  return [...header, 'mappings {', ...blocks, '}', ''].join('\n')
}

/**
 * Reads a mappings file: one `mappings` and nothing else, or nothing at all. Throws a ConfigTextError with the place of
 * what the server would refuse and of what could not be written again, such as variables.
 */
export function parseMappings(text: string, file: string): FileMappings {
  const source = sourceOf(file, text)
  const root = parseConfigText(source)
  checkPlain(root, (start, reason) => new ConfigTextError(reason, placeAt(source, start)))
  const {settings} = resolveConfig({source, root, includes: new Map()}, {})
  const other = settings.find(({key}, index) => index > 0 || !['mappings', 'maps'].includes(key.toLowerCase()))
  if (other !== undefined) {
    throw new ConfigTextError('this file may hold one mappings block and nothing else', placeAt(source, other.start))
  }
  const problems: ConfigProblem[] = []
  const mappings = settings.flatMap(({value}) => readMappings(value, problems))
  const [first] = problems
  if (first !== undefined) throw new ConfigTextError(first.reason, first.at)
  return new Map(
    mappings.map(({source: from, destinations}) => [from, destinations.map(({at: _, ...destination}) => destination)]),
  )
}

/** Variables and includes mean something else elsewhere, so they cannot be kept. */
function checkPlain(value: WrittenValue, failure: (start: number, reason: string) => Error): void {
  if (value.kind === 'variable') throw failure(value.start, `the variable '$${value.name}' cannot be kept in this file`)
  if (value.kind === 'array') for (const item of value.items) checkPlain(item, failure)
  if (value.kind !== 'map') return
  for (const entry of value.entries) {
    if (entry.kind === 'include') throw failure(entry.start, 'an include cannot be kept in this file')
    checkPlain(entry.value, failure)
  }
}

function renderDestination({subject, weight, cluster}: {subject: string; weight: number; cluster?: string}): string {
  const where = cluster === undefined ? '' : `, cluster: ${quoteValue(cluster)}`
  return `{destination: ${quoteValue(subject)}, weight: ${weight}${where}}`
}

/** Keys know no escapes. */
function quoteKey(source: string): string {
  checkWritable(source)
  if (!source.includes('"')) return `"${source}"`
  if (!source.includes("'")) return `'${source}'`
  if (/^[^"'#/\]}=:\s]/.test(source) && !/[\s=:\u0085]/.test(source)) return source
  throw new UnwritableSubjectError(source)
}

const escapes: Readonly<Record<string, string>> = {'"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t'}

function quoteValue(text: string): string {
  checkWritable(text)
  return `"${text.replace(/["\\\n\r\t]/g, (character) => escapes[character]!)}"`
}

function checkWritable(text: string): void {
  if (!text.isWellFormed() || text.includes('\0')) throw new UnwritableSubjectError(text)
}

/** The language of the server's configuration has no way to write this subject. */
export class UnwritableSubjectError extends UsageError {
  constructor(subject: string) {
    super(`The subject ${JSON.stringify(subject)} cannot be written into a server configuration.`, {details: {subject}})
  }
}
