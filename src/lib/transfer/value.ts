import {isUtf8} from 'node:buffer'

import {decodeValue, withoutSecrets} from '../cache/entry.js'
import type {BucketMessage} from '../cache/message.js'
import {formatLossless, parseLossless} from '../keys/token.js'
import type {EntryHead, EntryValue} from './format.js'

/** What a value is written as: its exact bytes come back from each of the forms. */
export function readValue(message: BucketMessage): EntryValue {
  const text = message.text('utf8')
  // A replacement character comes from bytes that are no text, or stands there itself.
  if (text.includes('\ufffd') && !isUtf8(message.value)) return rawValue(message)
  return {field: isJsonLine(text) ? 'value' : 'text', text}
}

/** The bytes as they are. */
export function rawValue(message: BucketMessage): EntryValue {
  return {field: 'base64', text: message.text('base64')}
}

/** The value without what may be a secret. */
export function redactValue({kind, key}: Pick<EntryHead, 'kind' | 'key'>, value: EntryValue): EntryValue {
  if (value.field === 'base64') {
    return isWholeSecret(kind, key) ? {field: 'text', text: 'set'} : value
  }
  const decoded = value.field === 'value' ? parseLossless(value.text) : value.text
  const {value: shown} = withoutSecrets({kind, key, value: decoded})
  if (value.field === 'text' && typeof shown === 'string') return {field: 'text', text: shown}
  const text = formatLossless(shown)
  // What has no secret in it keeps its bytes.
  return {field: 'value', text: text === formatLossless(decoded) ? value.text : text}
}

function isWholeSecret(kind: EntryHead['kind'], key: string): boolean {
  return withoutSecrets({kind, key, value: 'x'}).value !== 'x'
}

/** True for JSON that can stand in a line: on one line, and not so deep that readers fail. */
function isJsonLine(text: string): boolean {
  const first = text.charCodeAt(0)
  if (!mayBeJson[first] || text.includes('\n') || text.includes('\r')) return false
  try {
    JSON.parse(text)
  } catch {
    return false
  }
  return !hasManyBrackets(text) || decodeValue(Buffer.from(text, 'utf8')).format === 'json'
}

/** Characters that JSON can begin with. */
const mayBeJson = Array.from({length: 128}, (_, code) => /[\s{["0-9tfn-]/.test(String.fromCharCode(code)))

/** Without so many the text cannot be deep, and to follow its brackets takes longer than to parse it. */
function hasManyBrackets(text: string): boolean {
  let count = 0
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at >= 0 && count <= 200; at = text.indexOf(bracket, at + 1)) count++
  }
  return count > 200
}
