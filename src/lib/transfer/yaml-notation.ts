import {formatLossless, parseLossless} from '../keys/token.js'
import {isJsonRecord} from '../records/universal.js'
import {formatTime, type EntryHead, type EntryValue, type Notation} from './format.js'

/** One YAML document a record. A JSON value is written in blocks only where its exact bytes can be told from that. */
export const yamlDocuments: Notation = {
  header: (header) => document({export: header}),
  entry: (head, value) => document({...fields(head), ...content(value)}),
  trailer: (trailer) => document({end: trailer}),
}

function fields({kind, name, bucket, key, revision, createdMs}: EntryHead): Readonly<Record<string, unknown>> {
  return {
    kind,
    ...(name === undefined ? {} : {name}),
    ...(bucket === undefined ? {} : {bucket}),
    key,
    revision,
    created: formatTime(createdMs),
  }
}

function content({field, text}: EntryValue): Readonly<Record<string, unknown>> {
  if (field !== 'value') return {[field]: text}
  const value = parseLossless(text)
  return formatLossless(value) === text ? {value} : {text}
}

function document(value: object): string {
  return `---\n${block(value, '')}\n`
}

/** A value that is more than a line: its lines, each behind the indent. */
function block(value: unknown, indent: string): string {
  if (Array.isArray(value)) {
    return value.map((item: unknown) => `${indent}- ${part(item, `${indent}  `)}`).join('\n')
  }
  return Object.entries(value as object)
    .map(([name, field]) => `${indent}${scalar(name)}:${inner(field, `${indent}  `)}`)
    .join('\n')
}

function inner(value: unknown, indent: string): string {
  return isFull(value) ? `\n${block(value, indent)}` : ` ${scalar(value)}`
}

/** An item of a list begins on the line of its dash. */
function part(item: unknown, indent: string): string {
  return isFull(item) ? block(item, indent).slice(indent.length) : scalar(item)
}

/** Lists and objects with something in them; a raw number is an object too, with a null prototype. */
function isFull(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0
  return isJsonRecord(value) && Object.getPrototypeOf(value) !== null && Object.keys(value).length > 0
}

/** Plain where nobody could read it otherwise, else as JSON, which is YAML too. */
function scalar(value: unknown): string {
  if (typeof value === 'string' && plain.test(value) && !reserved.test(value)) return value
  return formatLossless(value).replace(/[\u007f-\u009f\ufeff\p{Cf}\p{Zl}\p{Zp}]/gu, escaped)
}

const plain = /^[A-Za-z_/][A-Za-z0-9_./@+=-]*(?: [A-Za-z0-9_./@+=-]+)*$/
// What some reader of YAML takes for a truth value, nothing, or a number.
const reserved = /^(?:true|false|yes|no|on|off|y|n|null|nan|inf)$/i

function escaped(character: string): string {
  const code = character.codePointAt(0)!.toString(16)
  return code.length > 4 ? `\\U${code.padStart(8, '0')}` : `\\u${code.padStart(4, '0')}`
}
