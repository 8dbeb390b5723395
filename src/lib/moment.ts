import {UsageError} from './errors.js'

/** A moment: itself, or as long ago as somebody said. */
export type Moment = {readonly kind: 'at'; readonly ms: number} | {readonly kind: 'ago'; readonly ms: number}

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** Parses `90s`, `2h30m`, `7d` or `2w` as so long ago, and an ISO date or time as itself; throws a UsageError. */
export function parseMoment(text: string): Moment {
  if (/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+$/.test(text)) {
    const parts = [...text.matchAll(/([\d.]+)(ms|s|m|h|d|w)/g)]
    return {kind: 'ago', ms: parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * unitMs[unit!]!, 0)}
  }
  const ms = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?$/.test(text)
    ? Date.parse(text)
    : NaN
  if (!Number.isNaN(ms)) return {kind: 'at', ms}
  throw new UsageError(`${JSON.stringify(text)} is neither a length of time nor a date or time.`, {
    suggestions: ['90s, 2h, 7d, 2026-02-04 or 2026-02-04T19:05:00Z'],
  })
}

/** The moment in milliseconds since 1970, seen from now. */
export function momentMs({kind, ms}: Moment, now: number): number {
  return kind === 'at' ? ms : now - ms
}
