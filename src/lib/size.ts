import {UsageError} from './errors.js'

const units: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
}

/** Parses `512MiB`, `1GB` or `4096` into bytes, one at least. */
export function parseSize(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? []
  const bytes = Math.round(Number(amount) * (units[unit?.toLowerCase() ?? ''] ?? NaN))
  if (bytes >= 1 && Number.isSafeInteger(bytes)) return bytes
  throw new UsageError(`${JSON.stringify(text)} is not a number of bytes.`, {suggestions: ['512MiB, 1GB or 4096']})
}
