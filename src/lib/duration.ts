import {UsageError} from './errors.js'

const unitMs: Readonly<Record<string, number>> = {ms: 1, s: 1000, m: 60_000, h: 3_600_000}
const longestMs = 86_400_000

/** Parses `500ms`, `5s`, `1m30s` or `1h` into milliseconds, 24 hours at most; a bare number means seconds. */
export function parseDuration(text: string): number {
  const ms = milliseconds(/^[\d.]+$/.test(text) ? `${text}s` : text)
  if (ms >= 1 && ms <= longestMs) return Math.round(ms)
  throw new UsageError(`${JSON.stringify(text)} is not a length of time between 1ms and 24h.`, {
    suggestions: ['5s, 500ms or 2m'],
  })
}

function milliseconds(text: string): number {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text)) return NaN
  const parts = [...text.matchAll(/([\d.]+)(ms|s|m|h)/g)]
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * unitMs[unit!]!, 0)
}
