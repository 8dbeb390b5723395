import type * as Yaml from 'yaml'
import type {Alias, Document, Node, Scalar, ScalarTag} from 'yaml'

import {UsageError} from '../errors.js'
import {parseLossless} from '../keys/token.js'
import {equalValues, rawNumber, type ValuePath} from './diff.js'

/** Comments that stand above places of a value, line by line. */
export type YamlNotes = readonly {readonly path: ValuePath; readonly lines: readonly string[]}[]

const deepest = 200
/** More than this only aliases of aliases come to: a few lines of them stand for billions of values. */
const mostNodes = 300_000

/**
 * The JSON value of a YAML text; JSON is YAML. Numbers keep their digits as with parseLossless. Throws a UsageError that
 * names the place and repeats nothing of the text, which may hold secrets.
 */
export async function parseYaml(text: string): Promise<unknown> {
  const json = parseJson(text)
  if (json !== undefined) return json.value
  const yaml = await import('yaml')
  try {
    const document = yaml.parseDocument(text, {intAsBigInt: true, logLevel: 'error', uniqueKeys: sameKey})
    const problem = document.errors[0] ?? document.warnings[0]
    if (problem !== undefined) throw unreadable(problem.code.toLowerCase().replaceAll('_', ' '), problem.linePos?.[0])
    return toJson(document.contents, {yaml, document, depth: 0, budget: {left: mostNodes}, targets: new Map()})
  } catch (error) {
    // The parser goes as deep as the text does.
    if (error instanceof RangeError) throw unreadable('it is nested too deep')
    throw error
  }
}

/** A value as YAML from which parseYaml reads the very same value; what YAML cannot say so is written as JSON. */
export async function formatYaml(value: unknown, notes: YamlNotes = []): Promise<string> {
  const yaml = await import('yaml')
  const document = new yaml.Document(value, {customTags: [rawNumberTag], aliasDuplicateObjects: false})
  for (const {path, lines} of notes) comment(yaml, document, {path, text: lines.map((line) => ` ${line}`).join('\n')})
  const text = document.toString({lineWidth: 0})
  // Half of a surrogate pair is lost in a file.
  const stored = new TextDecoder().decode(new TextEncoder().encode(text))
  const same = await parseYaml(stored).then(
    (read) => equalValues(read, value),
    () => false,
  )
  return same ? text : `${JSON.stringify(value, undefined, 2)}\n`
}

/** Numbers that a double cannot hold go out as they came in. */
const rawNumberTag: ScalarTag = {
  tag: 'tag:yaml.org,2002:float',
  default: true,
  identify: (value) => rawNumber(value) !== undefined,
  resolve: (text) => text,
  stringify: ({value}) => rawNumber(value) ?? '',
}

interface Walk {
  readonly yaml: typeof Yaml
  readonly document: Document
  readonly depth: number
  readonly budget: {left: number}
  /** What aliases stand for: each has to be searched for. */
  readonly targets: Map<Alias, Node>
}

function toJson(node: unknown, walk: Walk): unknown {
  const {yaml, depth, budget} = walk
  if (depth > deepest) throw unreadable('it is nested too deep')
  if (--budget.left < 0) throw unreadable('its aliases stand for too much')
  const inner = {...walk, depth: depth + 1}
  if (yaml.isAlias(node)) return toJson(targetOf(node, walk), inner)
  if (yaml.isSeq(node)) return node.items.map((item) => toJson(item, inner))
  if (yaml.isMap(node)) {
    return Object.fromEntries(node.items.map(({key, value}) => [keyText(key, walk), toJson(value, inner)] as const))
  }
  return yaml.isScalar(node) ? scalarValue(node) : null
}

/** In JSON every key is a text: that of a number or a truth value is what was written. */
function keyText(key: unknown, walk: Walk): string {
  const node = walk.yaml.isAlias(key) ? targetOf(key, walk) : key
  if (!walk.yaml.isScalar(node)) throw unreadable('a key is not a text')
  return typeof node.value === 'string' ? node.value : (node.source ?? '')
}

/** Versions such as 1.1 and 1.10 are one number and two keys. */
function sameKey(left: unknown, right: unknown): boolean {
  const [mine, other] = [left, right].map((key) => writtenKey(key as Partial<Scalar> | null))
  return left === right || (mine !== undefined && mine === other)
}

function writtenKey(key: Partial<Scalar> | null): string | undefined {
  return typeof key?.value === 'string' ? key.value : key?.source
}

function targetOf(alias: Alias, {document, targets}: Walk): Node {
  const target = targets.get(alias) ?? alias.resolve(document)
  if (target === undefined) throw unreadable('an alias stands for nothing')
  targets.set(alias, target)
  return target
}

function scalarValue({value, source = ''}: Scalar): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'bigint' || typeof value === 'number') return numberValue(value, source)
  throw unreadable('it holds a value that JSON does not have')
}

function numberValue(value: bigint | number, source: string): unknown {
  const plain = source
    .replace(/^\+/, '')
    .replace(/^(-?)0+(?=\d)/, '$1')
    .replace(/^(-?)\./, '$10.')
    .replace(/\.(?=$|[eE])/, '')
  if (/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(plain)) return parseLossless(plain)
  if (typeof value === 'bigint') return parseLossless(String(value))
  if (Number.isFinite(value)) return value
  throw unreadable('it holds a number that JSON does not have')
}

function comment(yaml: typeof Yaml, document: Document, {path, text}: {path: ValuePath; text: string}): void {
  const parent = path.length < 2 ? document.contents : document.getIn(path.slice(0, -1), true)
  const last = path.at(-1)
  const node =
    last === undefined
      ? document.contents
      : yaml.isMap(parent)
        ? parent.items.find(({key}) => (yaml.isScalar(key) ? key.value : key) === last)?.key
        : yaml.isSeq(parent)
          ? parent.items[Number(last)]
          : undefined
  if (yaml.isNode(node)) node.commentBefore = text
}

function parseJson(text: string): {readonly value: unknown} | undefined {
  try {
    return {value: parseLossless(text)}
  } catch {
    return undefined
  }
}

function unreadable(reason: string, at?: {readonly line: number; readonly col: number}): UsageError {
  const place = at === undefined ? '' : `, line ${at.line}, column ${at.col}`
  return new UsageError(`The value is neither JSON nor YAML${place}: ${reason}.`, {
    details: {reason, ...(at === undefined ? {} : {line: at.line, column: at.col})},
  })
}
