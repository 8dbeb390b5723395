import type {Change, ValuePath} from '../records/diff.js'
import {clean, jsonText} from './text.js'

const longest = 100

/** Changes of a value, a line each; what is long is on a line for each side, and texts of many lines line by line. */
export function diffView(changes: readonly Change[]): string {
  return changes.map(changeText).join('\n')
}

/** The way to a part of a value, as it is written in code: `links[0].target`, `values["a b"]`. */
export function pathText(path: ValuePath): string {
  const parts = path.map((part, index) => {
    if (typeof part === 'number') return `[${part}]`
    if (!/^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(part)) return `[${jsonText(part)}]`
    return index === 0 ? part : `.${part}`
  })
  return clean(parts.join(''))
}

function changeText({path, before, after}: Change): string {
  const label = path.length === 0 ? '' : `${pathText(path)}: `
  if (before === undefined) return side('+', label, after)
  if (after === undefined) return side('-', label, before)
  if (hasLines(before) && hasLines(after)) return lineChanges(label, before.split('\n'), after.split('\n'))
  const [left, right] = [jsonText(before), jsonText(after)]
  const note = left === right ? ' (what differs is not shown)' : ''
  const together = `~ ${label}${left} → ${right}${note}`
  return together.length <= longest ? together : `${side('-', label, before)}\n${side('+', label, after)}${note}`
}

/** A value that is one side of a change; a large one goes on in lines of its own. */
function side(mark: '+' | '-', label: string, value: unknown): string {
  const text = jsonText(value)
  if (label.length + text.length <= longest || typeof value !== 'object') return `${mark} ${label}${text}`
  return jsonText(value, 2)
    .split('\n')
    .map((line, index) => `${mark} ${index === 0 ? label : ''}${line}`)
    .join('\n')
}

/** The lines that differ, without what both texts begin and end with. */
function lineChanges(label: string, before: readonly string[], after: readonly string[]): string {
  const shorter = Math.min(before.length, after.length)
  let start = 0
  while (start < shorter && before[start] === after[start]) start++
  let end = 0
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end++
  const part = (mark: string, lines: readonly string[]): string[] =>
    lines.slice(start, lines.length - end).map((line) => `${mark} ${clean(line)}`)
  return [`~ ${label}from line ${start + 1}`, ...part('-', before), ...part('+', after)].join('\n')
}

function hasLines(value: unknown): value is string {
  return typeof value === 'string' && value.includes('\n')
}
