const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** A number of bytes in its largest unit: `980 B`, `1.2 MiB`. */
export function formatSize(bytes: number): string {
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)))
  const value = bytes / 1024 ** power
  return `${power === 0 ? value : value.toFixed(1).replace(/\.0$/, '')} ${units[power]!}`
}
