import {formatDuration} from '../output/time.js'

/** `1 server`, `2 servers`. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** A number of bytes in its largest unit: `980 B`, `1.2 MiB`. */
export function sizeOf(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)))
  const value = bytes / 1024 ** power
  return `${power === 0 ? value : value.toFixed(1).replace(/\.0$/, '')} ${units[power]!}`
}

/** A moment with how far off it is: `2026-11-21T13:00:00.000Z, in 3 d`. */
export function momentOf(ms: number, now: number): string {
  const distance = Math.abs(ms - now)
  return `${new Date(ms).toISOString()}, ${ms > now ? `in ${formatDuration(distance)}` : `${formatDuration(distance)} ago`}`
}
