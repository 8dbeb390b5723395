import {UsageError} from '../errors.js'

declare const brand: unique symbol

/** A version as its maker wrote it; equality is string equality. */
export type Version = string & {readonly [brand]: 'Version'}

const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/
const longest = 128

/** Parses a version: any non-empty printable text of at most 128 characters without white space; throws a UsageError. */
export function parseVersion(text: string): Version {
  if (text === '') throw new UsageError('A version cannot be empty.')
  if (text.length > longest)
    throw new UsageError(`A version can have at most ${longest} characters, not ${text.length}.`)
  if (!isPrintable(text)) {
    throw new UsageError(
      `${JSON.stringify(text)} is not a version: it holds white space or characters that cannot be shown.`,
    )
  }
  return text as Version
}

/** True for what parseVersion takes. */
export function isVersion(text: string): boolean {
  return text !== '' && text.length <= longest && isPrintable(text)
}

const semver =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*))*))?(?:\+[\dA-Za-z-]+(?:\.[\dA-Za-z-]+)*)?$/

/** True when the text is valid semver 2.0. */
export function isSemver(version: string): boolean {
  return semver.test(version)
}

/** The one total order of versions: valid semver first, ties by code units, then the rest by code units. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [semver.exec(left), semver.exec(right)]
  if (a === null || b === null) return a === b ? byCodeUnits(left, right) : a === null ? 1 : -1
  for (const part of [1, 2, 3] as const) {
    const order = byNumber(a[part]!, b[part]!)
    if (order !== 0) return order
  }
  return comparePrerelease(a[4], b[4]) || byCodeUnits(left, right)
}

/** The version as one subject token or key part: base64url without padding of its exact UTF-8 (`1.2.0` → `MS4yLjA`). */
export function encodeVersion(version: string): string {
  return Buffer.from(version, 'utf8').toString('base64url')
}

/** The inverse of encodeVersion; undefined for a token that no version encodes to. */
export function decodeVersion(token: string): Version | undefined {
  const text = Buffer.from(token, 'base64url').toString('utf8')
  const valid = text !== '' && text.length <= longest && isPrintable(text)
  return valid && encodeVersion(text) === token ? (text as Version) : undefined
}

function isPrintable(text: string): boolean {
  return !unprintable.test(text) && !/\s/.test(text) && text.isWellFormed()
}

function comparePrerelease(left: string | undefined, right: string | undefined): number {
  if (left === undefined || right === undefined) return left === right ? 0 : left === undefined ? 1 : -1
  const [a, b] = [left.split('.'), right.split('.')]
  for (const [index, mine] of a.entries()) {
    const other = b[index]
    if (other === undefined) return 1
    const order = compareIdentifier(mine, other)
    if (order !== 0) return order
  }
  return a.length - b.length
}

function compareIdentifier(left: string, right: string): number {
  const numeric = [/^\d+$/.test(left), /^\d+$/.test(right)]
  if (numeric[0] && numeric[1]) return byNumber(left, right)
  if (numeric[0] !== numeric[1]) return numeric[0] ? -1 : 1
  return byCodeUnits(left, right)
}

/** Compares decimal digits without leading zeros, however many. */
function byNumber(left: string, right: string): number {
  return left.length - right.length || byCodeUnits(left, right)
}

function byCodeUnits(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
