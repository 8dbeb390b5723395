const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const

/** How long ago, in one unit: `3 m ago`. */
export function formatAge(then: Date, now: Date): string {
  return `${formatDuration(Math.max(0, now.getTime() - then.getTime()))} ago`
}

/** A length of time in its largest whole unit: `250 ms`, `3 m`. */
export function formatDuration(ms: number): string {
  for (const [unit, size] of units) if (ms >= size) return `${Math.floor(ms / size)} ${unit}`
  return `${Math.round(ms)} ms`
}
