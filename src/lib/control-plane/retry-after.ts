/** How long a `Retry-After` header asks to wait, in milliseconds: seconds or an HTTP date; undefined when it is neither. */
export function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  const value = text?.trim() ?? ''
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  // Dates are in English and in GMT; `Date.parse` takes much more than that.
  if (!/^[A-Z][a-z]+,? .*(?:GMT|\d{4})$/.test(value)) return undefined
  const at = Date.parse(value.endsWith('GMT') ? value : `${value} GMT`)
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs)
}
