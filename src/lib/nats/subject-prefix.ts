import {UsageError} from '../errors.js'

/** Parses what subjects are to begin with, without the dot behind it; throws a UsageError that says what it was for. */
export function parsePrefix(text: string, purpose: string): string {
  if (/^[^\s\p{C}.*>]+(?:\.[^\s\p{C}.*>]+)*$/u.test(text)) return text
  throw new UsageError(
    `${JSON.stringify(text)} is not a ${purpose}: it may hold no white space, * or >, and no dot at its ends.`,
  )
}
